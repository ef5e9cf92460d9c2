// orders is a small shop: it takes orders over HTTP, keeps them, books them in a ledger and tells
// subscribers about them.  It has faults of the kind that real services have, planted on purpose
// (README.md says where), so that tools have something to find.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"orders/api"
	"orders/ledger"
	"orders/notify"
	"orders/store"
	"orders/traffic"
)

// faults is the set of planted faults that -faults switched on.
type faults map[string]bool

var known = []string{"leak", "lock", "growth"}

func parseFaults(text string) (faults, error) {
	on := faults{}
	if text == "none" {
		return on, nil
	}
	if text == "all" {
		text = strings.Join(known, ",")
	}
	for _, name := range strings.Split(text, ",") {
		if !strings.Contains(","+strings.Join(known, ",")+",", ","+name+",") {
			return nil, fmt.Errorf("unknown fault %q; known: all, none, %s", name, strings.Join(known, ", "))
		}
		on[name] = true
	}
	return on, nil
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve on; port 0 takes a free one")
	which := flag.String("faults", "all", "planted faults: all, none, or some of "+strings.Join(known, ","))
	rate := flag.Int("traffic", 200, "requests a second that the service sends to itself; 0: none")
	lockAfter := flag.Duration("lock-after", 2*time.Second, "when the ledger stops (fault lock)")
	flag.Parse()
	on, err := parseFaults(*which)
	if err != nil {
		return err
	}

	keep := 10000
	if on["growth"] {
		keep = 0 // without limit
	}
	orders := store.New(keep)
	book := ledger.New(on["lock"])
	hub := notify.New(on["leak"])
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: api.New(orders, book, hub)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go book.Run(ctx, *lockAfter)
	if *rate > 0 {
		go traffic.Run(ctx, "http://"+listener.Addr().String(), *rate)
	}
	fmt.Printf("READY pid=%d addr=%s\n", os.Getpid(), listener.Addr())

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}
