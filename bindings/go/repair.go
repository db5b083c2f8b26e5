package flashsale

// #include <flashsale/flashsale.h>
import "C"

import "context"

// DeadOrder is an order that a worker set aside.
type DeadOrder struct {
	Order    string // its id, as OrderID.String says it
	Buyer    string
	Item     string
	Request  string
	Quantity uint32
	Reason   string // OVERSOLD, OVER_LIMIT, or what the database said
	Fate     Fate
}

// AuditItem is one item of an audit, in units: Total = Available + Held + Confirmed + Dead + Returning, or Difference
// says.
type AuditItem struct {
	ID         string
	Total      int64 // as the database has it
	Available  int64 // as Redis has it; below 0 while it owes units
	Held       int64 // reserved
	Confirmed  int64 // bought
	Dead       int64 // set aside, and nothing decided
	Returning  int64 // given back in the database, not yet for sale in Redis
	Difference int64 // more than 0: OVERSOLD by so much; less: LEAKED
}

// AuditReport is what an audit found.
type AuditReport struct {
	Items     []AuditItem // in the order of their creation
	Differing uint64      // orders that differ
}

// Sound tells whether nothing differs.
func (r AuditReport) Sound() bool {
	for _, item := range r.Items {
		if item.Difference != 0 {
			return false
		}
	}
	return r.Differing == 0
}

// deadAtFirst is how many rows one look has room for; more take another look.
var deadAtFirst = 100

// Dead reads the orders that the worker set aside, by id. One transaction. Errors: ErrNotFound, ErrUnsupported (no
// sink), and the sink's.
func (c *Controller) Dead(ctx context.Context, sale string) ([]DeadOrder, error) {
	read := make(chan []DeadOrder, 1)
	err := c.block(ctx, EffectNone, func() error {
		id, size := text(sale)
		rows, count := []C.flashsale_dead_t(nil), C.size_t(deadAtFirst)
		for len(rows) < int(count) { // more may have come between two looks
			rows = make([]C.flashsale_dead_t, count)
			err := try(func(e **C.flashsale_error_t) C.int32_t {
				return C.flashsale_controller_dead(c.c, id, size, &rows[0], C.sizeof_flashsale_dead_t,
					C.size_t(len(rows)), &count, e)
			})
			if err != nil {
				return err
			}
		}
		read <- toDeadOrders(rows[:count])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-read, nil
}

func toDeadOrders(rows []C.flashsale_dead_t) []DeadOrder {
	orders := make([]DeadOrder, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		orders = append(orders, DeadOrder{Order: C.GoString(&row.order[0]), Buyer: C.GoString(&row.buyer[0]),
			Item: C.GoString(&row.item[0]), Request: C.GoString(&row.request[0]), Quantity: uint32(row.quantity),
			Reason: C.GoString(&row.reason[0]), Fate: Fate(row.fate)})
	}
	return orders
}

// DeadRetry makes a dead order an order again, reserved, with a new hold where the sale has holds. The decision is kept
// in the database, and repeating it is harmless. ErrConflict while its cause is still there (the message names it), or
// if it was dropped; ErrNotFound if it was not set aside. An act.
func (c *Controller) DeadRetry(ctx context.Context, sale, order string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		o, oSize := text(order)
		return C.flashsale_controller_dead_retry(c.c, s, size, o, oSize, e)
	})
}

// DeadDrop gives a dead order up: its units and the buyer's limit are free again. ErrConflict if it was retried; else
// as DeadRetry. An act.
func (c *Controller) DeadDrop(ctx context.Context, sale, order string) error {
	return c.act(ctx, sale, func(s *C.char, size C.size_t, e **C.flashsale_error_t) C.int32_t {
		o, oSize := text(order)
		return C.flashsale_controller_dead_drop(c.c, s, size, o, oSize, e)
	})
}

// Audit compares Redis and the database at a moment at which both stand still; a sale that never does is ErrBusy: pause
// it first. With repair, where something differs, Redis is rebuilt from the database and compared again. Ten minutes at
// most. Errors as an act.
func (c *Controller) Audit(ctx context.Context, sale string, repair bool) (AuditReport, error) {
	timeout, err := timeoutOf(ctx, rebuildMax, rebuildMax)
	if err != nil {
		return AuditReport{}, err
	}
	wish, effect := C.int32_t(0), EffectNone
	if repair {
		wish, effect = 1, EffectUnknown
	}
	read := make(chan AuditReport, 1)
	err = c.block(ctx, effect, func() error {
		id, size := text(sale)
		rows := make([]C.flashsale_audit_item_t, itemsMax)
		var differing C.uint64_t
		err := try(func(e **C.flashsale_error_t) C.int32_t {
			return C.flashsale_controller_audit(c.c, id, size, wish, timeout, &differing, &rows[0],
				C.sizeof_flashsale_audit_item_t, itemsMax, e)
		})
		if err == nil {
			read <- toAuditReport(rows, uint64(differing))
		}
		return err
	})
	if err != nil {
		return AuditReport{}, err
	}
	return <-read, nil
}

func toAuditReport(rows []C.flashsale_audit_item_t, differing uint64) AuditReport {
	report := AuditReport{Differing: differing}
	for i := range rows {
		row := &rows[i]
		id := C.GoString(&row.item[0])
		if id == "" { // behind the last one
			break
		}
		report.Items = append(report.Items, AuditItem{ID: id, Total: int64(row.total), Available: int64(row.available),
			Held: int64(row.held), Confirmed: int64(row.confirmed), Dead: int64(row.dead),
			Returning: int64(row.returning), Difference: int64(row.difference)})
	}
	return report
}
