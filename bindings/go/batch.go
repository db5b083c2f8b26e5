package flashsale

// #include <flashsale/flashsale.h>
// #include <stdlib.h>
import "C"

import "unsafe"

const (
	batchCalls = 512
	batchBytes = 256 << 10
	// Longer texts never go into a batch; the library refuses them in explain.
	idMax, payloadMax = 64, 64 << 10
)

// batch is calls on their way into the library. All of it is C's memory, because Go's may not hold pointers to Go's
// that C sees; it is written over by the next batch.
type batch struct {
	records []C.flashsale_call_t
	arena   []byte
	count   int
	used    int
}

func newBatch(calls, bytes int) *batch {
	// calloc: Go's collector looks at what a pointer written over pointed to.
	records := C.calloc(C.size_t(calls), C.sizeof_flashsale_call_t)
	return &batch{
		records: unsafe.Slice((*C.flashsale_call_t)(records), calls),
		arena:   unsafe.Slice((*byte)(C.calloc(1, C.size_t(bytes+1))), bytes+1),
	}
}

func (b *batch) free() {
	C.free(unsafe.Pointer(&b.records[0]))
	C.free(unsafe.Pointer(&b.arena[0]))
}

func (b *batch) clear() { b.count, b.used = 0, 0 }

// add copies a call, or returns false if the batch has no room for it.
func (b *batch) add(call *Call, timeoutMs uint32, tag uint64) bool {
	if b.count == len(b.records) || b.used+call.size() >= len(b.arena) {
		return false
	}
	r := &b.records[b.count]
	b.count++
	r.struct_size = C.sizeof_flashsale_call_t
	r.verb = C.int32_t(call.Verb)
	r.sale, r.sale_size = b.keep(call.Sale)
	r.item, r.item_size = b.keep(call.Item)
	r.buyer, r.buyer_size = b.keep(call.Buyer)
	r.request, r.request_size = b.keep(call.Request)
	payload := b.used
	b.used += copy(b.arena[payload:], call.Payload)
	r.payload, r.payload_size = unsafe.Pointer(&b.arena[payload]), C.size_t(len(call.Payload))
	r.quantity = C.uint32_t(call.Quantity)
	if call.Quantity == 0 {
		r.quantity = 1
	}
	r.timeout_ms = C.uint32_t(timeoutMs)
	r.level = C.int32_t(call.Level)
	r.tag = C.uint64_t(tag)
	return true
}

func (b *batch) keep(s string) (*C.char, C.size_t) {
	from := b.used
	b.used += copy(b.arena[from:], s)
	return (*C.char)(unsafe.Pointer(&b.arena[from])), C.size_t(len(s))
}

func (c *Call) size() int {
	return len(c.Sale) + len(c.Item) + len(c.Buyer) + len(c.Request) + len(c.Payload)
}

// fits tells whether a call may go into a batch, which has room for any such.
func (c *Call) fits() bool {
	return len(c.Sale) <= idMax && len(c.Item) <= idMax && len(c.Buyer) <= idMax && len(c.Request) <= idMax &&
		len(c.Payload) <= payloadMax
}
