package flashsale

// #include <flashsale/flashsale.h>
import "C"

import "errors"

// ErrorCode is why there is no answer. Each code is an error itself, for errors.Is.
type ErrorCode int32

const (
	ErrInvalidArgument ErrorCode = C.FLASHSALE_E_INVALID_ARGUMENT // a value is out of its bounds; the message names both
	ErrNotFound        ErrorCode = C.FLASHSALE_E_NOT_FOUND        // no such sale or item; never "sold out"
	ErrConflict        ErrorCode = C.FLASHSALE_E_CONFLICT         // the request won, or the sale is there, with others
	ErrBusy            ErrorCode = C.FLASHSALE_E_BUSY             // a bounded queue is full; nothing happened
	ErrTimedOut        ErrorCode = C.FLASHSALE_E_TIMED_OUT        // the deadline, or the context's end, came first
	ErrDisconnected    ErrorCode = C.FLASHSALE_E_DISCONNECTED     // no connection, or it broke
	ErrRefused         ErrorCode = C.FLASHSALE_E_REFUSED          // Redis or the database refuses writes
	ErrLost            ErrorCode = C.FLASHSALE_E_LOST             // the database has the sale, Redis has not: reconcile
	ErrUnsupported     ErrorCode = C.FLASHSALE_E_UNSUPPORTED      // not with this version, layout or sale
	ErrProtocol        ErrorCode = C.FLASHSALE_E_PROTOCOL         // a peer said what the protocol does not allow
	ErrClosed          ErrorCode = C.FLASHSALE_E_CLOSED           // the object was closed
	ErrForked          ErrorCode = C.FLASHSALE_E_FORKED           // the object belongs to a parent process
	ErrInternal        ErrorCode = C.FLASHSALE_E_INTERNAL         // a defect, or memory ran out
)

// Error returns the code's name, for instance "timed_out".
func (c ErrorCode) Error() string { return name("error", int32(c)) }

// ErrUnknown is every *Error whose Effect is EffectUnknown, whatever its code.
var ErrUnknown = errors.New("flashsale: Redis may or may not have done it")

// Effect is what a failed call did to Redis.
type Effect int32

const (
	EffectNone    Effect = C.FLASHSALE_EFFECT_NONE    // certainly nothing
	EffectUnknown Effect = C.FLASHSALE_EFFECT_UNKNOWN // perhaps all of it: ask again with the same request
)

func (e Effect) String() string { return name("effect", int32(e)) }

// Error is the lack of an answer. errors.Is knows it by its Code, and by ErrUnknown if that is its effect; a call that
// its context ended is also context.Canceled or context.DeadlineExceeded.
type Error struct {
	Code    ErrorCode
	Effect  Effect
	Message string // for a person, never to be parsed; without secrets; may be empty
	cause   error
}

func (e *Error) Error() string {
	text := "flashsale: " + e.Code.Error()
	if e.Effect != EffectNone {
		text += " (effect " + e.Effect.String() + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Is makes errors.Is(err, ErrBusy) and errors.Is(err, ErrUnknown) work.
func (e *Error) Is(target error) bool {
	return target == e.Code || (target == ErrUnknown && e.Effect == EffectUnknown)
}

// Unwrap returns the context's error, if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Retryable tells whether waiting can help: asking again with the same request is right.
func (e *Error) Retryable() bool {
	switch e.Code {
	case ErrBusy, ErrTimedOut, ErrDisconnected, ErrRefused, ErrLost, ErrProtocol:
		return true
	}
	return e.Effect == EffectUnknown
}

// try makes a call into the library.
func try(call func(failure **C.flashsale_error_t) C.int32_t) error {
	var failure *C.flashsale_error_t
	if call(&failure) < 0 {
		return taken(failure)
	}
	return nil
}

// taken makes an *Error of the library's object and destroys that.
func taken(failure *C.flashsale_error_t) error {
	err := &Error{
		Code:    ErrorCode(C.flashsale_error_code(failure)),
		Effect:  Effect(C.flashsale_error_effect(failure)),
		Message: C.GoString(C.flashsale_error_message(failure)),
	}
	C.flashsale_error_destroy(&failure)
	return err
}

// ended is the error of a call that its context ended.
func ended(cause error, effect Effect) error {
	return &Error{Code: ErrTimedOut, Effect: effect, Message: cause.Error(), cause: cause}
}

func closed(what string) error {
	return &Error{Code: ErrClosed, Message: "the " + what + " was closed"}
}
