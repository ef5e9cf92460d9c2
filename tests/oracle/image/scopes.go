package main

import (
	"debug/dwarf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// cursor reads little-endian numbers.
type cursor struct{ b []byte }

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		panic("location list leaves its section")
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

func (c *cursor) uleb() (v uint64) {
	for shift := uint(0); ; shift += 7 {
		b := c.take(1)[0]
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return
		}
	}
}

func (x *info) addrx(u *unit, i uint64) uint64 {
	return binary.LittleEndian.Uint64(x.addrs[u.addr+8*i:])
}

// listAt finds the expression that holds at pc in a location list (DWARF 4: 2.6.2, 5: 7.7.3).
func (x *info) listAt(u *unit, off, pc uint64) []byte {
	c := &cursor{x.loc[u.v5][off:]}
	base := u.base
	var fallback []byte
	for {
		var lo, hi uint64
		if u.v5 == 0 {
			lo, hi = c.u64(), c.u64()
			if lo == 0 && hi == 0 {
				return nil
			}
			if lo == ^uint64(0) {
				base = hi
				continue
			}
			lo, hi = lo+base, hi+base
		} else {
			switch k := c.take(1)[0]; k {
			case 0:
				return fallback
			case 1:
				base = x.addrx(u, c.uleb())
				continue
			case 2:
				lo = x.addrx(u, c.uleb())
				hi = x.addrx(u, c.uleb())
			case 3:
				lo = x.addrx(u, c.uleb())
				hi = lo + c.uleb()
			case 4:
				lo = base + c.uleb()
				hi = base + c.uleb()
			case 5:
				fallback = c.take(int(c.uleb()))
				continue
			case 6:
				base = c.u64()
				continue
			case 7:
				lo, hi = c.u64(), c.u64()
			case 8:
				lo = c.u64()
				hi = lo + c.uleb()
			case 9:
				c.uleb()
				c.uleb()
				continue
			default:
				panic(fmt.Sprintf("kind %d of location list entry", k))
			}
		}
		var n int
		if u.v5 == 1 {
			n = int(c.uleb())
		} else {
			n = int(binary.LittleEndian.Uint16(c.take(2)))
		}
		expr := c.take(n)
		if pc >= lo && pc < hi {
			return expr
		}
	}
}

func (x *info) locationAt(n *node, a dwarf.Attr, pc uint64) []byte {
	f := n.e.AttrField(a)
	if f == nil {
		return nil
	}
	switch v := f.Val.(type) {
	case []byte:
		return v
	case int64:
		return x.listAt(n.unit, uint64(v), pc)
	case uint64: // an index into the unit's table of lists
		base := n.unit.lists
		return x.listAt(n.unit, base+uint64(binary.LittleEndian.Uint32(x.loc[1][base+4*v:])), pc)
	}
	return nil
}

// loadLists reads the sections of location lists, and which units use which from their headers.
func (x *info) loadLists() error {
	var raw []byte
	for _, s := range x.f.Sections {
		var err error
		switch s.Name {
		case ".debug_addr", ".zdebug_addr":
			x.addrs, err = data(s)
		case ".debug_info", ".zdebug_info":
			raw, err = data(s)
		case ".debug_loc", ".zdebug_loc":
			x.loc[0], err = data(s)
		case ".debug_loclists", ".zdebug_loclists":
			x.loc[1], err = data(s)
		}
		if err != nil {
			return err
		}
	}
	at := uint64(0)
	for _, u := range x.list {
		if binary.LittleEndian.Uint16(raw[at+4:]) >= 5 {
			u.v5 = 1
		}
		at += 4 + uint64(binary.LittleEndian.Uint32(raw[at:]))
	}
	return nil
}

func (x *info) contains(n *node, pc uint64) bool {
	rs, err := x.d.Ranges(n.e)
	if err != nil {
		panic(err)
	}
	for _, r := range rs {
		if pc >= r[0] && pc < r[1] {
			return true
		}
	}
	return false
}

type call struct {
	n       *node
	inlined int
}

type variable struct {
	call, block int
	n           *node
}

func (x *info) scope(fn *node, pc uint64) {
	calls := []call{{fn, 0}}
	var vars []variable
	var walk func(n *node, c, block int)
	walk = func(n *node, c, block int) {
		for _, k := range n.kids {
			switch k.e.Tag {
			case dwarf.TagInlinedSubroutine:
				if x.contains(k, pc) {
					calls = append(calls, call{k, 1})
					walk(k, len(calls)-1, 0)
				}
			case dwarf.TagLexDwarfBlock:
				if x.contains(k, pc) {
					walk(k, c, block+1)
				}
			case dwarf.TagFormalParameter, dwarf.TagVariable:
				vars = append(vars, variable{c, block, k})
			}
		}
	}
	walk(fn, 0, 0)
	fmt.Fprintf(out, "pc\t%x\t%s\n", pc, hex.EncodeToString(x.locationAt(fn, dwarf.AttrFrameBase, pc)))
	for _, c := range calls {
		file := ""
		if c.inlined == 1 {
			file = x.fileOf(c.n.unit, num(c.n, dwarf.AttrCallFile))
		}
		fmt.Fprintf(out, "call\t%d\t%s\t%d\t%s\n", c.inlined, x.name(c.n), num(c.n, dwarf.AttrCallLine), file)
	}
	for _, v := range vars {
		param, result := byte('0'), byte('0')
		if v.n.e.Tag == dwarf.TagFormalParameter {
			param = '1'
		}
		if f := x.field(v.n, dwarf.AttrVarParam); f != nil && f.Val == true {
			result = '1'
		}
		closure := int64(-1)
		if f := x.field(v.n, attrGoClosure); f != nil {
			closure = f.Val.(int64)
		}
		fmt.Fprintf(out, "var\t%d\t%d\t%s\t%s\t%c%c\t%d\t%d\t%s\n", v.call, v.block, text(x.name(v.n)),
			x.typeOf(v.n), param, result, x.fieldNum(v.n, dwarf.AttrDeclLine), closure,
			hex.EncodeToString(x.locationAt(v.n, dwarf.AttrLocation, pc)))
	}
}

func (x *info) scopes() error {
	if err := x.loadLists(); err != nil {
		return err
	}
	x.each(func(n *node) {
		if n.e.Tag != dwarf.TagSubprogram {
			return
		}
		rs, err := x.d.Ranges(n.e)
		if err != nil || len(rs) == 0 || rs[0][0] == rs[0][1] {
			return
		}
		for i := uint64(0); i < 8; i++ {
			x.scope(n, rs[0][0]+(rs[0][1]-rs[0][0])*i/8)
		}
	})
	return nil
}
