package main

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"flashsale"
)

const (
	bodyMax     = 4 << 10
	quantityMax = 1000000
)

// readPurchase reads who wants what. The bounds of ids are the library's to judge.
func readPurchase(w http.ResponseWriter, r *http.Request) (flashsale.Call, *problem) {
	call := flashsale.Call{Quantity: 1}
	if r.URL.RawQuery != "" {
		return call, field("query", "no parameter is known here")
	}
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) != 1 || keys[0] == "" {
		return call, field("Idempotency-Key", "the header Idempotency-Key must be there once")
	}
	call.Request = keys[0]
	if quoted := len(call.Request) - 1; quoted > 0 && call.Request[0] == '"' && call.Request[quoted] == '"' {
		call.Request = call.Request[1:quoted]
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return call, &problem{Status: 415, Code: "unsupported_media_type", Field: "Content-Type",
			Detail: "Content-Type must be application/json"}
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	refusal, err := readMembers(body, &call)
	if large := tooLarge(err); large != nil {
		return call, large
	}
	if err != nil {
		return call, field("body", "the body must be one JSON object")
	}
	return call, refusal
}

func tooLarge(err error) *problem {
	var large *http.MaxBytesError
	if !errors.As(err, &large) {
		return nil
	}
	return &problem{Status: 413, Code: "too_large", Field: "body", Detail: "the body has more than 4096 bytes"}
}

// readMembers reads a flat object with no member twice: two readers of one body must not see two purchases.
func readMembers(body *json.Decoder, call *flashsale.Call) (*problem, error) {
	body.UseNumber()
	if open, err := body.Token(); err != nil || open != json.Delim('{') {
		return nil, either(err, errNoObject)
	}
	for seen := map[string]bool{}; body.More(); {
		name, err := body.Token()
		if err != nil {
			return nil, err
		}
		value, err := body.Token()
		if err != nil {
			return nil, err
		}
		member := name.(string) // the decoder takes nothing else there
		if seen[member] {
			return field("body", "a member of the body stands there twice"), nil
		}
		seen[member] = true
		if refusal := readMember(member, value, call); refusal != nil {
			return refusal, nil
		}
	}
	if _, err := body.Token(); err != nil { // the closing brace
		return nil, err
	}
	if _, err := body.Token(); err != io.EOF {
		return nil, either(err, errNoObject)
	}
	return nil, nil
}

var errNoObject = errors.New("not one JSON object")

func either(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func readMember(name string, value json.Token, call *flashsale.Call) *problem {
	text, isText := value.(string)
	switch name {
	case "item":
		call.Item = text
	case "buyer":
		call.Buyer = text
	case "quantity":
		number, _ := value.(json.Number) // 1.0 and 1e0 are no integers here
		quantity, err := strconv.ParseUint(number.String(), 10, 32)
		if err != nil || quantity < 1 || quantity > quantityMax {
			return field(name, "quantity must be an integer from 1 to 1000000")
		}
		call.Quantity = uint32(quantity)
		return nil
	default:
		return field("body", "the body has a member that is not known here")
	}
	if !isText {
		return field(name, name+" must be a string")
	}
	return nil
}

// readBuyer reads the one parameter that there is; the body has nothing to say.
func readBuyer(w http.ResponseWriter, r *http.Request) (string, *problem) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query) > 1 || (len(query) == 1 && len(query["buyer"]) == 0) {
		return "", field("query", "only the parameter buyer is known here")
	}
	if len(query["buyer"]) != 1 {
		return "", field("buyer", "buyer must be there once")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if refusal := tooLarge(err); refusal != nil {
		return "", refusal
	}
	if len(body) > 0 {
		return "", field("body", "no body is known here")
	}
	return query.Get("buyer"), nil
}
