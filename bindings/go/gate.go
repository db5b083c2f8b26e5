package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Gate is the hot path: it sells units of many sales through one pool. Calls made at the same time travel as one batch.
//
//	Reserve ... --> queue --> submitter --> library --> poller --> Reserve returns
//
// The submitter and the poller are goroutines, made by the first call, and neither sits in the library: however many
// goroutines wait for answers, no OS thread does.
type Gate struct {
	handle // for explain; the submitter ends before the gate does
	c      *C.flashsale_gate_t

	begin   sync.Once
	failed  error // of begin
	end     sync.Once
	answers *completions
	waiters waiters
	queue   queue
	over    sync.WaitGroup // the submitter
	drained sync.WaitGroup // the poller
}

const (
	timeoutMax = 30 * time.Second
	// How long a call whose deadline has come waits for the library to say whether anything was sent.
	verdictTime = 100 * time.Millisecond
)

// NewGate makes a gate. Goroutines, threads and connections come with the first call. Options: gate.*.
func NewGate(pool *Pool, options ...Options) (*Gate, error) {
	return NewGateWithSink(pool, nil, options...)
}

// NewGateWithSink makes a gate that also keeps receipts: what it told its callers below level Database, in memory, until
// sink, the database of its sales, has it. If Redis loses its history first, they bring the orders back; Close leaves
// them in the database. A nil sink: no receipts.
func NewGateWithSink(pool *Pool, sink *Sink, options ...Options) (*Gate, error) {
	g := &Gate{handle: handle{what: "gate"}, queue: queue{wake: make(chan struct{}, 1)}}
	err := withOptions(options, func(o *C.flashsale_options_t) error {
		handles, database := []*handle{&pool.handle}, (*C.flashsale_sink_t)(nil)
		if sink != nil {
			handles = append(handles, &sink.handle)
		}
		done, err := useAll(handles...)
		if err != nil {
			return err
		}
		defer done()
		if sink != nil {
			database = sink.c
		}
		return try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_gate_create_with_sink(pool.c, database, o, &g.c, e)
		})
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Reserve asks for call.Quantity units of call.Item for call.Buyer; atomic, and idempotent by call.Request: a buyer's
// same request always means the same purchase, and asked again after it won it hears the same order.
//
// Outcomes, the first that applies: AlreadyReserved, AlreadyConfirmed, AlreadyReleased, Expired, Dead (this request won
// before) - Ended, Paused, NotStarted - LimitReached - SoldOut - Reserved. Below call.Level: Pending.
//
// Errors: ErrInvalidArgument, ErrNotFound, ErrConflict, ErrUnsupported, ErrRefused, ErrClosed, ErrInternal, ErrBusy
// (effect none); ErrTimedOut, ErrDisconnected, ErrProtocol (none, or ErrUnknown: ask again with the same request, or
// Resolve).
//
// The deadline of ctx, 30 s at most, is the call's timeout; without one that is gate.timeout_ms. If ctx is cancelled
// after the call was handed in, the units may be the buyer's: ErrUnknown. Costs one round trip, shared with every other
// caller of that moment.
func (g *Gate) Reserve(ctx context.Context, call Call) (Answer, error) {
	return g.call(ctx, VerbReserve, &call)
}

// Confirm says that the buyer paid: Confirmed (the order was reserved and its hold had not run out), AlreadyConfirmed,
// AlreadyReleased, Expired, Dead or NotReserved; Paused by ReasonFenced: nothing was decided. In every state of the
// sale, but ErrUnsupported in list mode. Idempotent; of several that race for one order one wins. Errors and costs as
// Reserve.
func (g *Gate) Confirm(ctx context.Context, call Call) (Answer, error) {
	return g.call(ctx, VerbConfirm, &call)
}

// Release gives a reserved order's units back, which sell again once the database has it: Released, else as Confirm.
func (g *Gate) Release(ctx context.Context, call Call) (Answer, error) {
	return g.call(ctx, VerbRelease, &call)
}

// Resolve asks the primary what became of a request: AlreadyReserved, AlreadyConfirmed, AlreadyReleased, Expired, Dead
// or NotReserved, which is final for a request that went through this gate, and for any other once 30 s have passed
// since it was sent. Errors and costs as Reserve, with effect none.
func (g *Gate) Resolve(ctx context.Context, call Call) (Answer, error) {
	return g.call(ctx, VerbResolve, &call)
}

// Status is Resolve, but from a replica where one is fit; NotReserved is not final. What pages poll.
func (g *Gate) Status(ctx context.Context, call Call) (Answer, error) {
	return g.call(ctx, VerbStatus, &call)
}

// Submit hands in calls of any Verb at once and waits for them all; the answer to calls[i] is result i. With gate.lanes
// 1 they are decided in this order. Each is bound by ctx, and answered, as if it had been made alone.
func (g *Gate) Submit(ctx context.Context, calls []Call) []Result {
	results := make([]Result, len(calls))
	timeout, err := g.ready(ctx)
	fit := make([]*waiter, 0, len(calls))
	for i := range calls {
		if err == nil && calls[i].fits() {
			fit = append(fit, newWaiter(&calls[i], timeout))
		}
	}
	if err == nil && !g.queue.put(fit...) {
		err = closed("gate")
	}
	for i := range calls {
		switch {
		case err != nil:
			results[i].Err = err
		case calls[i].fits():
			results[i], fit = g.wait(ctx, fit[0]), fit[1:]
		default:
			results[i] = g.explain(&calls[i], timeout, Result{})
		}
	}
	return results
}

func (g *Gate) call(ctx context.Context, verb Verb, call *Call) (Answer, error) {
	call.Verb = verb
	timeout, err := g.ready(ctx)
	if err != nil {
		return Answer{}, err
	}
	var result Result
	if !call.fits() {
		result = g.explain(call, timeout, result)
	} else if w := newWaiter(call, timeout); g.queue.put(w) {
		result = g.wait(ctx, w)
	} else {
		result.Err = closed("gate")
	}
	return result.Answer, result.Err
}

// ready makes what the first call needs, and returns the time that a call has, in ms: 0 is the gate's usual.
func (g *Gate) ready(ctx context.Context) (uint32, error) {
	timeout, err := timeoutOf(ctx, 0, timeoutMax)
	if err != nil {
		return 0, err
	}
	g.begin.Do(g.start)
	return uint32(timeout), g.failed
}

func (g *Gate) start() {
	if g.answers, g.failed = newCompletions(); g.failed != nil {
		return
	}
	g.over.Add(1)
	g.drained.Add(1)
	go g.submit()
	go g.poll()
}

// wait waits for an answer, or for the end of ctx, after which nobody hears it.
func (g *Gate) wait(ctx context.Context, w *waiter) Result {
	if !w.heard(ctx) {
		effect := EffectUnknown
		if w.call.Verb == VerbResolve || w.call.Verb == VerbStatus {
			effect = EffectNone
		}
		return Result{Err: ended(ctx.Err(), effect)} // w stays: its answer is still to come
	}
	result, call, timeout := w.result, w.call, w.timeoutMs
	w.free()
	if errors.Is(result.Err, ErrInvalidArgument) {
		return g.explain(&call, timeout, result)
	}
	return result
}

// explain asks again for a call that is known to be out of its bounds: an event has no room for a message, and the
// rules should stand in the library alone. Such a call never gets as far as Redis.
func (g *Gate) explain(call *Call, timeoutMs uint32, heard Result) Result {
	if err := g.use(); err != nil {
		return Result{Err: err}
	}
	defer g.mu.RUnlock()
	b := newBatch(1, call.size())
	defer b.free()
	b.add(call, timeoutMs, 0)
	err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_gate_call(g.c, &b.records[0], nil, e) })
	if err != nil {
		heard.Err = err
	}
	return heard
}

