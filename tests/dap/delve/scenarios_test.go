// What debuggers of Go are asked for by editors, scenario by scenario: the list of them is what Delve's own tests of its adapter go
// through; how an adapter must behave is the protocol's, what it must say is what tests/targets/dap does.
package delve

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-delve/delve/service/dap/daptest"
	"github.com/google/go-dap"
)

var source = os.Getenv("DAP_SOURCE")

// at is the line of the program that has this remark.
func at(t *testing.T, mark string) int {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasSuffix(line, "// "+mark) {
			return i + 1
		}
	}
	t.Fatalf("no line %q", mark)
	return 0
}

// refused is the error that answers the last request; a user gets to see it.
func refused(t *testing.T, c *daptest.Client) string {
	t.Helper()
	for {
		m, err := c.ReadMessage(t)
		if err != nil {
			t.Fatal(err)
		}
		if failed, ok := m.(*dap.ErrorResponse); ok {
			if failed.Success || failed.Body.Error == nil || failed.Body.Error.Format == "" {
				t.Fatalf("%+v", failed)
			}
			return failed.Message
		}
		if _, ok := m.(dap.EventMessage); !ok {
			t.Fatalf("got %T, wanted an error", m)
		}
	}
}

func breakAt(t *testing.T, c *daptest.Client, lines ...int) []dap.Breakpoint {
	t.Helper()
	c.SetBreakpointsRequest(source, lines)
	return next[*dap.SetBreakpointsResponse](t, c).Body.Breakpoints
}

// run lets the program that was launched begin.
func run(t *testing.T, c *daptest.Client) {
	t.Helper()
	c.ConfigurationDoneRequest()
	next[*dap.ConfigurationDoneResponse](t, c)
}

// stop is where it stops next.
func stop(t *testing.T, c *daptest.Client, reason, function string, line int) (frame, thread int) {
	t.Helper()
	body := next[*dap.StoppedEvent](t, c).Body
	if body.Reason != reason || !body.AllThreadsStopped {
		t.Fatalf("%+v", body)
	}
	top := stack(t, c, body.ThreadId, 0, 1)[0]
	if top.Name != function || (line != 0 && top.Line != line) {
		t.Fatalf("%+v", top)
	}
	return top.Id, body.ThreadId
}

func resume(t *testing.T, c *daptest.Client) {
	t.Helper()
	c.ContinueRequest(1)
	if !next[*dap.ContinueResponse](t, c).Body.AllThreadsContinued {
		t.Fatal("not all continued")
	}
}

func stack(t *testing.T, c *daptest.Client, thread, from, levels int) []dap.StackFrame {
	t.Helper()
	c.StackTraceRequest(thread, from, levels)
	return next[*dap.StackTraceResponse](t, c).Body.StackFrames
}

func children(t *testing.T, c *daptest.Client, reference int) map[string]dap.Variable {
	t.Helper()
	c.VariablesRequest(reference)
	all := map[string]dap.Variable{}
	for _, v := range next[*dap.VariablesResponse](t, c).Body.Variables {
		all[v.Name] = v
	}
	return all
}

func locals(t *testing.T, c *daptest.Client, frame int) (map[string]dap.Variable, int) {
	t.Helper()
	c.ScopesRequest(frame)
	reference := next[*dap.ScopesResponse](t, c).Body.Scopes[0].VariablesReference
	return children(t, c, reference), reference
}

func evaluate(t *testing.T, c *daptest.Client, frame int, expression, context string) dap.EvaluateResponseBody {
	t.Helper()
	c.EvaluateRequest(expression, frame, context)
	return next[*dap.EvaluateResponse](t, c).Body
}

// ends waits until the program has ended by itself.
func ends(t *testing.T, c *daptest.Client, code int) {
	t.Helper()
	if got := next[*dap.ExitedEvent](t, c).Body.ExitCode; got != code {
		t.Fatal(got)
	}
	next[*dap.TerminatedEvent](t, c)
	leave(t, c)
}

