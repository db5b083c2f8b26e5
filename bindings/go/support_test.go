package flashsale

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flashsale/redistest"
)

// redis is the private server of all tests; each test has a sale of its own.
var redis *redistest.Server

func TestMain(m *testing.M) {
	redis = Must(redistest.Start())
	code := m.Run()
	redis.Stop()
	os.Exit(code)
}

// shop is a sale that is open, and whatever sells it.
type shop struct {
	sale  string
	pool  *Pool
	sink  *Sink
	sales *Controller
	gate  *Gate
}

var usual = Item{ID: "sneaker-42", Units: 100, Limit: 2}

func openShop(t *testing.T, item Item, options ...Options) *shop {
	t.Helper()
	s := &shop{sale: strings.ReplaceAll(t.Name(), "/", ".")}
	if len(s.sale) > 64 {
		s.sale = s.sale[:64]
	}
	s.pool = Must(NewPool(redis.URL))
	s.sink = Must(NewSink(filepath.Join(t.TempDir(), "orders.db")))
	s.sales = Must(NewController(s.pool, s.sink, Options{"controller.timeout_ms": "30000"}))
	s.gate = Must(NewGate(s.pool, append([]Options{{"gate.timeout_ms": "20000"}}, options...)...))
	t.Cleanup(s.close)
	ctx := context.Background()
	check(t, s.sales.CreateSale(ctx, Sale{ID: s.sale, Items: []Item{item}}))
	check(t, s.sales.Open(ctx, s.sale))
	return s
}

func (s *shop) close() {
	s.pool.Close() // the others hold it
	s.gate.Close()
	s.sales.Close()
	s.sink.Close()
}

func (s *shop) call(buyer, request string) Call {
	return Call{Sale: s.sale, Item: "sneaker-42", Buyer: buyer, Request: request}
}

// freeze makes Redis silent until the returned function is called, or the test ends.
func freeze(t *testing.T) func() {
	t.Helper()
	check(t, redis.Freeze())
	thaw := func() { check(t, redis.Thaw()) }
	t.Cleanup(thaw)
	return thaw
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want[T comparable](t *testing.T, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Fatalf("%s is %v, not %v", what, got, expected)
	}
}

// eventually waits for a condition, a minute at most: nothing here is about speed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	check(t, err)
	return len(tasks)
}
