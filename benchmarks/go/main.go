// Measures the Go binding beside a plain Go client of Redis: reservations a second, both running lua/reserve.lua with
// all of its guarantees, in turn, each on a private Redis over a unix socket. Prints medians.
//
//	go run . [-rounds N] [-callers N] [-orders N] [-peer-orders N]
//
// Exits 1 if a sale was oversold, or booked something else than was accepted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"flashsale"
	"flashsale/redistest"
)

const (
	saleID      = "bench"
	itemID      = "sneaker-42"
	peerWorkers = 64
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds; medians are printed")
	callers := flag.Int("callers", 1000, "goroutines that reserve through flashsale")
	orders := flag.Int("orders", 200000, "orders of a round of ours")
	peerOrders := flag.Int("peer-orders", 60000, "orders of a round of the peer")
	flag.Parse()
	var ours, peers []float64
	for i := 0; i < *rounds; i++ {
		ours = append(ours, measure(*orders, *callers, reserver))
		peers = append(peers, measure(*peerOrders, peerWorkers, peer))
		fmt.Fprintf(os.Stderr, "round %d: %.0f and %.0f reservations/s\n", i+1, ours[i], peers[i])
	}
	a, b := median(ours), median(peers)
	fmt.Printf("%d goroutines: %.0f/s; plain client, %d workers, a connection each: %.0f/s; ratio %.2f\n", *callers, a,
		peerWorkers, b, a/b)
}

func median(values []float64) float64 {
	sort.Float64s(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

// buy is how one goroutine buys a unit for a buyer: whether it won.
type buy func(buyer, request string) bool

// measure has `goroutines` buy `orders` units of a fresh sale, and returns the reservations a second.
func measure(orders, goroutines int, newBuyer func(*redistest.Server) (each func() buy, end func())) float64 {
	redis := flashsale.Must(redistest.Start())
	defer redis.Stop()
	folder := flashsale.Must(os.MkdirTemp("", "flashsale-bench-"))
	defer os.RemoveAll(folder)
	pool := flashsale.Must(flashsale.NewPool(redis.URL))
	defer pool.Close()
	sink := flashsale.Must(flashsale.NewSink(filepath.Join(folder, "orders.db")))
	defer sink.Close()
	sales := flashsale.Must(flashsale.NewController(pool, sink, flashsale.Options{"controller.timeout_ms": "30000"}))
	defer sales.Close()
	ctx := context.Background()
	items := []flashsale.Item{{ID: itemID, Units: int64(orders), Limit: 1}}
	need(sales.CreateSale(ctx, flashsale.Sale{ID: saleID, Items: items}))
	need(sales.Open(ctx, saleID))

	buyers, requests := make([]string, orders), make([]string, orders) // made before the clock runs
	for i := range buyers {
		buyers[i] = fmt.Sprintf("u%d", 1000000+i)
		requests[i] = fmt.Sprintf("%032x", uint64(i+1)*0x9e3779b97f4a7c15)
	}
	each, end := newBuyer(redis)
	defer end()
	var next, won atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for i := 0; i < goroutines; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			buy := each()
			for i := next.Add(1) - 1; i < int64(orders); i = next.Add(1) - 1 {
				if buy(buyers[i], requests[i]) {
					won.Add(1)
				}
			}
		}()
	}
	all.Wait()
	took := time.Since(start).Seconds()
	booked := flashsale.Must(sales.Status(ctx, saleID, flashsale.RolePrimary)).Items[0].Booked
	if booked != won.Load() || booked > int64(orders) {
		fmt.Fprintf(os.Stderr, "FAIL: booked %d of %d, accepted %d\n", booked, orders, won.Load())
		os.Exit(1)
	}
	return float64(won.Load()) / took
}

var payload = []byte("pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp") // 60 bytes

// reserver is ours: one gate for all.
func reserver(redis *redistest.Server) (func() buy, func()) {
	pool := flashsale.Must(flashsale.NewPool(redis.URL))
	gate := flashsale.Must(flashsale.NewGate(pool, flashsale.Options{"gate.timeout_ms": "20000"}))
	one := func(buyer, request string) bool {
		answer, err := gate.Reserve(context.Background(), flashsale.Call{Sale: saleID, Item: itemID, Buyer: buyer,
			Request: request, Payload: payload})
		need(err)
		return answer.Outcome == flashsale.Reserved
	}
	return func() buy { return one }, func() { gate.Close(); pool.Close() }
}

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
}
