// part: a plugin.  Only its own variables lead to what it makes.
package main

import "fmt"

type thing struct {
	next *thing
	name string
	tags []string
}

var head *thing
var byName = map[string]*thing{}
var hooks []func() int

// Fill makes objects, and says how many of which type.
func Fill() string {
	const n = 100
	for i := 0; i < n; i++ {
		head = &thing{next: head, name: fmt.Sprint("thing ", i), tags: make([]string, 3)}
		byName[head.name] = head
		t := head
		hooks = append(hooks, func() int { return len(t.name) })
	}
	return fmt.Sprintf("main.thing=%d;closures=%d", n, n)
}

func main() {}
