package flashsale

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryActAndWhatStatusSaysOfIt(t *testing.T) {
	s := openShop(t, usual)
	status := func() Status {
		t.Helper()
		status, err := s.sales.Status(background, s.sale, RoleReplica)
		check(t, err)
		return status
	}
	now := status()
	want(t, "state", now.State, StateOpen)
	want(t, "phase", now.Phase, "open")
	want(t, "queue", now.Queue, QueueJournal)
	want(t, "item", now.Items[0], ItemStatus{ID: "sneaker-42", Total: 100, Limit: 2})
	want(t, "clock", now.Now.After(time.UnixMilli(1e12)), true)
	check(t, s.sales.Pause(background, s.sale))
	want(t, "state", status().State, StatePaused)
	check(t, s.sales.Resume(background, s.sale))
	want(t, "state", status().State, StateOpen)

	closes := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	check(t, s.sales.Schedule(background, s.sale, time.Time{}, closes))
	want(t, "closes", status().Closes, closes)
	check(t, s.sales.Schedule(background, s.sale, time.Time{}, Never))
	want(t, "closes", status().Closes.IsZero(), true)

	check(t, s.sales.Restock(background, s.sale, "sneaker-42", 50, "delivery-1"))
	check(t, s.sales.Restock(background, s.sale, "sneaker-42", 50, "delivery-1")) // the same one
	want(t, "total", status().Items[0].Total, 150)
	want(t, "conflict", errors.Is(s.sales.Restock(background, s.sale, "sneaker-42", 7, "delivery-1"), ErrConflict), true)

	facts := []byte("{\"price\": 99,\x00\"}")
	check(t, s.sales.Preload(background, s.sale, "sneaker-42", facts))
	info, err := s.sales.Info(background, s.sale, "sneaker-42")
	check(t, err)
	want(t, "info", string(info), string(facts))

	check(t, s.sales.Reconcile(background, s.sale))
	check(t, s.sales.Drain(background, s.sale))
	want(t, "state", status().State, StateDraining)
	check(t, s.sales.CloseSale(background, s.sale))
	want(t, "state", status().State, StateClosed)
	check(t, s.sales.Retire(background, s.sale))
	_, err = s.sales.Status(background, s.sale, RolePrimary)
	want(t, "retired", err != nil, true)
	err = s.sales.CreateSale(background, Sale{ID: s.sale, Items: []Item{usual}})
	want(t, "never again", errors.Is(err, ErrConflict), true)
}

func TestTheTermsOfASaleReachRedis(t *testing.T) {
	s := openShop(t, usual)
	opens := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	terms := Sale{ID: "TermsOfAnotherSale", Opens: opens, Closes: opens.Add(time.Hour), Probe: 70 * time.Millisecond,
		BuyerOrdersMax: 3, Items: []Item{usual, {ID: "boot-1", Units: 5, Limit: 1}}}
	check(t, s.sales.CreateSale(background, terms))
	check(t, s.sales.CreateSale(background, terms)) // equal terms: the same sale
	status, err := s.sales.Status(background, terms.ID, RolePrimary)
	check(t, err)
	want(t, "opens", status.Opens, opens)
	want(t, "closes", status.Closes, opens.Add(time.Hour))
	want(t, "probe", status.Probe, 70*time.Millisecond)
	want(t, "orders a buyer", status.BuyerOrdersMax, 3)
	want(t, "items", len(status.Items), 2)
	want(t, "second item", status.Items[1].ID, "boot-1")
	terms.BuyerOrdersMax = 4
	want(t, "other terms", errors.Is(s.sales.CreateSale(background, terms), ErrConflict), true)
	terms.ID, terms.Items[1].Limit = "bad", 0
	err = s.sales.CreateSale(background, terms)
	if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "limit") {
		t.Fatalf("%v does not name limit", err)
	}

	list := Must(NewController(s.pool, nil))
	defer list.Close()
	check(t, list.CreateSale(background, Sale{ID: "AListSale", Queue: QueueList, Items: []Item{usual}}))
	status, err = list.Status(background, "AListSale", RolePrimary)
	check(t, err)
	want(t, "queue", status.Queue, QueueList)
	check(t, list.Open(background, "AListSale"))
	check(t, list.ReopenAcceptingLoss(background, "AListSale"))
}

func TestAnActWhoseContextEndsIsUnknown(t *testing.T) {
	s := openShop(t, usual)
	thaw := freeze(t)
	ctx, cancel := context.WithCancel(background)
	heard := make(chan error, 1)
	go func() { heard <- s.sales.Pause(ctx, s.sale) }()
	eventually(t, "the act is under way", func() bool { return len(blocking) == 1 })
	cancel()
	if err := <-heard; !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v is not ErrUnknown by context.Canceled", err)
	}
	if err := s.sales.Pause(ctx, s.sale); errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v is not context.Canceled with effect none", err)
	}
	thaw()
	check(t, s.sales.Pause(background, s.sale))
}

