// etcd as its own main package starts it.  Its module has replace directives, which `go install` refuses,
// so it is built as a dependency.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