// alive: whether a process runs; one that has ended and was not waited for does not.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func TestStackInPages(t *testing.T) {
	c := launch(t, "deep", "200")
	breakAt(t, c, at(t, "deep: bottom"))
	run(t, c)
	_, thread := stop(t, c, "breakpoint", "main.deep", at(t, "deep: bottom"))
	for _, f := range stack(t, c, thread, 0, 50) {
		if f.Name != "main.deep" {
			t.Fatalf("%+v", f)
		}
	}
	rest := stack(t, c, thread, 195, 50)
	names := []string{}
	for _, f := range rest {
		names = append(names, f.Name)
	}
	want := "main.deep main.deep main.deep main.deep main.deep main.deep main.main runtime.main runtime.goexit"
	if got := strings.Join(names, " "); got != want {
		t.Fatal(got)
	}
	if beyond := stack(t, c, thread, 1000, 10); len(beyond) != 0 {
		t.Fatalf("%+v", beyond)
	}
	for i := range 3 { // the same function three times, each with its own variables
		n, _ := locals(t, c, stack(t, c, thread, i*7, 1)[0].Id)
		if n["n"].Value != strconv.Itoa(i*7) {
			t.Fatalf("%+v", n)
		}
	}
	resume(t, c)
	ends(t, c, 0)
}

func TestGoroutines(t *testing.T) {
	c := launch(t, "workers", "20")
	breakAt(t, c, at(t, "workers: all wait"))
	run(t, c)
	stop(t, c, "breakpoint", "main.workers", at(t, "workers: all wait"))
	c.ThreadsRequest()
	seen := map[string]bool{}
	for _, thread := range next[*dap.ThreadsResponse](t, c).Body.Threads {
		if !strings.Contains(thread.Name, "main.worker") || thread.Id == 1 {
			continue
		}
		for _, f := range stack(t, c, thread.Id, 0, 0) { // 0 levels: all
			if f.Name == "main.worker" {
				vars, _ := locals(t, c, f.Id)
				seen[vars["id"].Value] = true
			}
		}
	}
	if len(seen) != 20 || !seen["0"] || !seen["19"] {
		t.Fatalf("%v", seen)
	}
	resume(t, c)
	ends(t, c, 0)
}

func TestConditionsHitsAndMessages(t *testing.T) {
	line := at(t, "loop: body")
	c := launch(t, "loop", "40")
	set := func(condition, hits, message string) {
		c.SetBreakpointsRequestWithArgs(source, []int{line}, map[int]string{line: condition}, map[int]string{line: hits},
			map[int]string{line: message})
		if b := next[*dap.SetBreakpointsResponse](t, c).Body.Breakpoints[0]; !b.Verified {
			t.Fatalf("%+v", b)
		}
	}
	i := func() string {
		frame, _ := stop(t, c, "breakpoint", "main.loop", line)
		return evaluate(t, c, frame, "i", "watch").Result
	}
	set("i % 10 == 3", "", "")
	run(t, c)
	for _, want := range []string{"3", "13"} {
		if got := i(); got != want {
			t.Fatal(got)
		}
		resume(t, c)
	}
	if got := i(); got != "23" {
		t.Fatal(got)
	}
	set("", "== 5", "") // it stays the same breakpoint, which was met three times
	resume(t, c)
	if got := i(); got != "25" {
		t.Fatal(got)
	}
	set("i >= 38", "", "i is {i}, i*i is {i * i}")
	resume(t, c)
	text := ""
	for !strings.Contains(text, "39") {
		text += next[*dap.OutputEvent](t, c).Body.Output
	}
	if !strings.Contains(text, "i is 38, i*i is 1444") || !strings.Contains(text, "i is 39, i*i is 1521") {
		t.Fatal(text)
	}
	ends(t, c, 0)
}

func TestPlacesThatAreNone(t *testing.T) {
	line := at(t, "look: call")
	c := launch(t, "look")
	got := breakAt(t, c, 1, line, 100000)
	if len(got) != 3 || !got[1].Verified || got[1].Line != line || got[2].Verified || got[2].Message == "" {
		t.Fatalf("%+v", got)
	}
	c.SetBreakpointsRequest("/nonexistent/x.go", []int{1})
	if b := next[*dap.SetBreakpointsResponse](t, c).Body.Breakpoints; b[0].Verified || b[0].Message == "" {
		t.Fatalf("%+v", b)
	}
	c.SetFunctionBreakpointsRequest([]dap.FunctionBreakpoint{{Name: "main.twice"}, {Name: "main.nobody"}, {Name: "(*point).area"}})
	f := next[*dap.SetFunctionBreakpointsResponse](t, c).Body.Breakpoints
	if !f[0].Verified || f[1].Verified || f[1].Message == "" || !f[2].Verified {
		t.Fatalf("%+v", f)
	}
	run(t, c)
	stop(t, c, "breakpoint", "main.look", line)
	resume(t, c)
	stop(t, c, "function breakpoint", "main.(*point).area", 0)
	resume(t, c)
	stop(t, c, "function breakpoint", "main.twice", 0)
	c.TerminateRequest()
	next[*dap.TerminateResponse](t, c)
	next[*dap.TerminatedEvent](t, c)
	leave(t, c)
}

