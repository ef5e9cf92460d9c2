// A session with gospect dap by the client that Delve's own tests use: every answer and event must be what
// go-dap's types say.  tests/e2e/test_dap_outside.py runs it; DAP_ADDRESS is a server, DAP_PROGRAM tests/targets/dap,
// DAP_SOURCE its source, DAP_LINE the line with "look: call".
package delve

import (
	"os"
	"strconv"
	"testing"

	"github.com/go-delve/delve/service/dap/daptest"
	"github.com/google/go-dap"
)

// next is the next message of a type; events that may come at any time are passed over.
func next[T dap.Message](t *testing.T, c *daptest.Client) T {
	t.Helper()
	for {
		m, err := c.ReadMessage(t)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.(T); ok {
			return got
		}
		if failed, ok := m.(*dap.ErrorResponse); ok {
			t.Fatalf("%s: %s", failed.Command, failed.Message)
		}
		if _, ok := m.(dap.EventMessage); !ok {
			t.Fatalf("got %T, wanted %T", m, *new(T))
		}
	}
}

func launch(t *testing.T, args ...string) *daptest.Client {
	c := daptest.NewClient(os.Getenv("DAP_ADDRESS"))
	c.InitializeRequest()
	if !next[*dap.InitializeResponse](t, c).Body.SupportsConfigurationDoneRequest {
		t.Fatal("no configurationDone")
	}
	c.LaunchRequestWithArgs(map[string]any{"mode": "exec", "program": os.Getenv("DAP_PROGRAM"), "args": args})
	next[*dap.LaunchResponse](t, c)
	next[*dap.InitializedEvent](t, c)
	return c
}

func leave(t *testing.T, c *daptest.Client) {
	c.DisconnectRequest()
	next[*dap.DisconnectResponse](t, c)
	c.Close()
}

func TestLook(t *testing.T) {
	source := os.Getenv("DAP_SOURCE")
	line, _ := strconv.Atoi(os.Getenv("DAP_LINE"))
	c := launch(t, "look", "3")
	c.SetBreakpointsRequestWithArgs(source, []int{line}, map[int]string{line: "n == 4"}, nil, nil)
	if b := next[*dap.SetBreakpointsResponse](t, c).Body.Breakpoints; len(b) != 1 || !b[0].Verified || b[0].Line != line {
		t.Fatalf("%+v", b)
	}
	c.SetExceptionBreakpointsRequest([]string{"panic"})
	next[*dap.SetExceptionBreakpointsResponse](t, c)
	c.ConfigurationDoneRequest()
	next[*dap.ConfigurationDoneResponse](t, c)
	stop := next[*dap.StoppedEvent](t, c)
	if stop.Body.Reason != "breakpoint" || stop.Body.ThreadId != 1 || !stop.Body.AllThreadsStopped {
		t.Fatalf("%+v", stop.Body)
	}
	c.CheckStopLocation(t, 1, "main.look", line)
	c.ThreadsRequest()
	if threads := next[*dap.ThreadsResponse](t, c).Body.Threads; len(threads) < 2 {
		t.Fatalf("%+v", threads)
	}
	c.StackTraceRequest(1, 0, 20)
	frames := next[*dap.StackTraceResponse](t, c).Body.StackFrames
	c.ScopesRequest(frames[0].Id)
	scopes := next[*dap.ScopesResponse](t, c).Body.Scopes
	c.VariablesRequest(scopes[0].VariablesReference)
	values := map[string]dap.Variable{}
	for _, v := range next[*dap.VariablesResponse](t, c).Body.Variables {
		values[v.Name] = v
	}
	if values["n"].Value != "4" || values["list"].IndexedVariables != 250 {
		t.Fatalf("%+v", values)
	}
	c.IndexedVariablesRequest(values["list"].VariablesReference, 10, 5)
	if some := next[*dap.VariablesResponse](t, c).Body.Variables; len(some) != 5 || some[0].Value != "40" {
		t.Fatalf("%+v", some)
	}
	c.EvaluateRequest("p.X * 10", frames[0].Id, "watch")
	if r := next[*dap.EvaluateResponse](t, c).Body.Result; r != "40" {
		t.Fatal(r)
	}
	c.SetVariableRequest(scopes[0].VariablesReference, "n", "5")
	if r := next[*dap.SetVariableResponse](t, c).Body.Value; r != "5" {
		t.Fatal(r)
	}
	for range 2 {
		c.NextRequest(1)
		next[*dap.NextResponse](t, c)
		if reason := next[*dap.StoppedEvent](t, c).Body.Reason; reason != "step" {
			t.Fatal(reason)
		}
	}
	c.DisassembleRequest(frames[0].InstructionPointerReference, -5, 20)
	if code := next[*dap.DisassembleResponse](t, c).Body.Instructions; len(code) != 20 {
		t.Fatalf("%+v", code)
	}
	c.ContinueRequest(1)
	next[*dap.ContinueResponse](t, c)
	if code := next[*dap.ExitedEvent](t, c).Body.ExitCode; code != 0 {
		t.Fatal(code)
	}
	next[*dap.TerminatedEvent](t, c)
	leave(t, c)
}

// What is wrong is answered as an error, and the conversation goes on.
func TestWrong(t *testing.T) {
	c := launch(t, "serve")
	c.UnknownRequest()
	c.ExpectInvisibleErrorResponse(t)
	c.StepBackRequest()
	c.ExpectInvisibleErrorResponse(t)
	c.KnownEvent() // an event from a client: passed over, and said so
	next[*dap.OutputEvent](t, c)
	c.ConfigurationDoneRequest()
	next[*dap.ConfigurationDoneResponse](t, c)
	c.PauseRequest(1)
	next[*dap.PauseResponse](t, c)
	if reason := next[*dap.StoppedEvent](t, c).Body.Reason; reason != "pause" {
		t.Fatal(reason)
	}
	c.StackTraceRequest(123456, 0, 1)
	c.ExpectInvisibleErrorResponse(t)
	leave(t, c)
}
