package main

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"sort"
	"strings"
)

const (
	attrGoKind    = dwarf.Attr(0x2900)
	attrGoKey     = dwarf.Attr(0x2901)
	attrGoElem    = dwarf.Attr(0x2902)
	attrGoEmbed   = dwarf.Attr(0x2903)
	attrGoRuntime = dwarf.Attr(0x2904)
	attrGoDict    = dwarf.Attr(0x2906)
	attrGoClosure = dwarf.Attr(0x2907)
)

// node is a DIE with its children.
type node struct {
	e    *dwarf.Entry
	kids []*node
	unit *unit
}

type unit struct {
	root  *node
	files []string
	base  uint64
	v5    int    // 1: its lists are those of DWARF 5
	addr  uint64 // DW_AT_addr_base
	lists uint64 // DW_AT_loclists_base
}

type info struct {
	d     *dwarf.Data
	f     *elf.File
	list  []*unit
	at    map[dwarf.Offset]*node
	segs  []*elf.Prog
	loc   [2][]byte // .debug_loc, .debug_loclists
	addrs []byte
}

func openDwarf(f *elf.File) (*info, error) {
	d, err := f.DWARF()
	if err != nil {
		return nil, err
	}
	x := &info{d: d, f: f, at: map[dwarf.Offset]*node{}}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			x.segs = append(x.segs, p)
		}
	}
	return x, x.read()
}

// read loads every DIE.
func (x *info) read() error {
	r := x.d.Reader()
	var stack []*node
	var cu *unit
	for {
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e == nil {
			return nil
		}
		if e.Tag == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		n := &node{e: e}
		if len(stack) == 0 {
			cu = &unit{root: n}
			cu.base, _ = e.Val(dwarf.AttrLowpc).(uint64)
			if v, ok := e.Val(dwarf.AttrAddrBase).(int64); ok {
				cu.addr = uint64(v)
			}
			if v, ok := e.Val(dwarf.AttrLoclistsBase).(int64); ok {
				cu.lists = uint64(v)
			}
			x.list = append(x.list, cu)
		} else {
			p := stack[len(stack)-1]
			p.kids = append(p.kids, n)
		}
		n.unit = cu
		x.at[e.Offset] = n
		if e.Children {
			stack = append(stack, n)
		}
	}
}

func value(f dwarf.Field) string {
	switch v := f.Val.(type) {
	case uint64:
		switch f.Class {
		case dwarf.ClassReferenceSig:
			return fmt.Sprintf("G%x", v)
		case dwarf.ClassLocList:
			return fmt.Sprintf("X%x", v)
		case dwarf.ClassRngList:
			return "L" // debug/dwarf gives the offset, not the index
		}
		return fmt.Sprintf("A%x", v)
	case int64:
		if f.Class == dwarf.ClassConstant {
			return fmt.Sprintf("I%d", v)
		}
		return fmt.Sprintf("O%x", uint64(v))
	case bool:
		if v {
			return "F1"
		}
		return "F0"
	case string:
		return "S" + text(v)
	case []byte:
		return "B" + hex.EncodeToString(v)
	case dwarf.Offset:
		return fmt.Sprintf("R%x", uint32(v))
	}
	return fmt.Sprintf("?%v", f.Val)
}

func (x *info) each(fn func(n *node)) {
	var walk func(n *node)
	walk = func(n *node) {
		fn(n)
		for _, k := range n.kids {
			walk(k)
		}
	}
	for _, u := range x.list {
		walk(u.root)
	}
}

func (x *info) dies() error {
	x.each(func(n *node) {
		c := 0
		if n.e.Children {
			c = 1
		}
		fmt.Fprintf(out, "%x\t%x\t%d", uint32(n.e.Offset), uint32(n.e.Tag), c)
		for _, f := range n.e.Field {
			fmt.Fprintf(out, "\t%x=%s", uint32(f.Attr), value(f))
		}
		fmt.Fprintln(out)
	})
	return nil
}

func str(n *node, a dwarf.Attr) string {
	s, _ := n.e.Val(a).(string)
	return s
}

func num(n *node, a dwarf.Attr) int64 {
	v, _ := n.e.Val(a).(int64)
	return v
}

