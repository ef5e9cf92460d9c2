// Which functions refer to which global variable, from the code of several builds of each release.
//
// At run time gospect decodes the functions of a row; every address that an instruction refers to,
// less every offset the row names, is a vote for the variable's address.  Whether the instruction
// takes the address (lea) or uses the value must agree, too.  The rows are chosen so that the right
// address wins clearly in every build looked at; where it can only be among the winners, gospect
// tells them apart by what they hold.
package main

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

const (
	maxCode      = 4000 // bytes of a function worth decoding
	maxOffsets   = 6    // of one row
	minFunctions = 4    // rows of one variable
	maxFunctions = 12

	// the strongest wrong address may have marginNum of marginDen votes of the right one
	marginNum, marginDen = 2, 3
)

// ref is an address in an instruction, or an offset inside a variable.
type ref struct {
	addr uint64
	lea  bool
}

func (r ref) less(base uint64) ref { return ref{r.addr - base, r.lea} }

// code is what the functions of one program refer to.
type code struct {
	symbols map[string]uint64       // address of each symbol
	refs    map[string]map[ref]bool // by function
	size    map[string]uint64
	known   [][2]uint64 // extents of structures found already: no other variable lies there
}

var (
	textRE    = regexp.MustCompile(`^TEXT (\S+)\(SB\)`)
	operandRE = regexp.MustCompile(`([^\s,(]+?)(\+\d+)?\(SB\)`)
)

