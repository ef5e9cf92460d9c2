// gen-layouts prints the generated files of src/rt/gen: what src/rt/layout.def names, as each Go
// release has it.
//
//	gen-layouts layouts LAYOUT.DEF RELEASE=PROGRAM ...
//	gen-layouts anchors LAYOUT.DEF RELEASE=PROGRAM[,PROGRAM ...] ...
//
// layouts reads offsets, sizes and constants from the DWARF of one program a release.  anchors reads
// the machine code of several programs a release (plain, -race, PIE ...) and prints which functions
// refer to which global variable, so that the variables can be found in a program without symbols.
//
// It is an independent reader on purpose: the C readers are tested against its rows.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

type field struct {
	strct, name string
	paths       []string
}

// named is a row that has a name of ours and the names the runtime knows it by.
type named struct {
	name   string
	strct  string // of a GLOBAL: which structure it is, or none
	theirs []string
}

type definition struct {
	structs   []named
	fields    []field
	constants []named
	globals   []named
	values    []named
}

var (
	fieldRE = regexp.MustCompile(`^FIELD\((\w+), (\w+), (.*)\)$`)
	namedRE = regexp.MustCompile(`^(STRUCT|CONSTANT|GLOBAL|VALUES)\((\w+), (?:(\w+), )?(.*)\)$`)
	quoted  = regexp.MustCompile(`"([^"]*)"`)
)

func quotedAll(s string) (all []string) {
	for _, m := range quoted.FindAllStringSubmatch(s, -1) {
		all = append(all, m[1])
	}
	return
}

func parseDef(path string) (*definition, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	def := new(definition)
	for _, line := range strings.Split(string(text), "\n") {
		if m := fieldRE.FindStringSubmatch(line); m != nil {
			def.fields = append(def.fields, field{m[1], m[2], quotedAll(m[3])})
		} else if m := namedRE.FindStringSubmatch(line); m != nil {
			row := named{m[2], m[3], quotedAll(m[4])}
			switch m[1] {
			case "STRUCT":
				def.structs = append(def.structs, row)
			case "CONSTANT":
				def.constants = append(def.constants, row)
			case "GLOBAL":
				def.globals = append(def.globals, row)
			case "VALUES":
				def.values = append(def.values, row)
			}
		}
	}
	return def, nil
}

func run() error {
	if len(os.Args) < 4 {
		return fmt.Errorf("usage: gen-layouts layouts|anchors LAYOUT.DEF RELEASE=PROGRAM ...")
	}
	def, err := parseDef(os.Args[2])
	if err != nil {
		return err
	}
	for _, arg := range os.Args[3:] {
		release, programs, _ := strings.Cut(arg, "=")
		switch os.Args[1] {
		case "layouts":
			err = printLayout(def, release, programs)
		case "anchors":
			err = printAnchors(def, release, strings.Split(programs, ","))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", release, err)
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen-layouts:", err)
		os.Exit(1)
	}
}
