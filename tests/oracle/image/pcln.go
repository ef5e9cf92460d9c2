package main

import (
	"bufio"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"strconv"
)

// symbol is the value of an ELF symbol.
func symbol(f *elf.File, name string) (uint64, error) {
	all, err := f.Symbols()
	for _, s := range all {
		if s.Name == name {
			return s.Value, nil
		}
	}
	return 0, fmt.Errorf("no symbol %s: %v", name, err)
}

func gosymTable(f *elf.File) (*gosym.Table, error) {
	text, err := symbol(f, "runtime.text")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s := f.Section(name); s != nil {
			b, err := s.Data()
			if err != nil {
				return nil, err
			}
			return gosym.NewTable(nil, gosym.NewLineTable(b, text))
		}
	}
	return nil, fmt.Errorf("no function table")
}

func pclnFuncs(f *elf.File) error {
	t, err := gosymTable(f)
	if err != nil {
		return err
	}
	for _, fn := range t.Funcs {
		fmt.Fprintf(out, "%x\t%x\t%s\n", fn.Entry, fn.End, fn.Name)
	}
	return nil
}

// pclnLines answers pcs on stdin with file and line.
func pclnLines(f *elf.File) error {
	t, err := gosymTable(f)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		pc, err := strconv.ParseUint(in.Text(), 16, 64)
		if err != nil {
			return err
		}
		file, line, _ := t.PCToLine(pc)
		fmt.Fprintf(out, "%x\t%s:%d\n", pc, file, line)
	}
	return in.Err()
}

func symbols(f *elf.File) error {
	for _, list := range []func() ([]elf.Symbol, error){f.Symbols, f.DynamicSymbols} {
		all, err := list()
		if err != nil && err != elf.ErrNoSymbols {
			return err
		}
		for _, s := range all {
			kind := elf.ST_TYPE(s.Info)
			if s.Section == elf.SHN_UNDEF || kind == elf.STT_SECTION || kind == elf.STT_FILE || s.Name == "" {
				continue
			}
			fmt.Fprintf(out, "%x\t%x\t%c%c%c\t%s\n", s.Value, s.Size,
				bit(kind == elf.STT_FUNC || kind == elf.SymType(10)), bit(kind == elf.STT_TLS),
				bit(s.Section == elf.SHN_ABS), text(s.Name))
		}
	}
	return nil
}
