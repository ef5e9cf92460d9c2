// printed: values for printers that users write in Lua.  What they mean is said by the program itself ("truth").
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
)

type money struct {
	cents    int64
	currency string
}

func (m money) String() string { return fmt.Sprintf("%.2f %s", float64(m.cents)/100, m.currency) }

type celsius float64

func (c celsius) String() string { return fmt.Sprintf("%.1f C", float64(c)) }

type id [4]byte

func (i id) String() string { return hex.EncodeToString(i[:]) }

type pair[K comparable, V any] struct {
	key K
	val V
}

func (p pair[K, V]) String() string { return fmt.Sprintf("%v=%v", p.key, p.val) }

type node struct {
	name string
	next *node
}

func (n *node) String() string {
	text := ""
	for ; n != nil; n = n.next {
		text += n.name + ">"
	}
	return text
}

type shape interface{ String() string }

type square struct{ side int }

func (s square) String() string { return fmt.Sprintf("%dx%d", s.side, s.side) }

type stock struct {
	items  map[string]int
	prices []money
	owner  *node
	extra  any
}

type failure struct{ code int }

func (f *failure) Error() string { return fmt.Sprintf("failure %d", f.code) }

// plain has no printer.
type plain struct {
	cost money
	n    int
}

//go:noinline
func look(price money, warm celsius, key id, byName pair[string, int], byID pair[int, money], list *node, s shape,
	inside stock, p plain, round int) int {
	prices := []money{price, {250, "USD"}}
	var none *node
	var bad error = &failure{7}
	any1 := any(price)
	u := url.URL{Scheme: "https", Host: "example.com"}
	n := len(prices) + round // look
	fmt.Fprintln(os.Stderr, price, warm, key, byName, byID, list, s, inside.items, p, none, bad, any1, u.String(), errors.Unwrap(bad), n)
	return n
}

func main() {
	list := &node{"a", &node{"b", &node{"c", nil}}}
	price := money{1250, "EUR"}
	stocked := stock{map[string]int{"apple": 3, "pear": 4}, []money{price}, list, 42}
	for round := 0; round < 3; round++ {
		n := look(price, 21.5, id{0xde, 0xad, 0xbe, 0xef}, pair[string, int]{"k", 7}, pair[int, money]{9, price}, list, square{4},
			stocked, plain{price, 5}, round)
		if round == 0 {
			fmt.Println("truth:", price, "|", celsius(21.5), "|", id{0xde, 0xad, 0xbe, 0xef}, "|", pair[string, int]{"k", 7}, "|",
				pair[int, money]{9, price}, "|", list, "|", square{4}, "|", n)
		}
	}
}
