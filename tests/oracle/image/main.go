// oracle WHAT FILE - print what Go's own packages say about a binary, in the lines that
// tests/tools/image_dump.c prints for gospect's readers.
//
// It shares no code and no tables with them: debug/elf, debug/dwarf, debug/buildinfo and debug/gosym
// decode the file; what these lack (location lists, Go's type attributes) is decoded here from the
// standard.
package main

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strings"
)

var out = bufio.NewWriterSize(os.Stdout, 1<<20)

// text writes a text as one field of a line.
func text(s string) string {
	if !strings.ContainsAny(s, "\\\t\n\r") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' || s[i] < ' ' {
			fmt.Fprintf(&b, "\\x%02x", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// data is a section's content; debug/elf leaves .zdebug_ sections compressed.
func data(s *elf.Section) ([]byte, error) {
	if s.Type == elf.SHT_NOBITS {
		return nil, nil
	}
	b, err := s.Data()
	if err != nil || !strings.HasPrefix(s.Name, ".zdebug_") || !bytes.HasPrefix(b, []byte("ZLIB")) {
		return b, err
	}
	r, err := zlib.NewReader(bytes.NewReader(b[12:]))
	if err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint64(b[4:]))
	_, err = io.ReadFull(r, raw)
	return raw, err
}

func sections(f *elf.File) error {
	for _, s := range f.Sections[1:] {
		b, err := data(s)
		if err != nil {
			return err
		}
		h := fnv.New64a()
		h.Write(b)
		fmt.Fprintf(out, "%s\t%x\t%x\t%x\t%x\t%x\t%016x\n", text(s.Name), uint32(s.Type),
			uint64(s.Flags), s.Addr, s.FileSize, len(b), h.Sum64())
	}
	return nil
}

func module(kind string, m *buildinfo.BuildInfo, i int) {
	d := &m.Main
	if i >= 0 {
		d = m.Deps[i]
	}
	path, version, sum := "", "", ""
	if d.Replace != nil {
		path, version, sum = d.Replace.Path, d.Replace.Version, d.Replace.Sum
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", kind, text(d.Path), text(d.Version), text(d.Sum), text(path), text(version), text(sum))
}

func buildInfo(path string) error {
	bi, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "go\t%s\npath\t%s\n", bi.GoVersion, bi.Path)
	module("main", bi, -1)
	for i := range bi.Deps {
		module("dep", bi, i)
	}
	for _, s := range bi.Settings {
		fmt.Fprintf(out, "setting\t%s\t%s\n", s.Key, text(s.Value))
	}
	return nil
}

func run(what, path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	switch what {
	case "sections":
		return sections(f)
	case "buildinfo":
		return buildInfo(path)
	case "symbols":
		return symbols(f)
	case "pclnfuncs":
		return pclnFuncs(f)
	case "pclnlines":
		return pclnLines(f)
	case "dies", "units", "lines", "types", "funcs", "scopes", "globals":
		d, err := openDwarf(f)
		if err != nil {
			return err
		}
		return map[string]func() error{"dies": d.dies, "units": d.units, "lines": d.lines,
			"types": d.types, "funcs": d.funcs, "scopes": d.scopes, "globals": d.globals}[what]()
	}
	return fmt.Errorf("unknown: %s", what)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: oracle WHAT FILE")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2])
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}
