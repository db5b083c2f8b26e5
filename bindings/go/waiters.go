package flashsale

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// waiter is one call on its way, and the goroutine that waits for it. It hears exactly one answer; one whose caller has
// left hears it too, and is then garbage.
type waiter struct {
	call      Call
	timeoutMs uint32
	result    Result
	answered  chan struct{} // one token: result is there
}

var spareWaiters = sync.Pool{New: func() any { return &waiter{answered: make(chan struct{}, 1)} }}

func newWaiter(call *Call, timeoutMs uint32) *waiter {
	w := spareWaiters.Get().(*waiter)
	w.call, w.timeoutMs = *call, timeoutMs
	return w
}

// free is for whoever heard the answer.
func (w *waiter) free() {
	w.call, w.result = Call{}, Result{}
	spareWaiters.Put(w)
}

func (w *waiter) answer(result Result) {
	w.result = result
	w.answered <- struct{}{}
}

// heard waits for the answer and returns whether it came before the end of ctx. If that is its deadline, the library
// has the same one, and its own verdict says more than we know: whether anything was sent.
func (w *waiter) heard(ctx context.Context) bool {
	if ctx.Done() == nil {
		<-w.answered
		return true
	}
	select {
	case <-w.answered:
		return true
	case <-ctx.Done():
	}
	if ctx.Err() != context.DeadlineExceeded {
		return false
	}
	verdict := time.NewTimer(verdictTime)
	defer verdict.Stop()
	select {
	case <-w.answered:
		return true
	case <-verdict.C:
		return false
	}
}

// queue is calls that nobody handed in yet.
type queue struct {
	mu     sync.Mutex
	calls  []*waiter // guarded by mu
	closed bool      // guarded by mu
	wake   chan struct{}
}

// put adds calls, or returns false if the queue is closed.
func (q *queue) put(calls ...*waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	first := len(q.calls) == 0
	q.calls = append(q.calls, calls...)
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take swaps what is queued for `used`, whose memory is reused.
func (q *queue) take(used []*waiter) []*waiter {
	for i := range used {
		used[i] = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	calls := q.calls
	q.calls = used[:0]
	return calls
}

// wait waits for calls and returns whether there may be any; once closed, after the last, it returns false.
func (q *queue) wait() bool {
	_, open := <-q.wake
	// Goroutines that are ready to run may be about to call: they go first, and travel in the same batch.
	runtime.Gosched()
	return open
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
}

// waiters finds a call by the tag of its event: Go's pointers may not wait in C's memory.
type waiters struct {
	mu    sync.Mutex
	slots []*waiter // guarded by mu
	free  []uint32  // guarded by mu: the slots that are nil
}

// add copies calls into b until that is full, each under a tag of its own.
func (t *waiters) add(b *batch, calls []*waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range calls {
		if len(t.free) == 0 {
			t.free = append(t.free, uint32(len(t.slots)))
			t.slots = append(t.slots, nil)
		}
		last := len(t.free) - 1
		slot := t.free[last]
		if !b.add(&w.call, w.timeoutMs, uint64(slot)) {
			return
		}
		t.free, t.slots[slot] = t.free[:last], w
	}
}

// take returns the call of a tag, which is free again.
func (t *waiters) take(tag uint64) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.slots[tag]
	t.slots[tag] = nil
	t.free = append(t.free, uint32(tag))
	return w
}
