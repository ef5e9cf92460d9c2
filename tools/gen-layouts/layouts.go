// Offsets, sizes and constants from DWARF; arrays of constants from the symbol table.
package main

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

// program is what one binary says about the names of layout.def.
type program struct {
	structs   map[string]dwarf.Type // by our name
	constants map[string]int64
	values    map[string][]uint16
}

func load(path string, def *definition) (*program, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		return nil, err
	}
	p := &program{map[string]dwarf.Type{}, map[string]int64{}, map[string][]uint16{}}
	if err := p.readDWARF(d, def); err != nil {
		return nil, err
	}
	return p, p.readValues(f, def)
}

func (p *program) readDWARF(d *dwarf.Data, def *definition) error {
	structs, constants := map[string]string{}, map[string]string{}
	for _, s := range def.structs {
		for _, n := range s.theirs {
			structs[n] = s.name
		}
	}
	for _, c := range def.constants {
		for _, n := range c.theirs {
			constants[n] = c.name
		}
	}
	r := d.Reader()
	for e, err := r.Next(); e != nil; e, err = r.Next() {
		if err != nil {
			return err
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		at, key := e.Offset, name
		switch e.Tag {
		case dwarf.TagConstant:
			if ours := constants[name]; ours != "" {
				p.constants[ours], _ = e.Val(dwarf.AttrConstValue).(int64)
			}
			continue
		case dwarf.TagVariable:
			key = "var " + name
			at, _ = e.Val(dwarf.AttrType).(dwarf.Offset)
		case dwarf.TagStructType, dwarf.TagTypedef:
		default:
			continue
		}
		if ours := structs[key]; ours != "" {
			t, err := d.Type(at)
			if err != nil {
				return err
			}
			if _, isStruct := p.structs[ours].(*dwarf.StructType); !isStruct {
				p.structs[ours] = underlying(t)
			}
		}
	}
	return nil
}

// readValues reads arrays of uint16 by their symbols.
func (p *program) readValues(f *elf.File, def *definition) error {
	symbols, err := f.Symbols()
	if err != nil {
		return err
	}
	for _, v := range def.values {
		for _, sym := range symbols {
			if sym.Name != v.theirs[0] && (len(v.theirs) < 2 || sym.Name != v.theirs[1]) {
				continue
			}
			sec := f.Sections[sym.Section]
			raw := make([]byte, sym.Size)
			if _, err := sec.ReadAt(raw, int64(sym.Value-sec.Addr)); err != nil {
				return err
			}
			for i := 0; i+1 < len(raw); i += 2 {
				p.values[v.name] = append(p.values[v.name], binary.LittleEndian.Uint16(raw[i:]))
			}
		}
	}
	return nil
}

func underlying(t dwarf.Type) dwarf.Type {
	for {
		td, ok := t.(*dwarf.TypedefType)
		if !ok {
			return t
		}
		t = td.Type
	}
}

// locate follows "a.b" from t; "[]" enters the first element of an array.  ok is false when a step
// is missing.
func locate(t dwarf.Type, path string) (off, size int64, ok bool) {
	for _, step := range strings.Split(path, ".") {
		if a, isArray := underlying(t).(*dwarf.ArrayType); isArray && step == "[]" {
			t = a.Type
			continue
		}
		s, isStruct := underlying(t).(*dwarf.StructType)
		if !isStruct {
			return 0, 0, false
		}
		t = nil
		for _, f := range s.Field {
			if f.Name == step {
				off += f.ByteOffset
				t = f.Type
				break
			}
		}
		if t == nil {
			return 0, 0, false
		}
	}
	return off, t.Size(), true
}

func printLayout(def *definition, release, path string) error {
	p, err := load(path, def)
	if err != nil {
		return err
	}
	fmt.Printf("RELEASE(%q)\n", release)
	for _, s := range def.structs {
		size := int64(-1)
		if t := p.structs[s.name]; t != nil {
			size = t.Size()
		}
		fmt.Printf("SIZE(%s, %d)", s.name, size)
		p.printFields(def, s.name)
		fmt.Println()
	}
	for _, c := range def.constants {
		value, ok := p.constants[c.name]
		if !ok {
			value = -1
		}
		fmt.Printf("IS(%s, %d)\n", c.name, value)
	}
	for _, v := range def.values {
		fmt.Printf("ARE(%s, %d%s)\n", v.name, len(p.values[v.name]), commaSeparated(p.values[v.name]))
	}
	fmt.Println("END_RELEASE")
	return nil
}

func (p *program) printFields(def *definition, strct string) {
	for _, f := range def.fields {
		if f.strct != strct {
			continue
		}
		off, size := int64(-1), int64(0)
		if t := p.structs[f.strct]; t != nil {
			for _, path := range f.paths {
				if o, n, ok := locate(t, path); ok {
					off, size = o, n
					break
				}
			}
		}
		fmt.Printf(" AT(%s, %s, %d, %d)", f.strct, f.name, off, size)
	}
}

func commaSeparated(values []uint16) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, ", %d", v)
	}
	return b.String()
}