func (x *info) units() error {
	for _, u := range x.list {
		fmt.Fprintf(out, "%x\t%x\t%s", uint32(u.root.e.Offset), num(u.root, dwarf.AttrLanguage), text(str(u.root, dwarf.AttrName)))
		rs, err := x.d.Ranges(u.root.e)
		if err != nil {
			return err
		}
		for _, r := range rs {
			if r[0] < r[1] {
				fmt.Fprintf(out, "\t%x-%x", r[0], r[1])
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}

// clean writes a path as gospect does: without "./" in front of a relative one.
func clean(path string) string {
	for strings.HasPrefix(path, "./") {
		path = path[2:]
	}
	return path
}

func bit(b bool) byte {
	if b {
		return '1'
	}
	return '0'
}

func (x *info) lines() error {
	for _, u := range x.list {
		r, err := x.d.LineReader(u.root.e)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		fmt.Fprintf(out, "unit\t%s\n", text(str(u.root, dwarf.AttrName)))
		var l dwarf.LineEntry
		for {
			err := r.Next(&l)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			name := ""
			if l.File != nil {
				name = clean(l.File.Name)
			}
			fmt.Fprintf(out, "%x\t%d\t%d\t%d\t%d\t%d\t%c%c%c%c%c\t%s\n", l.Address, l.OpIndex, l.Line,
				l.Column, l.Discriminator, l.ISA, bit(l.IsStmt), bit(l.BasicBlock), bit(l.PrologueEnd),
				bit(l.EpilogueBegin), bit(l.EndSequence), name)
		}
	}
	return nil
}

func ref(n *node, a dwarf.Attr) (dwarf.Offset, bool) {
	o, ok := n.e.Val(a).(dwarf.Offset)
	return o, ok
}

// field finds an attribute in a DIE or the DIEs it stands for.
func (x *info) field(n *node, a dwarf.Attr) *dwarf.Field {
	for i := 0; n != nil && i < 16; i++ {
		if f := n.e.AttrField(a); f != nil {
			return f
		}
		o, ok := ref(n, dwarf.AttrAbstractOrigin)
		if !ok {
			o, ok = ref(n, dwarf.AttrSpecification)
		}
		if !ok {
			return nil
		}
		n = x.at[o]
	}
	return nil
}

func (x *info) name(n *node) string {
	if f := x.field(n, dwarf.AttrName); f != nil {
		return f.Val.(string)
	}
	return ""
}

func (x *info) fieldNum(n *node, a dwarf.Attr) int64 {
	if f := x.field(n, a); f != nil {
		v, _ := f.Val.(int64)
		return v
	}
	return 0
}

func (x *info) isCode(pc uint64) bool {
	for _, p := range x.segs {
		if pc >= p.Vaddr && pc < p.Vaddr+p.Memsz {
			return true
		}
	}
	return false
}

// fileOf is the path of a file number of the unit that holds n or what n stands for.
func (x *info) fileOf(u *unit, i int64) string {
	if u.files == nil {
		r, err := x.d.LineReader(u.root.e)
		if err != nil || r == nil {
			return ""
		}
		for _, f := range r.Files() {
			name := ""
			if f != nil {
				name = clean(f.Name)
			}
			u.files = append(u.files, name)
		}
	}
	if i < 0 || i >= int64(len(u.files)) {
		return ""
	}
	return u.files[i]
}

func (x *info) funcs() error {
	var err error
	x.each(func(n *node) {
		if n.e.Tag != dwarf.TagSubprogram {
			return
		}
		rs, e := x.d.Ranges(n.e)
		if e != nil {
			err = e
		}
		if len(rs) == 0 || rs[0][0] == rs[0][1] {
			return
		}
		file := "-"
		for m, i := n, 0; m != nil && i < 16; i++ {
			if v := num(m, dwarf.AttrDeclFile); v != 0 {
				file = x.fileOf(m.unit, v)
				break
			}
			o, ok := ref(m, dwarf.AttrAbstractOrigin)
			if !ok {
				if o, ok = ref(m, dwarf.AttrSpecification); !ok {
					break
				}
			}
			m = x.at[o]
		}
		fmt.Fprintf(out, "%x\t%s\t%d\t%s", uint32(n.e.Offset), text(x.name(n)), x.fieldNum(n, dwarf.AttrDeclLine), file)
		for _, r := range rs {
			fmt.Fprintf(out, "\t%x-%x", r[0], r[1])
		}
		fmt.Fprintln(out)
	})
	return err
}

func (x *info) globals() error {
	type line struct {
		off uint32
		s   string
	}
	var all []line
	for _, u := range x.list {
		for _, n := range u.root.kids {
			if n.e.Tag != dwarf.TagVariable || x.name(n) == "" {
				continue
			}
			if d, _ := n.e.Val(dwarf.AttrDeclaration).(bool); d {
				continue
			}
			loc, _ := n.e.Val(dwarf.AttrLocation).([]byte)
			all = append(all, line{uint32(n.e.Offset), fmt.Sprintf("%x\t%s\t%s\t%x\n", uint32(n.e.Offset), text(x.name(n)), x.typeOf(n), loc)})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].off < all[j].off })
	for _, l := range all {
		out.WriteString(l.s)
	}
	return nil
}

func (x *info) typeOf(n *node) string {
	if f := x.field(n, dwarf.AttrType); f != nil {
		if o, ok := f.Val.(dwarf.Offset); ok {
			return fmt.Sprintf("%x", uint32(o))
		}
	}
	return "ffffffffffffffff"
}