func TestActsThatWaitHoldFewThreads(t *testing.T) {
	s := openShop(t, usual)
	before := threads(t)
	thaw := freeze(t)
	const callers = 1000
	heard := make(chan error, callers)
	for i := 0; i < callers; i++ {
		go func() {
			_, err := s.sales.Status(background, s.sale, RolePrimary)
			heard <- err
		}()
	}
	eventually(t, "acts are under way", func() bool { return len(blocking) == blockingMax })
	if during := threads(t); during > before+2*blockingMax {
		t.Errorf("%d threads, %d before", during, before)
	}
	thaw()
	for i := 0; i < callers; i++ {
		check(t, <-heard)
	}
}

func TestTheWorkerCarriesEveryOrderIntoTheDatabase(t *testing.T) {
	s := openShop(t, Item{ID: "sneaker-42", Units: 1000, Limit: 1})
	calls := make([]Call, 1200)
	for i := range calls {
		calls[i] = s.call(fmt.Sprint("buyer-", i), "click")
		calls[i].Verb = VerbReserve
	}
	for _, result := range s.gate.Submit(background, calls) {
		check(t, result.Err)
	}
	worker := Must(NewWorker(s.pool, s.sink, Options{"worker.sales": s.sale}))
	defer worker.Close()
	check(t, worker.Drain(background))
	report, err := worker.Report()
	check(t, err)
	want(t, "orders", report.Orders, 1000)
	want(t, "behind", report.Behind, 0)
	status, err := s.sales.Status(background, s.sale, RolePrimary)
	check(t, err)
	want(t, "watermark", status.Watermark, status.At)
}

func TestADrainWhoseDeadlineComesTellsWhatItWaitedForAndTheWorkerGoesOn(t *testing.T) {
	s := openShop(t, usual)
	_, err := s.gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	worker := Must(NewWorker(s.pool, s.sink, Options{"worker.sales": s.sale}))
	defer worker.Close()
	thaw := freeze(t)
	soon, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	err = worker.Drain(soon)
	want(t, "timed out", errors.Is(err, ErrTimedOut), true)
	thaw()
	check(t, worker.Drain(background))
	report, err := worker.Report()
	check(t, err)
	want(t, "orders", report.Orders, 1)
	ctx, stop := context.WithCancel(background)
	stop()
	check(t, worker.Run(ctx))
}

func TestRunEndsWithItsContextAndCloseEndsRun(t *testing.T) {
	s := openShop(t, usual)
	ctx, cancel := context.WithCancel(background)
	byContext, byClose := Must(NewWorker(s.pool, s.sink)), Must(NewWorker(s.pool, s.sink))
	ran := make(chan error, 2)
	go func() { ran <- byContext.Run(ctx) }()
	_, err := s.gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	eventually(t, "the order is in the database", func() bool {
		status, err := s.sales.Status(background, s.sale, RolePrimary)
		check(t, err)
		return status.Watermark == status.At
	})
	cancel()
	check(t, <-ran)
	go func() { ran <- byClose.Run(background) }()
	check(t, byContext.Close())
	check(t, byClose.Close())
	if err := <-ran; err != nil && !errors.Is(err, ErrClosed) { // closed: Close came before Run
		t.Fatal(err)
	}
	want(t, "closed", errors.Is(byClose.Run(background), ErrClosed), true)
	_, err = byClose.Report()
	want(t, "closed", errors.Is(err, ErrClosed), true)
}

func TestWhatCannotBeMadeSaysWhy(t *testing.T) {
	pool := func(option, value string) func() error {
		return func() error { _, err := NewPool(redis.URL, Options{option: value}); return err }
	}
	for message, make := range map[string]func() error{
		"scheme":                            func() error { _, err := NewPool("http://127.0.0.1"); return err },
		"there is no option 'pool.lanes'":   pool("pool.lanes", "1"),
		"pool.connections_max must be 1 to": pool("pool.connections_max", "0"),
		"sinks of 'mysql'":                  func() error { _, err := NewSink("mysql://127.0.0.1/x"); return err },
		"flashsale: closed: the pool was closed": func() error {
			pool := Must(NewPool(redis.URL))
			check(t, pool.Close())
			check(t, pool.Close())
			_, err := NewGate(pool)
			return err
		},
		"closed: the sink was closed": func() error {
			sink := Must(NewSink(filepath.Join(t.TempDir(), "orders.db")))
			check(t, sink.Close())
			_, err := NewController(Must(NewPool(redis.URL)), sink)
			return err
		},
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%v does not say: %s", err, message)
		}
	}
}
