package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// Controller makes, opens, pauses, restocks and ends sales.
//
//	CreateSale -> Open -> (Pause <-> Resume) -> Drain -> CloseSale -> Retire
//
// Acts on a sale in journal mode need the sink and return once the database has them. Every act takes
// controller.timeout_ms at most, a few round trips and one transaction; its context can only end the wait for it. An
// act that finds the sale already so succeeds and changes nothing.
//
// Errors of every act: ErrInvalidArgument, ErrNotFound, ErrConflict (not from this state), ErrUnsupported (no sink,
// layout), ErrLost, ErrRefused (also: paused by the fence), ErrClosed (effect none); ErrTimedOut, ErrDisconnected (none
// or unknown: do it again).
type Controller struct {
	handle
	c *C.flashsale_controller_t
}

// Never, as a time of Schedule, is no such time.
var Never = time.UnixMilli(0)

const rebuildMax = 10 * time.Minute

// NewController makes a controller; sink may be nil (list mode). Options: controller.*.
func NewController(pool *Pool, sink *Sink, options ...Options) (*Controller, error) {
	c := &Controller{handle: handle{what: "controller"}}
	err := withOptions(options, func(o *C.flashsale_options_t) error {
		handles, database := []*handle{&pool.handle}, (*C.flashsale_sink_t)(nil)
		if sink != nil {
			handles = append(handles, &sink.handle)
		}
		done, err := useAll(handles...)
		if err != nil {
			return err
		}
		defer done()
		if sink != nil {
			database = sink.c
		}
		return try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_controller_create(pool.c, database, o, &c.c, e)
		})
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close lets go of the controller. CloseSale ends a sale.
func (c *Controller) Close() error {
	c.handle.close(func() { C.flashsale_controller_destroy(&c.c) })
	return nil
}

// act makes an act, which may have been done when its context ends.
func (c *Controller) act(ctx context.Context, sale string, do actor) error {
	return c.block(ctx, EffectUnknown, func() error {
		id, size := text(sale)
		return try(func(e **C.flashsale_error_t) C.int32_t { return do(id, size, e) })
	})
}

type actor func(sale *C.char, size C.size_t, failure **C.flashsale_error_t) C.int32_t

// CreateSale makes a sale; it never overwrites one. Equal terms finish or repeat an earlier create; others are
// ErrConflict, as is the id of a retired sale. An act.
func (c *Controller) CreateSale(ctx context.Context, sale Sale) error {
	return c.block(ctx, EffectUnknown, func() error {
		return withSale(&sale, func(terms *C.flashsale_sale_t) error {
			return try(func(e **C.flashsale_error_t) C.int32_t {
				return C.flashsale_controller_create_sale(c.c, terms, e)
			})
		})
	})
}

// Preload stores the public facts of an item (opaque, up to 16 KiB) for pages to read; any number of times. An act.
func (c *Controller) Preload(ctx context.Context, sale, item string, info []byte) error {
	return c.act(ctx, sale, func(s *C.char, sSize C.size_t, e **C.flashsale_error_t) C.int32_t {
		i, iSize := text(item)
		facts, size := bytes(info)
		return C.flashsale_controller_preload(c.c, s, sSize, i, iSize, facts, size, e)
	})
}

// Open opens the sale now, whatever its schedule said. From created, open. An act.
func (c *Controller) Open(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_open(c.c, s, size, e)
	})
}

// Schedule sets when the sale opens and closes by itself, by Redis' clock; a zero time leaves that one as it is, Never
// clears it. From created, open, paused. An act.
func (c *Controller) Schedule(ctx context.Context, sale string, opens, closes time.Time) error {
	ms := func(t time.Time) C.int64_t {
		if t.IsZero() {
			return C.FLASHSALE_UNCHANGED
		}
		return C.int64_t(t.UnixMilli())
	}
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_schedule(c.c, s, size, ms(opens), ms(closes), e)
	})
}

// Pause sells nothing from the next batch on. From open, draining. An act.
func (c *Controller) Pause(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_pause(c.c, s, size, e)
	})
}

