package flashsale

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flashsale/redistest"
)

var background = context.Background()

func TestAnOrderIsReservedOnceHoweverOftenItIsAskedFor(t *testing.T) {
	s := openShop(t, usual)
	first, err := s.gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", first.Outcome, Reserved)
	want(t, "holds stock", first.HoldsStock(), true)
	want(t, "level", first.Level, LevelPrimary)
	want(t, "remaining", first.Remaining, 99)
	want(t, "has an order", strings.HasPrefix(first.Order.String(), "1-"), true)
	again, err := s.gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", again.Outcome, AlreadyReserved)
	want(t, "order", again.Order, first.Order)
	for _, ask := range []func(context.Context, Call) (Answer, error){s.gate.Resolve, s.gate.Status} {
		found, err := ask(background, s.call("ann", "click-1"))
		check(t, err)
		want(t, "outcome", found.Outcome, AlreadyReserved)
		want(t, "order", found.Order, first.Order)
		none, err := ask(background, s.call("ann", "click-2"))
		check(t, err)
		want(t, "outcome", none.Outcome, NotReserved)
		want(t, "has no order", none.Order.IsZero() && none.Order.String() == "", true)
	}
}

func TestAnOrderThatRedisLostComesBackByTheReceiptOfAClosedGate(t *testing.T) {
	s := openShop(t, usual)
	gate := Must(NewGateWithSink(s.pool, s.sink, Options{"gate.timeout_ms": "20000"}))
	won, err := gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", won.Outcome, Reserved)
	check(t, gate.Close())
	keys := []string{"-s", redis.Socket, "DEL"}
	for _, key := range []string{"meta", "buyers", "journal"} {
		keys = append(keys, "fs:{"+s.sale+"}:"+key)
	}
	cli, err := redistest.Program("cli")
	check(t, err)
	check(t, exec.Command(cli, keys...).Run())
	check(t, s.sales.Reconcile(background, s.sale))
	found, err := s.gate.Resolve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", found.Outcome, AlreadyReserved)
	want(t, "order", found.Order, won.Order)
}

func TestAReservationIsConfirmedOrReleasedOnce(t *testing.T) {
	s := openShop(t, usual)
	defer serve(t, s)() // a confirm is answered once the database has it
	does := func(what string, ask func(context.Context, Call) (Answer, error), buyer string, expected Outcome) {
		t.Helper()
		answer, err := ask(background, s.call(buyer, "click-1"))
		check(t, err)
		want(t, what, answer.Outcome, expected)
	}
	does("reserve", s.gate.Reserve, "ann", Reserved)
	does("confirm", s.gate.Confirm, "ann", Confirmed)
	does("confirm again", s.gate.Confirm, "ann", AlreadyConfirmed)
	does("release what is paid", s.gate.Release, "ann", AlreadyConfirmed)
	does("resolve", s.gate.Resolve, "ann", AlreadyConfirmed)
	does("reserve", s.gate.Reserve, "bob", Reserved)
	does("release", s.gate.Release, "bob", Released)
	does("release again", s.gate.Release, "bob", AlreadyReleased)
	does("confirm what is released", s.gate.Confirm, "bob", AlreadyReleased)
	does("reserve again", s.gate.Reserve, "bob", AlreadyReleased)
	does("confirm nothing", s.gate.Confirm, "eve", NotReserved)
}

// serve runs a worker for the shop's sale until the function that it returns is called.
func serve(t *testing.T, s *shop) func() {
	worker := Must(NewWorker(s.pool, s.sink, Options{"worker.sales": s.sale}))
	ctx, stop := context.WithCancel(background)
	served := make(chan error, 1)
	go func() { served <- worker.Run(ctx) }()
	return func() {
		stop()
		<-served
		worker.Close()
	}
}

func TestRefusalsAreOutcomesAndWrongCallsAreErrors(t *testing.T) {
	s := openShop(t, Item{ID: "sneaker-42", Units: 3, Limit: 2})
	reserve := func(call Call) Outcome {
		t.Helper()
		answer, err := s.gate.Reserve(background, call)
		check(t, err)
		return answer.Outcome
	}
	two := s.call("ann", "click-1")
	two.Quantity = 2
	want(t, "two for ann", reserve(two), Reserved)
	want(t, "a third for ann", reserve(s.call("ann", "click-2")), LimitReached)
	two.Buyer = "bob"
	want(t, "two of one for bob", reserve(two), SoldOut)
	want(t, "the last for bob", reserve(s.call("bob", "click-2")), Reserved)
	want(t, "one for eve", reserve(s.call("eve", "click-1")), SoldOut)

	fails := func(call Call, code ErrorCode) {
		t.Helper()
		_, err := s.gate.Reserve(background, call)
		if !errors.Is(err, code) || errors.Is(err, ErrUnknown) {
			t.Fatalf("%v is not %v with effect none", err, code)
		}
	}
	other := s.call("ann", "click-1")
	fails(other, ErrConflict) // click-1 was two
	other.Item = "boot-1"
	fails(other, ErrNotFound)
	nowhere := s.call("ann", "click-1")
	nowhere.Sale = "autumn"
	fails(nowhere, ErrNotFound)

	check(t, s.sales.Pause(background, s.sale))
	paused, err := s.gate.Reserve(background, s.call("eve", "click-2"))
	check(t, err)
	want(t, "outcome", paused.Outcome, Paused)
	want(t, "reason", paused.Reason, ReasonOperator)
	check(t, s.sales.CloseSale(background, s.sale))
	want(t, "after the end", reserve(s.call("eve", "click-3")), Ended)
}

