package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"flashsale"
)

// order is the body of a yes.
type order struct {
	Outcome    string `json:"outcome"`
	Sale       string `json:"sale"`
	Request    string `json:"request"`
	Order      string `json:"order"`
	Level      string `json:"level"`
	HoldUntil  int64  `json:"hold_until_ms,omitempty"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
}

// problem is the body of everything else, as RFC 9457 has it.
type problem struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail,omitempty"`
	Code       string `json:"code"`
	Effect     string `json:"effect,omitempty"`
	Field      string `json:"field,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Order      string `json:"order,omitempty"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
}

var titles = map[string]string{
	"already_confirmed":      "The order is paid for and stays",
	"already_released":       "The order was cancelled",
	"expired":                "The reservation ran out",
	"not_reserved":           "There is no such order",
	"dead":                   "The order was set aside for an operator",
	"not_started":            "The sale has not begun",
	"paused":                 "The sale is paused",
	"ended":                  "The sale is over",
	"limit_reached":          "The buyer's limit is reached",
	"sold_out":               "Too few units are left",
	"invalid_argument":       "A field is outside its bound",
	"not_found":              "There is no such sale or item",
	"conflict":               "This request won with another item or quantity",
	"busy":                   "Too many requests are waiting",
	"timed_out":              "No answer in time",
	"disconnected":           "No connection to the stock",
	"refused":                "The stock takes no writes now",
	"lost":                   "The sale is being rebuilt",
	"no_such_path":           "There is nothing here",
	"method_not_allowed":     "The path does not take this method",
	"too_large":              "The body is too large",
	"unsupported_media_type": "The body is not JSON",
}

// statusOf is an outcome's HTTP status: 2xx is a yes.
func statusOf(verb flashsale.Verb, outcome flashsale.Outcome) int {
	switch outcome {
	case flashsale.Reserved:
		return 201
	case flashsale.AlreadyReserved, flashsale.Confirmed, flashsale.Released:
		return 200
	case flashsale.AlreadyConfirmed:
		if verb == flashsale.VerbRelease {
			return 409 // it was not cancelled
		}
		return 200
	case flashsale.AlreadyReleased:
		if verb == flashsale.VerbRelease {
			return 200
		}
		return 410
	case flashsale.Pending:
		return 202
	case flashsale.NotReserved:
		return 404
	case flashsale.Expired, flashsale.Ended:
		return 410
	case flashsale.Paused:
		return 503
	case flashsale.Dead, flashsale.NotStarted, flashsale.LimitReached, flashsale.SoldOut:
		return 409
	}
	return 500
}

func statusOfError(code flashsale.ErrorCode) int {
	switch code {
	case flashsale.ErrInvalidArgument:
		return 400
	case flashsale.ErrNotFound:
		return 404
	case flashsale.ErrConflict:
		return 422
	case flashsale.ErrBusy:
		return 429
	case flashsale.ErrTimedOut, flashsale.ErrDisconnected, flashsale.ErrRefused, flashsale.ErrLost:
		return 503
	}
	return 500
}

// answerOrder writes what a gate said.
func answerOrder(w http.ResponseWriter, verb flashsale.Verb, call flashsale.Call, a flashsale.Answer, err error) {
	if err != nil {
		p := ofError(err)
		if verb == flashsale.VerbReserve && p.Field == "request" {
			p.Field = "Idempotency-Key"
		}
		p.write(w)
		return
	}
	status, retryAfter := statusOf(verb, a.Outcome), a.RetryAfter.Milliseconds()
	if status >= 300 {
		p := problem{Status: status, Code: a.Outcome.String(), Order: a.Order.String(), RetryAfter: retryAfter}
		if a.Reason != flashsale.ReasonNone {
			p.Reason = a.Reason.String()
		}
		p.write(w)
		return
	}
	if status > 200 {
		w.Header().Set("Location", "/sales/"+call.Sale+"/orders/"+call.Request)
	}
	if status == 202 {
		w.Header().Set("Retry-After", seconds(retryAfter))
	}
	writeJSON(w, status, "application/json", order{a.Outcome.String(), call.Sale, call.Request, a.Order.String(),
		a.Level.String(), unixMs(a.HoldUntil), retryAfter})
}

// ofError is what an error of the library is to a buyer.
func ofError(err error) problem {
	failure := &flashsale.Error{Code: flashsale.ErrInternal, Message: "an error inside"}
	errors.As(err, &failure)
	p := problem{Status: statusOfError(failure.Code), Code: failure.Code.Error(), Detail: failure.Message,
		Effect: failure.Effect.String()}
	if failure.Code == flashsale.ErrInvalidArgument {
		p.Field, _, _ = strings.Cut(failure.Message, " ") // the library's messages begin with it
	}
	if failure.Effect == flashsale.EffectUnknown {
		p.Detail = "Send the same request again, with the same Idempotency-Key."
	}
	return p
}

// field is the refusal of a value that the service itself does not understand.
func field(name, detail string) *problem {
	return &problem{Status: 400, Code: "invalid_argument", Field: name, Detail: detail, Effect: "none"}
}

func (p problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "/problems/"+p.Code, titles[p.Code]
	if p.Title == "" {
		p.Title = "An error inside"
	}
	if p.Status == 429 || p.Status == 503 || p.RetryAfter > 0 {
		w.Header().Set("Retry-After", seconds(p.RetryAfter))
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, kind string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = 500, []byte("{}")
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// seconds is a span as Retry-After has it: whole, and one at least.
func seconds(ms int64) string {
	if ms < 1000 {
		return "1"
	}
	return strconv.FormatInt((ms+999)/1000, 10)
}

func unixMs(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