// Close ends the gate: calls still waiting are ErrClosed. Blocks one round trip at most.
func (g *Gate) Close() error {
	g.end.Do(func() {
		g.begin.Do(func() { g.failed = closed("gate") })
		g.queue.close()
		g.over.Wait()
		g.handle.close(func() { C.flashsale_gate_destroy(&g.c) }) // every call accepted has its event now
		if g.answers != nil {
			g.answers.stop()
			g.drained.Wait()
			g.answers.destroy()
		}
	})
	return nil
}

// submit hands in what callers queue, until the gate is closed.
func (g *Gate) submit() {
	defer g.over.Done()
	b := newBatch(batchCalls, batchBytes)
	defer b.free()
	var taken []*waiter
	for g.queue.wait() {
		for taken = g.queue.take(taken); len(taken) > 0; taken = g.queue.take(taken) {
			for rest := taken; len(rest) > 0; {
				rest = rest[g.hand(b, rest):]
			}
		}
	}
}

// hand hands in as many calls from the front as fill a batch, and returns how many.
func (g *Gate) hand(b *batch, calls []*waiter) int {
	b.clear()
	g.waiters.add(b, calls)
	var accepted C.size_t
	err := try(func(e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_gate_submit(g.c, &b.records[0], C.size_t(b.count), g.answers.c, &accepted, e)
	})
	for i := int(accepted); i < b.count; i++ {
		g.waiters.take(uint64(b.records[i].tag)).answer(Result{Err: err})
	}
	return b.count
}

// poll gives answers to their callers, until the gate is closed and nothing is outstanding.
func (g *Gate) poll() {
	defer g.drained.Done()
	deliver := func(events []C.flashsale_event_t) {
		for i := range events {
			g.waiters.take(uint64(events[i].tag)).answer(toResult(&events[i]))
		}
	}
	g.answers.each(deliver)
	for g.answers.outstanding() > 0 {
		deliver(g.answers.drain())
	}
}