func TestPanic(t *testing.T) {
	c := launch(t, "panic")
	c.SetExceptionBreakpointsRequest([]string{"panic"})
	next[*dap.SetExceptionBreakpointsResponse](t, c)
	run(t, c)
	body := next[*dap.StoppedEvent](t, c).Body
	if body.Reason != "exception" || !strings.Contains(body.Text+body.Description, "nil map") {
		t.Fatalf("%+v", body)
	}
	c.ExceptionInfoRequest(body.ThreadId)
	info := next[*dap.ExceptionInfoResponse](t, c).Body
	if info.ExceptionId == "" || !strings.Contains(info.Description, "assignment to entry in nil map") {
		t.Fatalf("%+v", info)
	}
	found := false
	for _, f := range stack(t, c, body.ThreadId, 0, 0) {
		found = found || (f.Name == "main.fails" && f.Line == at(t, "fails: here"))
	}
	if !found {
		t.Fatal("not in main.fails")
	}
	resume(t, c)
	ends(t, c, 2)
}

func TestStepsIntoAndOut(t *testing.T) {
	call := at(t, "look: call")
	c := launch(t, "look")
	breakAt(t, c, call)
	run(t, c)
	_, thread := stop(t, c, "breakpoint", "main.look", call)
	c.StepInRequest(thread)
	next[*dap.StepInResponse](t, c)
	stop(t, c, "step", "main.add", 0)
	c.StepOutRequest(thread)
	next[*dap.StepOutResponse](t, c)
	stop(t, c, "step", "main.look", call)
	// A breakpoint inside of what a step goes over is a stop.
	body := at(t, "add: body")
	breakAt(t, c, body)
	c.NextRequest(thread)
	next[*dap.NextResponse](t, c)
	stop(t, c, "step", "main.look", at(t, "look: after"))
	for line := at(t, "look: after"); line < at(t, "look: prints"); line++ {
		c.NextRequest(thread)
		next[*dap.NextResponse](t, c)
		stop(t, c, "step", "main.look", line+1)
	}
	c.NextRequest(thread)
	next[*dap.NextResponse](t, c)
	stop(t, c, "breakpoint", "main.add", body)
	c.NextInstructionRequest(thread)
	next[*dap.NextResponse](t, c)
	stop(t, c, "step", "main.add", 0)
	leave(t, c)
}

func TestValuesAndTheirSetting(t *testing.T) {
	c := launch(t, "look", "3")
	breakAt(t, c, at(t, "look: call"))
	run(t, c)
	frame, _ := stop(t, c, "breakpoint", "main.look", 0)
	vars, scope := locals(t, c, frame)
	p := children(t, c, vars["p"].VariablesReference)
	if len(p) == 1 { // a pointer shows what it points to first
		for _, v := range p {
			p = children(t, c, v.VariablesReference)
		}
	}
	if p["X"].Value != "3" || p["Y"].Value != "2" || p["name"].Value != `"p"` {
		t.Fatalf("%+v", p)
	}
	for expression, want := range map[string]string{
		"len(list)": "250", `ages["ann"] + 1`: "32", "list[3] * 2": "18", "*p == *p": "true", "p.X<<2 | 1": "13", "text[1:3]": `"é"`,
		"total": "7", "main.total - n": "4", "s.(*point).Y": "2", "cap(list[:10:20])": "20", "float64(n) / 2": "1.5",
	} {
		if got := evaluate(t, c, frame, expression, "watch").Result; got != want {
			t.Errorf("%s: %s", expression, got)
		}
	}
	if got := evaluate(t, c, frame, "twice(21)", "repl").Result; got != "42" {
		t.Error(got)
	}
	if got := evaluate(t, c, frame, "call twice(21)", "repl").Result; got != "42" {
		t.Error(got)
	}
	for _, wrong := range []string{"nobody", "n +", "p.Z", "list[1000]", "n + text", `ages[1]`, "*n"} {
		c.EvaluateRequest(wrong, frame, "watch")
		refused(t, c)
	}
	for _, set := range [][3]string{{"n", "10", "10"}, {"n", "p.Y * 8", "16"}, {"text", "p.name", `"p"`}} {
		c.SetVariableRequest(scope, set[0], set[1])
		if got := next[*dap.SetVariableResponse](t, c).Body.Value; got != set[2] {
			t.Errorf("%v: %s", set, got)
		}
	}
	c.SetVariableRequest(scope, "n", `"text"`)
	refused(t, c)
	c.SetVariableRequest(scope, "nobody", "1")
	refused(t, c)
	if got := evaluate(t, c, frame, "text + text", "watch").Result; got != `"pp"` {
		t.Error(got)
	}
	breakAt(t, c)
	resume(t, c)
	text := ""
	for !strings.Contains(text, " p\n") {
		text += next[*dap.OutputEvent](t, c).Body.Output
	}
	if !strings.HasPrefix(text, "look 18 6 250 31 ") { // add(16, 2); the text is the compiler's, who knows that it never changes
		t.Error(text)
	}
	ends(t, c, 0)
}

