package main

import (
	"context"
	"errors"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"flashsale"
)

// shop is the service. A handler may wait for its answer: that costs a goroutine, and no thread.
type shop struct {
	pool   *flashsale.Pool
	gate   *flashsale.Gate
	sales  *flashsale.Controller
	health health
}

func newShop(redis string) (*shop, error) {
	s := &shop{}
	var err error
	if s.pool, err = flashsale.NewPool(redis); err != nil {
		return nil, err
	}
	if s.gate, err = flashsale.NewGate(s.pool); err != nil {
		return nil, err
	}
	s.sales, err = flashsale.NewController(s.pool, nil) // only reads
	return s, err
}

func (s *shop) close() {
	s.gate.Close()
	s.sales.Close()
	s.pool.Close()
}

// ServeHTTP lets whoever has the path and the method answer.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store") // what may be kept says so
	w.Header().Set("Server-Time", strconv.FormatFloat(float64(time.Now().UnixMilli())/1000, 'f', 3, 64))
	methods := s.at(strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"))
	if methods == nil {
		problem{Status: 404, Code: "no_such_path"}.write(w)
		return
	}
	method := r.Method
	if method == "HEAD" {
		method = "GET" // the body is left out on its way
	}
	if answer := methods[method]; answer != nil {
		answer(w, r)
		return
	}
	var allowed []string
	for method := range methods {
		allowed = append(allowed, method)
	}
	sort.Strings(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem{Status: 405, Code: "method_not_allowed"}.write(w)
}

// at has what may be done at a path: /sales/{sale}[/orders[/{request}[/confirm]]], /health, /metrics.
func (s *shop) at(path []string) map[string]http.HandlerFunc {
	order := func(verb flashsale.Verb) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { s.order(w, r, verb, path[1], path[3]) }
	}
	switch {
	case len(path) == 1 && path[0] == "health":
		return map[string]http.HandlerFunc{"GET": s.showHealth}
	case len(path) == 1 && path[0] == "metrics":
		return map[string]http.HandlerFunc{"GET": showMetrics}
	case path[0] != "sales" || len(path) < 2 || (len(path) > 2 && path[2] != "orders"):
		return nil
	case len(path) == 2:
		return map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, r *http.Request) { s.showSale(w, r, path[1]) }}
	case len(path) == 3:
		return map[string]http.HandlerFunc{"POST": func(w http.ResponseWriter, r *http.Request) { s.buy(w, r, path[1]) }}
	case len(path) == 4:
		return map[string]http.HandlerFunc{"GET": order(flashsale.VerbStatus), "DELETE": order(flashsale.VerbRelease)}
	case len(path) == 5 && path[4] == "confirm":
		return map[string]http.HandlerFunc{"POST": order(flashsale.VerbConfirm)}
	}
	return nil
}

// buy reserves. A buyer who hangs up has not cancelled: the retry with the same key hears what became of it.
func (s *shop) buy(w http.ResponseWriter, r *http.Request, sale string) {
	call, refusal := readPurchase(w, r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	call.Sale = sale
	answer, err := s.gate.Reserve(r.Context(), call)
	answerOrder(w, flashsale.VerbReserve, call, answer, err)
}

// confirmTime: a confirmation is answered once the database has it, which takes longer than a reservation.
const confirmTime = 2 * time.Second

// order asks about, cancels or confirms a reservation.
func (s *shop) order(w http.ResponseWriter, r *http.Request, verb flashsale.Verb, sale, request string) {
	buyer, refusal := readBuyer(w, r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	call := flashsale.Call{Sale: sale, Buyer: buyer, Request: request}
	ask, ctx := s.gate.Status, r.Context()
	switch verb {
	case flashsale.VerbRelease:
		ask = s.gate.Release
	case flashsale.VerbConfirm:
		ask = s.gate.Confirm
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, confirmTime)
		defer cancel()
	}
	answer, err := ask(ctx, call)
	answerOrder(w, verb, call, answer, err)
}

func showMetrics(w http.ResponseWriter, _ *http.Request) {
	text, err := flashsale.MetricsText()
	if err != nil {
		ofError(err).write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write([]byte(text))
}

// health is what Redis said last, asked once a second at most.
type health struct {
	mu    sync.Mutex
	asked time.Time // guarded by mu
	err   error     // guarded by mu
}

func (s *shop) showHealth(w http.ResponseWriter, r *http.Request) {
	s.health.mu.Lock()
	if time.Since(s.health.asked) > time.Second {
		// A sale that is not found was looked for.
		_, err := s.gate.Status(context.Background(), flashsale.Call{Sale: "health", Buyer: "health", Request: "health"})
		if errors.Is(err, flashsale.ErrNotFound) {
			err = nil
		}
		s.health.asked, s.health.err = time.Now(), err
	}
	err := s.health.err
	s.health.mu.Unlock()
	if err != nil {
		ofError(err).write(w)
		return
	}
	writeJSON(w, 200, "application/json", map[string]string{"status": "ok"})
}
