package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"context"
	"sync"
	"time"
)

// handle guards an object of the library: any number of calls at a time, or its end.
type handle struct {
	what   string
	mu     sync.RWMutex // held for reading by every call under way
	closed bool         // guarded by mu
}

// use begins a call; the caller ends it by h.mu.RUnlock.
func (h *handle) use() error {
	h.mu.RLock()
	if h.closed {
		h.mu.RUnlock()
		return closed(h.what)
	}
	return nil
}

// close waits for the calls under way and destroys the object, once.
func (h *handle) close(destroy func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		destroy()
	}
}

// useAll begins a call on several objects and returns what ends it.
func useAll(handles ...*handle) (func(), error) {
	for i, h := range handles {
		if err := h.use(); err != nil {
			release(handles[:i])
			return nil, err
		}
	}
	return func() { release(handles) }, nil
}

func release(handles []*handle) {
	for _, h := range handles {
		h.mu.RUnlock()
	}
}

// How many calls may hold an OS thread each, in the whole process; more wait as goroutines. Those of a Gate need none.
const blockingMax = 16

var blocking = make(chan struct{}, blockingMax)

// block makes a call that holds an OS thread until it returns. When ctx ends first, the call goes on without its
// caller, who hears `effect`.
func (h *handle) block(ctx context.Context, effect Effect, call func() error) error {
	if err := ctx.Err(); err != nil { // select would choose by chance
		return ended(err, EffectNone)
	}
	select {
	case <-ctx.Done():
		return ended(ctx.Err(), EffectNone)
	case blocking <- struct{}{}:
	}
	if err := h.use(); err != nil {
		<-blocking
		return err
	}
	made := make(chan error, 1)
	run := func() {
		err := call()
		h.mu.RUnlock()
		<-blocking
		made <- err
	}
	if ctx.Done() == nil {
		run()
		return <-made
	}
	go run()
	select {
	case err := <-made:
		return err
	case <-ctx.Done():
		return ended(ctx.Err(), effect)
	}
}

// timeoutOf is the time that ctx leaves, in whole milliseconds from 1 to most; usual if it leaves any.
func timeoutOf(ctx context.Context, usual, most time.Duration) (C.uint32_t, error) {
	if err := ctx.Err(); err != nil {
		return 0, ended(err, EffectNone)
	}
	left := usual
	if deadline, ok := ctx.Deadline(); ok {
		if left = time.Until(deadline); left < time.Millisecond {
			return 0, ended(context.DeadlineExceeded, EffectNone)
		}
	}
	if left > most {
		left = most
	}
	return C.uint32_t(left / time.Millisecond), nil
}