func serve(t *testing.T) *exec.Cmd {
	command := exec.Command(os.Getenv("DAP_PROGRAM"), "serve")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	if _, err := out.Read(make([]byte, 16)); err != nil { // it runs
		t.Fatal(err)
	}
	return command
}

func attach(t *testing.T, pid int) *daptest.Client {
	c := daptest.NewClient(os.Getenv("DAP_ADDRESS"))
	t.Cleanup(c.Close)
	c.InitializeRequest()
	next[*dap.InitializeResponse](t, c)
	c.AttachRequest(map[string]any{"processId": pid})
	next[*dap.AttachResponse](t, c)
	next[*dap.InitializedEvent](t, c)
	run(t, c)
	return c
}

func TestAttachAndLeave(t *testing.T) {
	command := serve(t)
	pid := command.Process.Pid
	c := attach(t, pid)
	breakAt(t, c, at(t, "serve: tick")) // while it runs
	frame, _ := stop(t, c, "breakpoint", "main.serve", at(t, "serve: tick"))
	if evaluate(t, c, frame, "i > 5", "hover").Result != "true" {
		t.Fatal("i")
	}
	c.DisconnectRequestWithKillOption(false)
	next[*dap.DisconnectResponse](t, c)
	c.Close()
	if !alive(pid) {
		t.Fatal("the process has ended")
	}
	c = attach(t, pid)
	c.PauseRequest(1)
	next[*dap.PauseResponse](t, c)
	if reason := next[*dap.StoppedEvent](t, c).Body.Reason; reason != "pause" {
		t.Fatal(reason)
	}
	c.DisconnectRequestWithKillOption(true)
	next[*dap.DisconnectResponse](t, c)
	c.Close()
	if err := command.Wait(); err == nil || command.ProcessState.Sys().(syscall.WaitStatus).Signaled() == false {
		t.Fatal(err)
	}
}

func TestNothingToDebug(t *testing.T) {
	c := daptest.NewClient(os.Getenv("DAP_ADDRESS"))
	t.Cleanup(c.Close)
	c.InitializeRequest()
	next[*dap.InitializeResponse](t, c)
	program := os.Getenv("DAP_PROGRAM")
	for _, arguments := range []map[string]any{
		{}, {"program": ""}, {"program": 7}, {"program": "/nonexistent"}, {"program": source}, {"program": program, "mode": "nonsense"},
		{"program": program, "args": "text"}, {"program": program, "args": []any{1}}, {"program": program, "cwd": "/nonexistent"},
		{"program": program, "env": map[string]any{"A": 1}}, {"program": program, "substitutePath": []any{map[string]any{"from": "/a"}}},
		{"program": "/nonexistent", "mode": "debug"}, {"mode": "core", "program": program}, {"mode": "snapshot"},
	} {
		c.LaunchRequestWithArgs(arguments)
		if text := refused(t, c); text == "" {
			t.Errorf("%v", arguments)
		}
	}
	for _, arguments := range []map[string]any{{}, {"processId": -1}, {"processId": 0}, {"processId": 1 << 30}, {"name": "no such name"}} {
		c.AttachRequest(arguments)
		if text := refused(t, c); text == "" {
			t.Errorf("%v", arguments)
		}
	}
	// and after all that it can still be used
	c.LaunchRequestWithArgs(map[string]any{"mode": "exec", "program": program, "args": []string{"look"}})
	next[*dap.LaunchResponse](t, c)
	next[*dap.InitializedEvent](t, c)
	run(t, c)
	ends(t, c, 0)
}

