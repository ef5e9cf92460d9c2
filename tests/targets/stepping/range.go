//go:build go1.23

package main

//go:noinline
func upTo(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < n; i++ { // upto:for
			if !yield(i) { // upto:yield
				return
			}
		}
	}
}

//go:noinline
func ranges() {
	t := 0                   // ranges:1
	for x := range upTo(2) { // ranges:for
		t += x // ranges:body
	}
	sink = t // ranges:end
}

//go:noinline
func nested() {
	t := 0                   // nested:1
	for x := range upTo(2) { // nested:outer
		for y := range upTo(2) { // nested:inner
			t += x + y // nested:body
		}
	}
	sink = t // nested:end
}
