package main

import (
	"reflect"
	"runtime"
)

// ---- closures, channels, select ----

//go:noinline
func captured() {
	value := newLeaf("captured_value")
	variable := newLeaf("captured_variable_old")
	change := func() { variable = newLeaf("captured_variable") }
	change()
	f := func() {
		park()
		useLeaf(value)
		useLeaf(variable)
		change()
	}
	f()
}

type receiver struct{ l *leaf }

func (r *receiver) method(x *leaf) uint64 {
	park()
	return useLeaf(r.l) + useLeaf(x)
}

func (r receiver) Exported(x *leaf) uint64 {
	park()
	return useLeaf(r.l) + useLeaf(x)
}

//go:noinline
func call(f func(*leaf) uint64, x *leaf) { f(x) }

//go:noinline
func sendBlocked() {
	ch := make(chan *leaf)
	ch <- newLeaf("send")
}

//go:noinline
func sendValueBlocked() {
	ch := make(chan outer)
	var o outer
	o.in.m = newLeaf("send_value")
	ch <- o
}

//go:noinline
func selectBlocked() {
	a, b := make(chan *leaf), make(chan inner)
	kept := newLeaf("select_other")
	select {
	case a <- newLeaf("select_send"):
	case b <- inner{n: newLeaf("select_send_value")}:
	case <-blocked:
		useLeaf(kept)
	}
}

var buffered = make(chan *leaf, 3)

func calls() {
	start(captured)
	start(func() { call((&receiver{newLeaf("method_receiver")}).method, newLeaf("method_argument")) })
	start(func() { call(receiver{newLeaf("method_value_receiver")}.Exported, newLeaf("method_value_argument")) })
	go sendBlocked()
	go sendValueBlocked()
	go selectBlocked()
	buffered <- newLeaf("buffered_taken")
	buffered <- newLeaf("buffered")
	<-buffered
}

// ---- deferred calls and panics ----

//go:noinline
func deferOpen(flag bool) {
	l := newLeaf("defer_argument")
	defer useLeaf(l)
	c := newLeaf("defer_closure")
	if flag {
		defer func() { useLeaf(c) }()
	}
	never := newLeaf("defer_not_taken")
	if !flag {
		defer func() { useLeaf(never) }()
	}
	park()
}

//go:noinline
func deferLoop() {
	for i := 0; i < 3; i++ {
		defer useLeaf(newLeaf("defer_loop_" + string(rune('0'+i))))
	}
	park()
}

//go:noinline
func deferRunning() {
	defer func(l *leaf) {
		park()
		useLeaf(l)
	}(newLeaf("defer_running"))
	defer useLeaf(newLeaf("defer_done"))
}

//go:noinline
func panicking() {
	kept := newLeaf("panic_local")
	defer func() {
		park()
		useLeaf(kept)
		_ = recover()
	}()
	panic(newNode("panic_value"))
}

//go:noinline
func faulting(p *node) (r *leaf) {
	r = newLeaf("fault_result")
	local := newLeaf("fault_local")
	defer func() {
		park()
		_ = recover()
		runtime.KeepAlive(r)
	}()
	local.words[0] = p.words[2]
	return local
}

//go:noinline
func faultingLeaf(p *node, l *leaf) uint64 { return p.words[1] + useLeaf(l) }

//go:noinline
func faultingBelow() {
	kept := newLeaf("fault_below_kept")
	defer func() {
		park()
		_ = recover()
		useLeaf(kept)
	}()
	faultingLeaf(nil, newLeaf("fault_below_argument"))
}

//go:noinline
func goexit() {
	l := newLeaf("goexit_local")
	defer func() {
		park()
		useLeaf(l)
	}()
	runtime.Goexit()
}

func defers() {
	start(func() { deferOpen(true) })
	start(deferLoop)
	start(deferRunning)
	start(panicking)
	start(func() { faulting(nil) })
	start(faultingBelow)
	start(goexit)
}

// ---- reflection ----

//go:noinline
func reflectCalled(x *leaf, n int, s string, y *leaf) *leaf {
	park()
	useLeaf(y)
	return x
}

func madeFunc(args []reflect.Value) []reflect.Value {
	park()
	return []reflect.Value{args[0]}
}

type manyPointers = func(a, b *leaf, c [2]*leaf, d *leaf, e string, f *leaf) *leaf

func reflection() {
	start(func() {
		reflect.ValueOf(reflectCalled).Call([]reflect.Value{reflect.ValueOf(newLeaf("reflect_call")),
			reflect.ValueOf(1), reflect.ValueOf("text"), reflect.ValueOf(newLeaf("reflect_call_last"))})
	})
	start(func() {
		f := reflect.MakeFunc(reflect.TypeOf((func(*leaf) *leaf)(nil)), madeFunc).Interface().(func(*leaf) *leaf)
		useLeaf(f(newLeaf("make_func")))
	})
	start(func() {
		f := reflect.MakeFunc(reflect.TypeOf((manyPointers)(nil)), madeFunc).Interface().(manyPointers)
		useLeaf(f(newLeaf("make_func_a"), newLeaf("make_func_b"), [2]*leaf{nil, newLeaf("make_func_array")},
			newLeaf("make_func_d"), "text", newLeaf("make_func_f")))
	})
	start(func() {
		r := receiver{newLeaf("reflect_receiver")}
		f := reflect.ValueOf(r).MethodByName("Exported").Interface().(func(*leaf) uint64)
		f(newLeaf("reflect_method_argument"))
	})
}
