package flashsale

// #cgo LDFLAGS: -lflashsale
// #include <flashsale/flashsale.h>
import "C"

import "unsafe"

// Version returns the library's version, for instance "0.1.0".
func Version() string { return C.GoString(C.flashsale_version_string()) }

// MetricsText returns every counter of this process in the Prometheus text format 0.0.4, about 8 KiB. Serve it as
// `text/plain; version=0.0.4`.
func MetricsText() (string, error) {
	for capacity := 16 * 1024; ; {
		text := make([]byte, capacity)
		var size C.size_t
		var failure *C.flashsale_error_t
		code := C.flashsale_metrics_text((*C.char)(unsafe.Pointer(&text[0])), C.size_t(capacity), &size, &failure)
		if code < 0 {
			return "", taken(failure)
		}
		if int(size) < capacity {
			return string(text[:size]), nil
		}
		capacity = int(size) + 1024 // a counter may grow by a digit meanwhile
	}
}

// Must returns value, or panics with err: for programs that can do nothing without it.
func Must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// text is s as the two arguments by which the library takes a string.
func text(s string) (*C.char, C.size_t) { return bytes([]byte(s)) }

func bytes(b []byte) (*C.char, C.size_t) {
	if len(b) == 0 {
		return nil, 0
	}
	return (*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(b))
}
