package flashsale

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// oversell sells five of three units: a worker sets the last two aside, and the sale is paused.
func oversell(t *testing.T) *shop {
	t.Helper()
	s := openShop(t, Item{ID: "sneaker-42", Units: 3, Limit: 1})
	check(t, redis.Command("HSET", "fs:{"+s.sale+"}:meta", "total:1", "5"))
	for i := 0; i < 5; i++ {
		answer, err := s.gate.Reserve(background, s.call(fmt.Sprint("buyer-", i), "click"))
		check(t, err)
		want(t, "outcome", answer.Outcome, Reserved)
	}
	worker := Must(NewWorker(s.pool, s.sink, Options{"worker.sales": s.sale}))
	defer worker.Close()
	check(t, worker.Drain(background))
	report, err := worker.Report()
	check(t, err)
	want(t, "dead", report.Dead, 2)
	check(t, redis.Command("HSET", "fs:{"+s.sale+"}:meta", "total:1", "3"))
	return s
}

func deadOf(t *testing.T, s *shop) []DeadOrder {
	t.Helper()
	rows, err := s.sales.Dead(background, s.sale)
	check(t, err)
	want(t, "dead", len(rows), 2)
	return rows
}

func TestDeadOrdersAreListedRetriedAndDropped(t *testing.T) {
	s := oversell(t)
	rows := deadOf(t, s)
	first, second := rows[0].Order, rows[1].Order
	rows[0].Order = ""
	want(t, "row", rows[0], DeadOrder{Buyer: "buyer-3", Item: "sneaker-42", Request: "click", Quantity: 1,
		Reason: "OVERSOLD", Fate: FateDead})
	err := s.sales.DeadRetry(background, s.sale, first)
	if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "OVERSOLD") {
		t.Fatalf("%v is no conflict that names its cause", err)
	}
	check(t, s.sales.Restock(background, s.sale, "sneaker-42", 1, "found-one"))
	for i := 0; i < 2; i++ { // repeating is harmless
		check(t, s.sales.DeadRetry(background, s.sale, first))
		check(t, s.sales.DeadDrop(background, s.sale, second))
	}
	rows = deadOf(t, s)
	want(t, "fate", rows[0].Fate, FateRetried)
	want(t, "fate", rows[1].Fate, FateDropped)
	want(t, "conflict", errors.Is(s.sales.DeadDrop(background, s.sale, first), ErrConflict), true)
	want(t, "not found", errors.Is(s.sales.DeadRetry(background, s.sale, "1-1.99"), ErrNotFound), true)
	want(t, "invalid", errors.Is(s.sales.DeadDrop(background, s.sale, "first"), ErrInvalidArgument), true)
	for buyer, outcome := range map[string]Outcome{"buyer-3": AlreadyReserved, "buyer-4": AlreadyReleased} {
		answer, err := s.gate.Reserve(background, s.call(buyer, "click"))
		check(t, err)
		want(t, buyer, answer.Outcome, outcome)
	}
}

func TestMoreDeadOrdersThanOneLookHasRoomForAreAllRead(t *testing.T) {
	s := oversell(t)
	defer func(before int) { deadAtFirst = before }(deadAtFirst)
	deadAtFirst = 1
	deadOf(t, s)
}

func TestWithoutADatabaseThereAreNoDeadOrdersToRead(t *testing.T) {
	s := openShop(t, usual)
	blind := Must(NewController(s.pool, nil))
	defer blind.Close()
	_, err := blind.Dead(background, s.sale)
	want(t, "unsupported", errors.Is(err, ErrUnsupported), true)
}

func TestAnAuditFindsWhatDiffersAndRepairsIt(t *testing.T) {
	s := openShop(t, usual)
	for _, buyer := range []string{"ann", "bob"} {
		_, err := s.gate.Reserve(background, s.call(buyer, "click"))
		check(t, err)
	}
	audit := func(repair bool) AuditReport {
		t.Helper()
		report, err := s.sales.Audit(background, s.sale, repair)
		check(t, err)
		want(t, "items", len(report.Items), 1)
		return report
	}
	report := audit(false)
	want(t, "sound", report.Sound(), true)
	want(t, "item", report.Items[0], AuditItem{ID: "sneaker-42", Total: 100, Available: 98, Held: 2})
	check(t, redis.Command("HDEL", "fs:{"+s.sale+"}:buyers", "ann"))
	check(t, redis.Command("HINCRBY", "fs:{"+s.sale+"}:meta", "booked:1", "-1"))
	report = audit(false)
	want(t, "sound", report.Sound(), false)
	want(t, "differing", report.Differing, 1)
	want(t, "difference", report.Items[0].Difference, 1)
	want(t, "sound after the repair", audit(true).Sound(), true)
	answer, err := s.gate.Reserve(background, s.call("ann", "click"))
	check(t, err)
	want(t, "ann's order", answer.Outcome, AlreadyReserved)
}

func TestAStatusCountsTheOrdersWhoseHoldRuns(t *testing.T) {
	s := openShop(t, usual)
	terms := Sale{ID: "HeldSale", Hold: time.Hour, Items: []Item{{ID: "sneaker-42", Units: 5, Limit: 5}}}
	check(t, s.sales.CreateSale(background, terms))
	check(t, s.sales.Open(background, terms.ID))
	for _, request := range []string{"1", "2"} {
		call := s.call("ann", request)
		call.Sale = terms.ID
		_, err := s.gate.Reserve(background, call)
		check(t, err)
	}
	status, err := s.sales.Status(background, terms.ID, RolePrimary)
	check(t, err)
	want(t, "held", status.Held, 2)
}