func TestBadInputNamesTheFieldAndItsBound(t *testing.T) {
	s := openShop(t, usual)
	for message, spoil := range map[string]func(*Call){
		"sale must have 1 to 64 bytes, has 0":              func(c *Call) { c.Sale = "" },
		"item must have 1 to 64 bytes, has 65":             func(c *Call) { c.Item = strings.Repeat("i", 65) },
		"item must consist of [A-Za-z0-9_.-]":              func(c *Call) { c.Item = "a b" },
		"buyer must have 1 to 64 bytes, has 1000000":       func(c *Call) { c.Buyer = strings.Repeat("b", 1000000) },
		"request must consist of [A-Za-z0-9_.:@-]":         func(c *Call) { c.Request = "click\x001" },
		"quantity must be 1 to 1000000, is 1000001":        func(c *Call) { c.Quantity = 1000001 },
		"payload must have at most 1024 bytes, has 1025":   func(c *Call) { c.Payload = make([]byte, 1025) },
		"payload must have at most 1024 bytes, has 100000": func(c *Call) { c.Payload = make([]byte, 100000) },
		"level must be 0 to 3, is 9":                       func(c *Call) { c.Level = 9 },
	} {
		call := s.call("ann", "click-1")
		spoil(&call)
		_, err := s.gate.Reserve(background, call)
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), message) {
			t.Errorf("%v does not say: %s", err, message)
		}
		result := s.gate.Submit(background, []Call{s.call("ann", "click-1"), call})[1]
		if call.Verb = VerbReserve; !errors.Is(result.Err, ErrInvalidArgument) {
			t.Errorf("%v is not invalid_argument", result.Err)
		}
	}
}

func TestABatchAnswersEachCallInItsPlace(t *testing.T) {
	s := openShop(t, Item{ID: "sneaker-42", Units: 700, Limit: 1})
	calls := make([]Call, 1500) // more than a batch holds
	for i := range calls {
		calls[i] = s.call(fmt.Sprint("buyer-", i/2), "click")
		calls[i].Verb = VerbReserve
		calls[i].Payload = []byte(strings.Repeat("p", i%1024))
	}
	calls[3].Verb = VerbResolve
	won := map[OrderID]int{}
	for i, result := range s.gate.Submit(background, calls) {
		check(t, result.Err)
		if result.HoldsStock() {
			won[result.Order]++
		}
		if i != 3 && !result.HoldsStock() && result.Outcome != SoldOut {
			t.Fatalf("call %d is %v", i, result.Outcome)
		}
	}
	want(t, "orders", len(won), 700)
	want(t, "results of nothing", len(s.gate.Submit(background, nil)), 0)
}

func TestAContextThatIsOverSendsNothing(t *testing.T) {
	s := openShop(t, usual)
	cancelled, cancel := context.WithCancel(background)
	cancel()
	late, cancelLate := context.WithDeadline(background, time.Now().Add(-time.Second))
	defer cancelLate()
	for ctx, cause := range map[context.Context]error{cancelled: context.Canceled, late: context.DeadlineExceeded} {
		_, err := s.gate.Reserve(ctx, s.call("ann", "click-1"))
		if !errors.Is(err, cause) || !errors.Is(err, ErrTimedOut) || errors.Is(err, ErrUnknown) {
			t.Fatalf("%v is not %v with effect none", err, cause)
		}
	}
	found, err := s.gate.Resolve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", found.Outcome, NotReserved)
}

func TestACallCancelledAfterItWasHandedInIsUnknownAndCanBeResolved(t *testing.T) {
	s := openShop(t, usual)
	_, err := s.gate.Reserve(background, s.call("bob", "click-1")) // connects
	check(t, err)
	thaw := freeze(t)
	ctx, cancel := context.WithCancel(background)
	heard := make(chan error, 1)
	go func() {
		_, err := s.gate.Reserve(ctx, s.call("ann", "click-1"))
		heard <- err
	}()
	eventually(t, "the call is handed in", func() bool { return s.gate.answers.outstanding() == 1 })
	cancel()
	err = <-heard
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v is not ErrUnknown by context.Canceled", err)
	}
	thaw()
	found, err := s.gate.Resolve(background, s.call("ann", "click-1"))
	check(t, err)
	want(t, "outcome", found.Outcome, AlreadyReserved)
}

