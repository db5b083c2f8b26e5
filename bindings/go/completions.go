package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"os"
	"syscall"
	"time"
)

const (
	depthMax  = 1 << 20 // the gate's own bound, gate.waiting_max, is met first
	drainSize = 512
)

// completions is the library's queue of events. Its descriptor is watched by the runtime's poller, so that whoever
// waits for events is a goroutine, and not a thread that sits in the library.
type completions struct {
	c      *C.flashsale_completions_t
	file   *os.File // a duplicate of the queue's descriptor, since closing a File closes what it has
	raw    syscall.RawConn
	events []C.flashsale_event_t
}

func newCompletions() (*completions, error) {
	q := &completions{events: make([]C.flashsale_event_t, drainSize)}
	err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_completions_create(depthMax, &q.c, e) })
	if err != nil {
		return nil, err
	}
	var fd C.int32_t
	err = try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_completions_fd(q.c, &fd, e) })
	if err == nil {
		err = q.watch(int(fd))
	}
	if err != nil {
		C.flashsale_completions_destroy(&q.c)
		return nil, err
	}
	return q, nil
}

func (q *completions) watch(fd int) error {
	copied, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return &Error{Code: ErrRefused, Message: errno.Error()}
	}
	q.file = os.NewFile(copied, "flashsale-completions")
	raw, err := q.file.SyscallConn()
	if err != nil {
		q.file.Close()
		return &Error{Code: ErrInternal, Message: err.Error()}
	}
	q.raw = raw
	return nil
}

// drain takes the events that are there, and does not wait. Fewer than drainSize: these were all.
func (q *completions) drain() []C.flashsale_event_t {
	var count C.size_t
	C.flashsale_completions_drain(q.c, &q.events[0], C.sizeof_flashsale_event_t, drainSize, 0, &count, nil)
	return q.events[:count]
}

// each gives f events as they come, and also wakes it with none, until stop.
func (q *completions) each(f func([]C.flashsale_event_t)) {
	_ = q.raw.Read(func(uintptr) bool { // ends with an error, by stop
		for {
			events := q.drain()
			f(events)
			if len(events) < drainSize {
				return false // wait for the next edge: the queue is empty
			}
		}
	})
}

// stop makes each return. Events that are there stay.
func (q *completions) stop() { _ = q.file.SetReadDeadline(time.Unix(1, 0)) }

// outstanding tells how many calls were accepted and not drained yet.
func (q *completions) outstanding() int {
	var count C.size_t
	C.flashsale_completions_outstanding(q.c, &count, nil)
	return int(count)
}

// destroy ends the queue; nobody may be in each any more.
func (q *completions) destroy() {
	q.file.Close()
	C.flashsale_completions_destroy(&q.c)
}
