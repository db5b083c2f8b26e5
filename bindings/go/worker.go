package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"context"
	"time"
)

// Worker carries journals into a sink and watches over their sales; any number of them may run on the same sales, in
// any process.
type Worker struct {
	handle
	c *C.flashsale_worker_t
}

// Report is what a worker has done so far.
type Report struct {
	Orders     uint64 // committed by this worker
	Commits    uint64 // transactions of this worker
	Dead       uint64 // orders set aside by this worker
	Reconciles uint64
	Behind     uint64 // entries left in the journals at the last look
	WaitingFor string // empty: nothing; else the newest obstacle, for a person
}

const drainMax = time.Hour

// NewWorker makes a worker. Options: worker.*; worker.sales names the sales, else it serves every one that the sink
// knows.
func NewWorker(pool *Pool, sink *Sink, options ...Options) (*Worker, error) {
	w := &Worker{handle: handle{what: "worker"}}
	err := withOptions(options, func(o *C.flashsale_options_t) error {
		done, err := useAll(&pool.handle, &sink.handle)
		if err != nil {
			return err
		}
		defer done()
		return try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_worker_create(pool.c, sink.c, o, &w.c, e)
		})
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Run serves until ctx ends or Stop, and then returns nil after the transaction under way; the worker is over then. It
// holds one OS thread. What can heal by itself is waited for, and told in the log and the report.
// Errors, for which waiting is no help: ErrConflict (another sale's database, a fork of the journal, or the database
// went back), ErrUnsupported (layout, schema); only if no sale is left to serve and sales were named.
func (w *Worker) Run(ctx context.Context) error {
	const timed = false
	return w.serve(ctx, timed, func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_worker_run(w.c, e) })
}

// Drain serves until everything written before the call is in the database, or the deadline of ctx (an hour, if it has
// none) has come; the worker may run on after that. A ctx that is cancelled stops it.
// Errors: as Run, at once; ErrTimedOut, with what it waited for; ErrClosed (stopped).
func (w *Worker) Drain(ctx context.Context) error {
	timeout, err := timeoutOf(ctx, drainMax, drainMax)
	if err != nil {
		return err
	}
	const timed = true
	return w.serve(ctx, timed, func(e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_worker_drain(w.c, timeout, e)
	})
}

// serve makes a call that Stop ends, and stops it when ctx ends; one that is timed ends at ctx's deadline by itself, for
// a stop is for good.
func (w *Worker) serve(ctx context.Context, timed bool, call func(failure **C.flashsale_error_t) C.int32_t) error {
	if err := w.use(); err != nil {
		return err
	}
	defer w.mu.RUnlock()
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ctx.Done():
			if !timed || ctx.Err() != context.DeadlineExceeded {
				C.flashsale_worker_stop(w.c)
			}
		case <-over:
		}
	}()
	err := try(call)
	close(over)
	<-watched
	return err
}

// Stop makes Run and Drain return after the transaction under way, for good.
func (w *Worker) Stop() {
	if w.use() == nil {
		C.flashsale_worker_stop(w.c)
		w.mu.RUnlock()
	}
}

// Report tells what the worker has done so far, and what holds it up.
func (w *Worker) Report() (Report, error) {
	if err := w.use(); err != nil {
		return Report{}, err
	}
	defer w.mu.RUnlock()
	record := C.flashsale_report_t{struct_size: C.sizeof_flashsale_report_t}
	err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_worker_report(w.c, &record, e) })
	if err != nil {
		return Report{}, err
	}
	return Report{Orders: uint64(record.orders), Commits: uint64(record.commits), Dead: uint64(record.dead),
		Reconciles: uint64(record.reconciles), Behind: uint64(record.behind),
		WaitingFor: C.GoString(&record.waiting_for[0])}, nil
}

// Close stops the worker and waits for Run and Drain to return.
func (w *Worker) Close() error {
	w.Stop()
	w.handle.close(func() { C.flashsale_worker_destroy(&w.c) })
	return nil
}
