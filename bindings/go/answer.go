package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"strconv"
	"time"
)

// Call is one call of a gate. To reserve one unit only Sale, Item, Buyer and Request need be set; of every other verb
// only Sale, Buyer, Request and Level count, so one Call serves a purchase from Reserve to Release.
type Call struct {
	Sale    string
	Item    string
	Buyer   string
	Request string // the caller's id of one purchase intent; keep it for retries

	Quantity uint32 // 1 to 1,000,000; 0 is 1
	Payload  []byte // ends in the order's row; up to gate.payload_bytes_max bytes; leave it as it is: a retry sends it
	Level    Level  // an answer below it is Pending
	Verb     Verb   // of Submit only
}

// Answer is what a gate says of a call.
type Answer struct {
	Outcome    Outcome
	Order      OrderID       // zero: no order
	Level      Level         // what this answer has reached
	Remaining  int64         // units of the item left after the batch; -1: not told
	HoldUntil  time.Time     // zero: no hold
	RetryAfter time.Duration // not before that can asking again help; 0: at will
	Reason     Reason        // of Paused
}

// HoldsStock tells whether the buyer holds units.
func (a Answer) HoldsStock() bool { return a.Outcome.HoldsStock() }

// OrderID names an order, as <epoch>-<seq>.<index>.
type OrderID struct {
	Epoch, Seq uint64
	Index      uint32
}

// IsZero tells whether there is no order.
func (id OrderID) IsZero() bool { return id.Epoch == 0 }

func (id OrderID) String() string {
	if id.IsZero() {
		return ""
	}
	text := strconv.AppendUint(make([]byte, 0, 56), id.Epoch, 10)
	text = strconv.AppendUint(append(text, '-'), id.Seq, 10)
	return string(strconv.AppendUint(append(text, '.'), uint64(id.Index), 10))
}

// Result is what became of one call of Submit: an Answer, or an error.
type Result struct {
	Answer
	Err error
}

func toResult(event *C.flashsale_event_t) Result {
	if event.code <= 0 {
		return Result{Err: &Error{Code: ErrorCode(event.code), Effect: Effect(event.effect)}}
	}
	return Result{Answer: Answer{
		Outcome:    Outcome(event.code),
		Order:      OrderID{uint64(event.epoch), uint64(event.seq), uint32(event.index)},
		Level:      Level(event.level),
		Remaining:  int64(event.remaining),
		HoldUntil:  timeOf(event.hold_until_ms),
		RetryAfter: span(event.retry_after_ms),
		Reason:     Reason(event.reason),
	}}
}