func TestTheContextsDeadlineIsTheCallsTimeout(t *testing.T) {
	s := openShop(t, usual)
	_, err := s.gate.Reserve(background, s.call("bob", "click-1"))
	check(t, err)
	freeze(t)
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = s.gate.Reserve(ctx, s.call("ann", "click-1"))
	if !errors.Is(err, ErrTimedOut) {
		t.Fatalf("%v is not timed_out", err)
	}
	if took := time.Since(start); took > 15*time.Second { // gate.timeout_ms is 20 s
		t.Fatalf("it took %v", took)
	}
}

func TestTenThousandGoroutinesWaitWithoutAThreadEach(t *testing.T) {
	const callers, units = 10000, 6000
	s := openShop(t, Item{ID: "sneaker-42", Units: units, Limit: 1})
	_, err := s.gate.Resolve(background, s.call("nobody", "click-1"))
	check(t, err)
	before := threads(t)
	thaw := freeze(t)
	var won, lost atomic.Int64
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(background, 30*time.Second)
	defer cancel()
	for i := 0; i < callers; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			call := s.call(fmt.Sprint("buyer-", i), "click-1")
			answer, err := s.gate.Reserve(ctx, call)
			for errors.Is(err, ErrUnknown) || errors.Is(err, ErrTimedOut) { // a slow machine: ask again
				answer, err = s.gate.Reserve(background, call)
			}
			if err != nil {
				t.Error(err)
			} else if answer.HoldsStock() {
				won.Add(1)
			} else if answer.Outcome == SoldOut {
				lost.Add(1)
			}
		}(i)
	}
	eventually(t, "all wait", func() bool { return s.gate.answers.outstanding() == callers })
	during := threads(t)
	thaw()
	all.Wait()
	t.Logf("%d threads before, %d while %d goroutines wait", before, during, callers)
	if during > before+16 {
		t.Errorf("%d threads while %d goroutines wait, %d before", during, callers, before)
	}
	want(t, "winners", won.Load(), units)
	want(t, "losers", lost.Load(), callers-units)
	status, err := s.sales.Status(background, s.sale, RolePrimary)
	check(t, err)
	want(t, "booked", status.Items[0].Booked, units)
}

func TestAFullGateIsBusyAtOnce(t *testing.T) {
	s := openShop(t, usual, Options{"gate.waiting_max": "10"})
	_, err := s.gate.Reserve(background, s.call("bob", "click-1"))
	check(t, err)
	thaw := freeze(t)
	calls := make([]Call, 30)
	for i := range calls {
		calls[i] = s.call(fmt.Sprint("buyer-", i), "click-1")
		calls[i].Verb = VerbReserve
	}
	go func() { // the ones that are busy are answered while the others wait
		eventually(t, "ten wait", func() bool { return s.gate.answers.outstanding() == 10 })
		thaw()
	}()
	for i, result := range s.gate.Submit(background, calls) {
		if i < 10 {
			check(t, result.Err)
		} else if !errors.Is(result.Err, ErrBusy) || errors.Is(result.Err, ErrUnknown) {
			t.Fatalf("call %d: %v is not busy with effect none", i, result.Err)
		}
	}
}

func TestCloseAnswersWhoeverWaitsAndIsHarmlessTwice(t *testing.T) {
	s := openShop(t, usual)
	_, err := s.gate.Reserve(background, s.call("bob", "click-1"))
	check(t, err)
	thaw := freeze(t)
	const callers = 50
	heard := make(chan error, callers)
	for i := 0; i < callers; i++ {
		go func(i int) {
			_, err := s.gate.Reserve(background, s.call(fmt.Sprint("buyer-", i), "click-1"))
			heard <- err
		}(i)
	}
	eventually(t, "all wait", func() bool { return s.gate.answers.outstanding() == callers })
	var both sync.WaitGroup
	for i := 0; i < 2; i++ {
		both.Add(1)
		go func() { defer both.Done(); s.gate.Close() }()
	}
	both.Wait()
	for i := 0; i < callers; i++ {
		if err := <-heard; !errors.Is(err, ErrClosed) && !errors.Is(err, ErrUnknown) {
			t.Fatalf("%v tells neither of the end nor of doubt", err)
		}
	}
	thaw()
	_, err = s.gate.Reserve(background, s.call("eve", "click-1"))
	want(t, "closed", errors.Is(err, ErrClosed), true)
	want(t, "closed", errors.Is(s.gate.Submit(background, []Call{s.call("eve", "click-1")})[0].Err, ErrClosed), true)

	unused := Must(NewGate(Must(NewPool(redis.URL))))
	check(t, unused.Close())
	_, err = unused.Reserve(background, s.call("eve", "click-1"))
	want(t, "closed", errors.Is(err, ErrClosed), true)
}
