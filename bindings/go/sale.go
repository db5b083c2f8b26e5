package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"strconv"
	"time"
)

// Sale is the terms of a sale to create. A field that is zero has the library's default.
type Sale struct {
	ID             string
	Items          []Item        // 1 to 64, none twice
	Opens, Closes  time.Time     // by Redis' clock; zero: by Controller.Open, by Controller.CloseSale
	Queue          Queue         // how won orders leave Redis
	Hold           time.Duration // how long a reservation holds units unconfirmed; zero: for ever
	Probe          time.Duration // how stale a process's knowledge of a refusal may be; 50 ms by default
	Replicas       int           // least number of replicas that LevelReplicas waits for
	BuyerOrdersMax int           // orders that one buyer may have, in every state; 16 by default
}

// Item is something that a sale sells.
type Item struct {
	ID    string
	Units int64 // 0 to 2^31-1
	Limit int64 // 1 to 1,000,000 units that one buyer may hold
}

// Status is a sale as Redis has it.
type Status struct {
	State          State
	Queue          Queue
	Phase          string    // what a page should call it now: not_started, open, paused, draining, ended
	Fenced         bool      // Redis lost its history: nothing is sold until a worker reconciled
	Now            time.Time // Redis' clock
	Opens, Closes  time.Time // zero: not scheduled
	Hold, Probe    time.Duration
	Replicas       int
	BuyerOrdersMax int
	At             Position // the last entry written
	Watermark      Position // the last entry known to be in the database
	Waiting        uint64   // entries (journal) or orders (list) not handed over yet
	Held           uint64   // orders whose hold runs: neither confirmed nor given back
	Items          []ItemStatus
}

// Position is a place in a sale's history.
type Position struct{ Epoch, Seq uint64 }

// ItemStatus is one item of a Status.
type ItemStatus struct {
	ID     string
	Total  int64 // units for sale
	Booked int64 // units held, bought, or on their way back
	Limit  int64 // units that one buyer may hold
}

// options are the terms as the library takes them by name.
func (s *Sale) options() Options {
	o := Options{"sale.queue": s.Queue.String()}
	set := func(name string, given bool, value int64) {
		if given {
			o["sale."+name] = strconv.FormatInt(value, 10)
		}
	}
	set("opens_ms", !s.Opens.IsZero(), s.Opens.UnixMilli())
	set("closes_ms", !s.Closes.IsZero(), s.Closes.UnixMilli())
	set("hold_ms", s.Hold != 0, s.Hold.Milliseconds())
	set("probe_ms", s.Probe != 0, s.Probe.Milliseconds())
	set("replicas", s.Replicas != 0, int64(s.Replicas))
	set("buyer_orders_max", s.BuyerOrdersMax != 0, int64(s.BuyerOrdersMax))
	return o
}

// withSale has the library's form of the terms used.
func withSale(s *Sale, use func(*C.flashsale_sale_t) error) error {
	return withOptions([]Options{s.options()}, func(o *C.flashsale_options_t) error {
		var sale *C.flashsale_sale_t
		id, size := text(s.ID)
		err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_sale_create(id, size, o, &sale, e) })
		if err != nil {
			return err
		}
		defer C.flashsale_sale_destroy(&sale)
		for _, item := range s.Items {
			id, size := text(item.ID)
			err := try(func(e **C.flashsale_error_t) C.int32_t {
				return C.flashsale_sale_item(sale, id, size, C.int64_t(item.Units), C.int64_t(item.Limit), e)
			})
			if err != nil {
				return err
			}
		}
		return use(sale)
	})
}

func toStatus(record *C.flashsale_status_t, items []C.flashsale_item_t) Status {
	status := Status{
		State: State(record.state), Queue: Queue(record.queue), Phase: C.GoString(&record.phase[0]),
		Fenced: record.fenced != 0, Now: timeOf(record.now_ms), Opens: timeOf(record.opens_ms),
		Closes: timeOf(record.closes_ms), Hold: span(record.hold_ms), Probe: span(record.probe_ms),
		Replicas: int(record.replicas), BuyerOrdersMax: int(record.buyer_orders_max),
		At:        Position{uint64(record.at_epoch), uint64(record.at_seq)},
		Watermark: Position{uint64(record.watermark_epoch), uint64(record.watermark_seq)},
		Waiting:   uint64(record.waiting),
		Held:      uint64(record.held),
	}
	for i := range items {
		status.Items = append(status.Items, ItemStatus{ID: C.GoString(&items[i].item[0]), Total: int64(items[i].total),
			Booked: int64(items[i].booked), Limit: int64(items[i].limit)})
	}
	return status
}

// timeOf is a time in Unix ms, where 0 is none.
func timeOf(ms C.int64_t) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

func span(ms C.int64_t) time.Duration { return time.Duration(ms) * time.Millisecond }
