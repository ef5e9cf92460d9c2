// Package traffic makes the shop look alive: customers who order, look and ask for the report.
package traffic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

var customers = []string{"ada", "grace", "edsger", "barbara", "tony"}

// Run sends rate requests a second until ctx ends.  A customer waits two seconds, then walks away.
func Run(ctx context.Context, base string, rate int) {
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			go visit(ctx, client, base, n)
		case <-ctx.Done():
			return
		}
	}
}

// visit is one request: of ten, six order, three look at an order, one asks for the report.
func visit(ctx context.Context, client *http.Client, base string, n int) {
	customer := customers[n%len(customers)]
	switch kind := n % 10; {
	case kind < 6:
		body := fmt.Sprintf(`{"customer":%q,"cents":%d,"items":[{"name":"tea","count":%d}]}`, customer,
			100+n%900, 1+n%5)
		send(ctx, client, http.MethodPost, base+"/orders", customer, body)
	case kind < 9:
		send(ctx, client, http.MethodGet, fmt.Sprint(base, "/orders?id=", 1+n/2), customer, "")
	default:
		send(ctx, client, http.MethodGet, base+"/report", customer, "")
	}
}

func send(ctx context.Context, client *http.Client, method, url, customer, body string) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return
	}
	request.Header.Set("Customer", customer)
	answer, err := client.Do(request)
	if err != nil {
		return // the customer walked away
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}
