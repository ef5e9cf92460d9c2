// gcload: loads the garbage collector on command, and says what the runtime says of it: MemStats,
// GCStats, runtime/metrics.  Without commands it allocates nothing.
package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"time"

	"targets/lib"
)

// Item is what rounds make; Slot is what is kept one in so many of, so that spans stay nearly empty.
type Item struct {
	Next *Item
	Pad  [11]uint64
}

type Slot struct {
	Next *Slot
	Pad  [63]uint64
}

var (
	items *Item
	slots *Slot
	large [][]byte
	busy  int32
	sink  atomic.Value
)

// A linked list is no hot loop of the collector: nothing here needs to be fast.
//
//go:noinline
func round(n, keep int) {
	for i := 0; i < n; i++ {
		it := &Item{}
		if i < keep {
			it.Next, items = items, it
		} else {
			sink.Store(it)
		}
	}
	sink.Store(&Item{})
}

// Makes n slots, of which every one in so many stays.
//
//go:noinline
func sparse(n, of int) {
	all := make([]*Slot, n)
	for i := range all {
		all[i] = &Slot{}
	}
	for i := 0; i < n; i += of {
		all[i].Next, slots = slots, all[i]
	}
}

//go:noinline
func fill(list []*Item) {
	for i := range list {
		list[i] = &Item{}
	}
}

func churn() {
	list := make([]*Item, 1<<16)
	for atomic.LoadInt32(&busy) != 0 {
		fill(list)
	}
}

func churnLarge() {
	for atomic.LoadInt32(&busy) != 0 {
		sink.Store(&Item{})
		b := make([]byte, 200000)
		large[0] = b
		time.Sleep(100 * time.Microsecond)
	}
}

func stats([]string) (string, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text, err := json.Marshal(m)
	return string(text), err
}

func gcStats([]string) (string, error) {
	var g debug.GCStats
	debug.ReadGCStats(&g)
	text, err := json.Marshal(g)
	return string(text), err
}

func values([]string) (string, error) {
	seen := map[string]interface{}{}
	var samples []metrics.Sample
	for _, d := range metrics.All() {
		samples = append(samples, metrics.Sample{Name: d.Name})
	}
	metrics.Read(samples)
	for _, s := range samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			seen[s.Name] = s.Value.Uint64()
		case metrics.KindFloat64:
			seen[s.Name] = s.Value.Float64()
		}
	}
	text, err := json.Marshal(seen)
	return string(text), err
}

func two(f func(a, b int)) lib.Handler {
	return func(args []string) (string, error) {
		a, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		b, err := strconv.Atoi(args[1])
		if err == nil {
			f(a, b)
		}
		return "", err
	}
}

func start(f func()) lib.Handler {
	return func([]string) (string, error) {
		atomic.StoreInt32(&busy, 1)
		go f()
		return "", nil
	}
}

func main() {
	large = make([][]byte, 1)
	runtime.GC()
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"stats": stats, "gcstats": gcStats, "metrics": values,
		"round": two(round), "sparse": two(sparse),
		"churn": start(churn), "churn-large": start(churnLarge),
		"stop": func([]string) (string, error) {
			atomic.StoreInt32(&busy, 0)
			return "", nil
		},
		"drop": func([]string) (string, error) {
			items = nil
			return "", nil
		},
		"large": two(func(n, size int) {
			for i := 0; i < n; i++ {
				large = append(large, make([]byte, size))
			}
		}),
		"percent": two(func(percent, _ int) { debug.SetGCPercent(percent) }),
		"gc": func([]string) (string, error) {
			runtime.GC()
			return "", nil
		},
	})
}
