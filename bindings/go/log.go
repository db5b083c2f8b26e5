package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

var logging sync.Mutex

// Log gives each of the library's log lines to f, one at a time, until ctx ends; until it is called the library is
// silent. The lines are the process's: only one Log may run, another is ErrBusy. At most 256 lines wait for f; those
// that come then are dropped and counted in the next line. No line holds a password, a payload or a buyer.
//
//	go flashsale.Log(ctx, func(level flashsale.LogLevel, line string) { log.Println(level, line) })
func Log(ctx context.Context, f func(level LogLevel, line string)) error {
	if !logging.TryLock() {
		return &Error{Code: ErrBusy, Message: "Log is running already"}
	}
	defer logging.Unlock()
	lines, err := newCompletions()
	if err != nil {
		return err
	}
	defer lines.destroy()
	if err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_log_enable(lines.c, e) }); err != nil {
		return err
	}
	defer C.flashsale_log_disable(nil)
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ctx.Done():
			lines.stop()
		case <-over:
		}
	}()
	defer func() { close(over); <-watched }()
	lines.each(func([]C.flashsale_event_t) { tell(f) })
	return nil
}

// tell gives f the lines that are there.
func tell(f func(level LogLevel, line string)) {
	line := make([]byte, C.FLASHSALE_LINE_CAPACITY)
	for {
		var size C.size_t
		level := C.flashsale_log_next((*C.char)(unsafe.Pointer(&line[0])), C.size_t(len(line)), &size, nil)
		if level <= 0 {
			return
		}
		f(LogLevel(level), string(line[:size]))
	}
}
