//go:build go1.20

package main

import "errors"

var joined = errors.Join(errors.New("one"), errors.New("two"))

func init() { use(joined) }