func readCode(path string) (*code, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	c := &code{
		symbols: map[string]uint64{},
		refs:    map[string]map[ref]bool{},
		size:    map[string]uint64{},
	}
	for _, s := range symbols {
		if _, twice := c.symbols[s.Name]; !twice || s.Size > 0 {
			c.symbols[s.Name] = s.Value
			c.size[s.Name] = s.Size
		}
	}
	cmd := exec.Command(os.Getenv("GOROOT")+"/bin/go", "tool", "objdump", "-s", `^runtime\.`, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.scan(bufio.NewScanner(out))
	return c, cmd.Wait()
}

func (c *code) scan(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	var refs map[ref]bool
	for lines.Scan() {
		line := lines.Text()
		if m := textRE.FindStringSubmatch(line); m != nil {
			refs = map[ref]bool{}
			c.refs[strings.TrimSuffix(m[1], ".abi0")] = refs
			continue
		}
		columns := strings.Split(line, "\t")
		text := strings.TrimSpace(strings.Join(columns[len(columns)-min(len(columns), 5):], " "))
		if strings.Contains(text, "CALL ") || strings.Contains(text, "JMP ") {
			continue
		}
		for _, m := range operandRE.FindAllStringSubmatch(text, -1) {
			base, known := c.symbols[m[1]]
			off, _ := strconv.ParseUint(strings.TrimPrefix(m[2], "+"), 10, 64)
			if known && refs != nil {
				refs[ref{base + off, strings.Contains(text, "LEAQ ")}] = true
			}
		}
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// row says that a function refers to a variable at these offsets, in every program.
type row struct {
	function string
	offsets  []ref
}

func address(c *code, names []string) (uint64, uint64) {
	for _, n := range names {
		if a, ok := c.symbols[n]; ok {
			size := c.size[n]
			if size == 0 {
				size = 8
			}
			return a, size
		}
	}
	return 0, 0
}

// rowsOf lists the functions that refer to the variable in all programs, best first.
func rowsOf(programs []*code, names []string) (rows []row) {
	for function := range programs[0].refs {
		var common map[ref]bool
		for _, c := range programs {
			refs, ok := c.refs[function]
			base, size := address(c, names)
			if !ok || c.size[function] > maxCode {
				common = nil
				break
			}
			here := map[ref]bool{}
			for r := range refs {
				if r.addr >= base && r.addr < base+size && (common == nil || common[r.less(base)]) {
					here[r.less(base)] = true
				}
			}
			if common = here; len(here) == 0 {
				break
			}
		}
		r := row{function: function}
		for off := range common {
			r.offsets = append(r.offsets, off)
		}
		sort.Slice(r.offsets, func(i, j int) bool {
			a, b := r.offsets[i], r.offsets[j]
			return a.addr < b.addr || a.addr == b.addr && !a.lea && b.lea
		})
		if len(r.offsets) > maxOffsets {
			r.offsets = r.offsets[:maxOffsets]
		}
		if len(r.offsets) > 0 {
			rows = append(rows, r)
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		if a, b := len(rows[i].offsets), len(rows[j].offsets); a != b {
			return a > b
		}
		a, b := programs[0].size[rows[i].function], programs[0].size[rows[j].function]
		return a < b || a == b && rows[i].function < rows[j].function
	})
	return rows
}

func (c *code) isKnown(addr uint64) bool {
	for _, k := range c.known {
		if addr >= k[0] && addr < k[1] {
			return true
		}
	}
	return false
}

// lead is by how much the right address is ahead in the program where it is least so: its votes and
// those of the strongest other address, and what that other address is.
type lead struct {
	votes, other int
	program      int
	base         uint64
}

func leadOf(programs []*code, rows []row, names []string) (worst lead) {
	for i, c := range programs {
		want, _ := address(c, names)
		votes := map[uint64]int{}
		for _, r := range rows {
			for ref := range c.refs[r.function] {
				for _, off := range r.offsets {
					if base := ref.addr - off.addr; ref.lea == off.lea && !c.isKnown(base) {
						votes[base]++
					}
				}
			}
		}
		here := lead{votes: votes[want], program: i}
		for base, n := range votes {
			if base != want && (n > here.other || n == here.other && base < here.base) {
				here.other, here.base = n, base
			}
		}
		if i == 0 || here.other*worst.votes > worst.other*here.votes {
			worst = here
		}
	}
	return worst
}

// choose finds rows that hold in every program; where inlining differs too much between them, rows of
// each program together, if the right address still leads in all.
func choose(programs []*code, names []string) []row {
	if rows := chooseCommon(programs, names, minFunctions); rows != nil {
		return rows
	}
	var all []row
	seen := map[string]bool{}
	for i := range programs {
		for _, r := range chooseCommon(programs[i:i+1], names, minFunctions/2) {
			if !seen[r.function] {
				all = append(all, r)
				seen[r.function] = true
			}
		}
	}
	if now := leadOf(programs, all, names); len(all) > 0 && now.other < now.votes {
		return all
	}
	rows := rowsOf(programs, names)
	rows = rows[:min(len(rows), maxFunctions)]
	if now := leadOf(programs, rows, names); now.other == now.votes {
		return rows
	}
	return nil
}

// chooseCommon adds functions until the right address has a margin, always one that does not vote for the
// strongest other address.
func chooseCommon(programs []*code, names []string, least int) []row {
	rest := rowsOf(programs, names)
	var rows []row
	for len(rest) > 0 && len(rows) < maxFunctions {
		now, next := leadOf(programs, rows, names), 0
		if len(rows) >= least && now.other*marginDen <= now.votes*marginNum {
			return rows
		}
		if len(rows) < least {
			rows, rest = append(rows, rest[0]), rest[1:]
			continue
		}
		for i, r := range rest {
			if with := leadOf(programs[now.program:now.program+1], append(rows[:len(rows):len(rows)], r), names); with.other == now.other {
				next = i
				break
			}
		}
		rows = append(rows, rest[next])
		rest = append(rest[:next:next], rest[next+1:]...)
	}
	if now := leadOf(programs, rows, names); now.other < now.votes {
		return rows
	}
	return nil
}

// having leaves out programs in which the linker dropped the variable.
func having(programs []*code, names []string) (some []*code) {
	for _, c := range programs {
		if base, _ := address(c, names); base != 0 {
			some = append(some, c)
		}
	}
	return some
}

func printAnchors(def *definition, release string, paths []string) error {
	var programs []*code
	for _, path := range paths {
		c, err := readCode(path)
		if err != nil {
			return err
		}
		programs = append(programs, c)
	}
	fmt.Printf("RELEASE(%q)\n", release)
	for _, g := range def.globals {
		some := having(programs, g.theirs)
		if len(some) == 0 {
			fmt.Fprintf(os.Stderr, "%s: no %s\n", release, g.name)
			continue
		}
		rows := choose(some, g.theirs)
		if rows == nil {
			fmt.Fprintf(os.Stderr, "%s: %s cannot be told by code\n", release, g.name)
		}
		for _, c := range some {
			if base, size := address(c, g.theirs); g.strct != "none" {
				c.known = append(c.known, [2]uint64{base, base + size})
			}
		}
		for _, r := range rows {
			var offs strings.Builder
			for _, o := range r.offsets {
				fmt.Fprintf(&offs, ", %s(%d)", map[bool]string{false: "V", true: "A"}[o.lea], o.addr)
			}
			fmt.Printf("ANCHOR(%s, %q, %d%s)\n", g.name, r.function, len(r.offsets), offs.String())
		}
	}
	fmt.Println("END_RELEASE")
	return nil
}
