// hello: the smallest target.  One goroutine blocked in a channel receive, main reading commands.
package main

import "targets/lib"

//go:noinline
func wait(ch chan int) int {
	return <-ch
}

func main() {
	lib.Dumps()
	go wait(make(chan int))
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