func TestRestart(t *testing.T) {
	line := at(t, "look: call")
	c := launch(t, "look", "3")
	breakAt(t, c, line)
	run(t, c)
	stop(t, c, "breakpoint", "main.look", line)
	resume(t, c)
	frame, _ := stop(t, c, "breakpoint", "main.look", line)
	if n := evaluate(t, c, frame, "n", "watch").Result; n != "4" {
		t.Fatal(n)
	}
	c.RestartRequest(nil)
	next[*dap.RestartResponse](t, c)
	frame, _ = stop(t, c, "breakpoint", "main.look", line)
	if n := evaluate(t, c, frame, "n", "watch").Result; n != "3" {
		t.Fatal(n)
	}
	leave(t, c)
}

func TestWithoutDebugging(t *testing.T) {
	c := daptest.NewClient(os.Getenv("DAP_ADDRESS"))
	t.Cleanup(c.Close)
	c.InitializeRequest()
	next[*dap.InitializeResponse](t, c)
	c.LaunchRequestWithArgs(map[string]any{"noDebug": true, "program": os.Getenv("DAP_PROGRAM"), "args": []string{"env", "3"}})
	next[*dap.LaunchResponse](t, c)
	next[*dap.InitializedEvent](t, c)
	breakAt(t, c, at(t, "main: choose"))
	run(t, c)
	ends(t, c, 3)
}

func TestInstructions(t *testing.T) {
	c := launch(t, "look")
	breakAt(t, c, at(t, "look: call"))
	run(t, c)
	frame, thread := stop(t, c, "breakpoint", "main.look", 0)
	_ = frame
	pointer := stack(t, c, thread, 0, 1)[0].InstructionPointerReference
	c.DisassembleRequest(pointer, 0, 40)
	code := next[*dap.DisassembleResponse](t, c).Body.Instructions
	if len(code) != 40 || code[0].Address != pointer {
		t.Fatalf("%+v", code)
	}
	call := ""
	for _, i := range code {
		if strings.Contains(strings.ToLower(i.Instruction), "call") {
			call = i.Address
			break
		}
	}
	c.SetInstructionBreakpointsRequest([]dap.InstructionBreakpoint{{InstructionReference: call}, {InstructionReference: "0x1"}})
	b := next[*dap.SetInstructionBreakpointsResponse](t, c).Body.Breakpoints
	if !b[0].Verified || b[1].Verified {
		t.Fatalf("%+v", b)
	}
	resume(t, c)
	stop(t, c, "instruction breakpoint", "main.look", 0)
	c.StepInInstructionRequest(thread)
	next[*dap.StepInResponse](t, c)
	stop(t, c, "step", "main.add", 0)
	leave(t, c)
}

// Whoever connects while another one debugs is told, and does not disturb.
func TestSecondClient(t *testing.T) {
	c := launch(t, "serve")
	run(t, c)
	second := daptest.NewClient(os.Getenv("DAP_ADDRESS"))
	second.InitializeRequest()
	next[*dap.InitializeResponse](t, second)
	second.LaunchRequestWithArgs(map[string]any{"program": os.Getenv("DAP_PROGRAM")})
	refused(t, second)
	second.Close()
	time.Sleep(10 * time.Millisecond)
	c.PauseRequest(1)
	next[*dap.PauseResponse](t, c)
	if reason := next[*dap.StoppedEvent](t, c).Body.Reason; reason != "pause" {
		t.Fatal(reason)
	}
	leave(t, c)
}

// The end that was asked for is not held up by a breakpoint on every way to it.
func TestTerminateInALoop(t *testing.T) {
	c := launch(t, "serve")
	breakAt(t, c, at(t, "serve: tick"))
	run(t, c)
	stop(t, c, "breakpoint", "main.serve", at(t, "serve: tick"))
	c.TerminateRequest()
	next[*dap.TerminateResponse](t, c)
	ends(t, c, 128+int(syscall.SIGTERM))
}

// Somebody else kills a process that stands.
func TestKilledWhileItStands(t *testing.T) {
	command := serve(t)
	c := attach(t, command.Process.Pid)
	breakAt(t, c, at(t, "serve: tick"))
	stop(t, c, "breakpoint", "main.serve", at(t, "serve: tick"))
	command.Process.Kill()
	for end := time.Now().Add(time.Minute); alive(command.Process.Pid) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	c.ContinueRequest(1)
	next[*dap.ContinueResponse](t, c)
	ends(t, c, 128+int(syscall.SIGKILL))
}