// Resume sells again. From paused, draining. An act.
func (c *Controller) Resume(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_resume(c.c, s, size, e)
	})
}

// Drain sells nothing more while what was sold is handed over. From open, paused. An act.
func (c *Controller) Drain(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_drain(c.c, s, size, e)
	})
}

// CloseSale ends the sale for good. From every state. An act.
func (c *Controller) CloseSale(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_close(c.c, s, size, e)
	})
}

// Restock adds units (negative: takes away, never below what is booked) to an item's total, once for each operation.
// ErrConflict if the operation was used with other arguments, or if less is unsold. An act.
func (c *Controller) Restock(ctx context.Context, sale, item string, units int64, operation string) error {
	return c.act(ctx, sale, func(s *C.char, sSize C.size_t, e **C.flashsale_error_t) C.int32_t {
		i, iSize := text(item)
		o, oSize := text(operation)
		return C.flashsale_controller_restock(c.c, s, sSize, i, iSize, C.int64_t(units), o, oSize, e)
	})
}

// Retire removes a closed sale from Redis once everything that it sold was handed over, ErrConflict until then; its id
// is never used again where there is a sink. An act.
func (c *Controller) Retire(ctx context.Context, sale string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_retire(c.c, s, size, e)
	})
}

// Reconcile rebuilds a sale whose Redis lost its history from the database, and sells on. A running worker does it by
// itself. Ten minutes at most; safe to run anywhere, any number of times. Errors as an act.
func (c *Controller) Reconcile(ctx context.Context, sale string) error {
	timeout, err := timeoutOf(ctx, rebuildMax, rebuildMax)
	if err != nil {
		return err
	}
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_reconcile(c.c, s, size, timeout, e)
	})
}

// ReopenAcceptingLoss is for the operator alone, when Redis or the database went back and nothing can be proven: it
// goes on with what Redis (list mode) or the database (journal mode) has now, under a new epoch. What only the other
// one knew is lost. Ten minutes at most. Errors as an act.
func (c *Controller) ReopenAcceptingLoss(ctx context.Context, sale string) error {
	timeout, err := timeoutOf(ctx, rebuildMax, rebuildMax)
	if err != nil {
		return err
	}
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_controller_reopen_accepting_loss(c.c, s, size, timeout, e)
	})
}

const itemsMax = 64

// Status reads the sale and its items, in the order of their creation. Changes nothing; one or two round trips.
// Errors: ErrNotFound, ErrLost, ErrUnsupported, ErrRefused, ErrTimedOut, ErrDisconnected, ErrProtocol.
func (c *Controller) Status(ctx context.Context, sale string, from Role) (Status, error) {
	read := make(chan Status, 1)
	err := c.block(ctx, EffectNone, func() error {
		record := C.flashsale_status_t{struct_size: C.sizeof_flashsale_status_t}
		items := make([]C.flashsale_item_t, itemsMax)
		id, size := text(sale)
		err := try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_controller_status(c.c, id, size, C.int32_t(from), &record, &items[0],
				C.sizeof_flashsale_item_t, itemsMax, e)
		})
		if err == nil {
			read <- toStatus(&record, items[:record.item_count])
		}
		return err
	})
	if err != nil {
		return Status{}, err
	}
	return <-read, nil
}

// Info reads what Preload stored for an item, from a replica where one is fit. Changes nothing; one round trip.
// Errors: ErrNotFound (also: nothing is stored), ErrUnsupported, ErrRefused, ErrTimedOut, ErrDisconnected, ErrProtocol.
func (c *Controller) Info(ctx context.Context, sale, item string) ([]byte, error) {
	read := make(chan []byte, 1)
	err := c.block(ctx, EffectNone, func() error {
		info := make([]byte, C.FLASHSALE_INFO_CAPACITY)
		var length C.size_t
		s, sSize := text(sale)
		i, iSize := text(item)
		err := try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_controller_info(c.c, s, sSize, i, iSize, (*C.char)(unsafe.Pointer(&info[0])),
				C.size_t(len(info)), &length, e)
		})
		if err == nil {
			read <- info[:length]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-read, nil
}
