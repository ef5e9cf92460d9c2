// late: a plugin.  Lines that tests name are marked "// label".
package main

import "sync"

var lock sync.Mutex
var total int

func init() {
	total = 100 // late:init
}

//go:noinline
func add(by int) {
	total += by // late:add
}

// Work adds n ones, and says what there is.
func Work(n int) int {
	lock.Lock()
	defer lock.Unlock()
	for i := 0; i < n; i++ {
		add(1) // late:call
	}
	return total // late:return
}

func main() {}
