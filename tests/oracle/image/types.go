package main

import (
	"debug/dwarf"
	"fmt"
)

// kind classifies a type DIE by the words of dwarf_type.h.
func kind(n *node) string {
	gk := num(n, attrGoKind)
	switch n.e.Tag {
	case dwarf.TagBaseType:
		switch num(n, dwarf.AttrEncoding) {
		case 2:
			return "bool"
		case 3:
			return "complex"
		case 4:
			return "float"
		case 5:
			return "int"
		case 6, 8, 0x10:
			return "char"
		case 1, 7:
			return "uint"
		}
	case dwarf.TagUnspecifiedType:
		return "void"
	case dwarf.TagPointerType:
		return "pointer"
	case dwarf.TagUnionType:
		return "union"
	case dwarf.TagArrayType:
		return "array"
	case dwarf.TagSubroutineType:
		return "func"
	case dwarf.TagEnumerationType:
		return "enum"
	case dwarf.TagStructType:
		switch gk {
		case 24:
			return "string"
		case 23:
			return "slice"
		}
		return "struct"
	case dwarf.TagTypedef:
		switch gk {
		case 21:
			return "map"
		case 18:
			return "chan"
		case 20:
			return "interface"
		}
		return "typedef"
	case dwarf.TagConstType, dwarf.TagVolatileType, dwarf.TagRestrictType:
		if _, ok := ref(n, dwarf.AttrType); !ok {
			return "void"
		}
		return "qualifier"
	}
	return "other"
}

// size of a value, by debug/dwarf; -1 where DWARF does not tell.
func (x *info) size(n *node, k string) int64 {
	t, err := x.d.Type(n.e.Offset)
	if err != nil {
		return -1
	}
	if s, ok := t.(*dwarf.StructType); ok && s.Incomplete {
		return -1
	}
	if k == "func" {
		if v, ok := n.e.Val(dwarf.AttrByteSize).(int64); ok {
			return v
		}
		return -1
	}
	if k == "void" || open(t) {
		return -1
	}
	return t.Size()
}

// open tells whether a type is an array without a length, or void; debug/dwarf gives them size 0.
func open(t dwarf.Type) bool {
	for {
		switch u := t.(type) {
		case *dwarf.ArrayType:
			if u.Count < 0 {
				return true
			}
			t = u.Type
		case *dwarf.TypedefType:
			t = u.Type
		case *dwarf.QualType:
			t = u.Type
		case *dwarf.VoidType:
			return true
		default:
			return false
		}
	}
}

func (x *info) types() error {
	x.each(func(n *node) {
		switch n.e.Tag {
		case dwarf.TagBaseType, dwarf.TagUnspecifiedType, dwarf.TagPointerType, dwarf.TagStructType,
			dwarf.TagUnionType, dwarf.TagArrayType, dwarf.TagSubroutineType, dwarf.TagEnumerationType,
			dwarf.TagTypedef, dwarf.TagConstType, dwarf.TagVolatileType, dwarf.TagRestrictType:
			x.typeLine(n)
		}
	})
	return nil
}

func (x *info) typeLine(n *node) {
	k := kind(n)
	fmt.Fprintf(out, "%x\t%s\t%d\t%s", uint32(n.e.Offset), k, x.size(n, k), text(str(n, dwarf.AttrName)))
	elem, hasElem := ref(n, dwarf.AttrType)
	repr, hasRepr := dwarf.Offset(0), false
	if k == "map" || k == "chan" || k == "interface" {
		repr, hasRepr = elem, hasElem
		elem, hasElem = ref(n, attrGoElem)
	} else if o, ok := ref(n, attrGoElem); ok {
		elem, hasElem = o, true
	}
	if hasElem {
		fmt.Fprintf(out, "\telem=%x", uint32(elem))
	}
	if o, ok := ref(n, attrGoKey); ok {
		fmt.Fprintf(out, "\tkey=%x", uint32(o))
	}
	if hasRepr {
		fmt.Fprintf(out, "\trepr=%x", uint32(repr))
	}
	if t, err := x.d.Type(n.e.Offset); err == nil && k == "array" {
		count := int64(1)
		for a, ok := t.(*dwarf.ArrayType); ok; a, ok = a.Type.(*dwarf.ArrayType) {
			count *= a.Count
			if len(n.kids) == 1 || a.Count < 0 {
				break
			}
			if len(n.kids) > 1 {
				n = &node{e: n.e, kids: n.kids[1:], unit: n.unit}
			}
		}
		fmt.Fprintf(out, "\tn=%d", count)
	}
	if v, ok := n.e.Val(attrGoRuntime).(uint64); ok && v != 0 {
		fmt.Fprintf(out, "\trt=%x", v)
	}
	if v, ok := n.e.Val(attrGoDict).(int64); ok {
		fmt.Fprintf(out, "\tdict=%d", v)
	}
	x.members(n)
	variadic := ""
	for _, m := range n.kids {
		switch m.e.Tag {
		case dwarf.TagEnumerator:
			fmt.Fprintf(out, "\t%s=%d", str(m, dwarf.AttrName), num(m, dwarf.AttrConstValue))
		case dwarf.TagFormalParameter:
			r := ""
			if b, _ := m.e.Val(dwarf.AttrVarParam).(bool); b {
				r = ":r"
			}
			o, _ := ref(m, dwarf.AttrType)
			fmt.Fprintf(out, "\t(%x%s", uint32(o), r)
		case dwarf.TagUnspecifiedParameters:
			variadic = "\t..."
		}
	}
	fmt.Fprintf(out, "%s\n", variadic)
}

// members prints fields; where the bits of a bit field are, debug/dwarf tells.
func (x *info) members(n *node) {
	t, err := x.d.Type(n.e.Offset)
	st, isStruct := t.(*dwarf.StructType)
	if err != nil || !isStruct {
		return
	}
	i := 0
	for _, m := range n.kids {
		if m.e.Tag != dwarf.TagMember || i >= len(st.Field) {
			continue
		}
		f := st.Field[i]
		i++
		off, bitOff := f.ByteOffset, int64(0)
		if f.BitSize != 0 {
			at := off * 8
			if num(m, dwarf.AttrDataBitOffset) != 0 || m.e.AttrField(dwarf.AttrBitOffset) == nil {
				at += f.DataBitOffset
			} else {
				at += f.ByteSize*8 - f.BitOffset - f.BitSize
			}
			off, bitOff = at/8, at%8
		}
		e := 0
		if b, _ := m.e.Val(attrGoEmbed).(bool); b {
			e = 1
		}
		o, _ := ref(m, dwarf.AttrType)
		fmt.Fprintf(out, "\t.%s:%d:%d:%d:%d:%x", str(m, dwarf.AttrName), off, bitOff, f.BitSize, e, uint32(o))
	}
}
