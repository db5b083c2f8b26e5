package flashsale

// #include <flashsale/flashsale.h>
import "C"

// Pool is connections to one Redis.
type Pool struct {
	handle
	c *C.flashsale_pool_t
}

// NewPool makes a pool of the Redis at url; it only parses, the first call connects.
//
//	redis://[[user]:password@]host[:port][/db]
//	redis+unix://[[user]:password@]/path[?db=N]
//	redis+replicas://[[user]:password@]primary[:port],replica[:port],...[/db]
//
// Options: pool.*. Errors: ErrInvalidArgument (the part that does not parse is named, the password never is),
// ErrUnsupported (scheme).
func NewPool(url string, options ...Options) (*Pool, error) {
	p := &Pool{handle: handle{what: "pool"}}
	err := withOptions(options, func(o *C.flashsale_options_t) error {
		u, size := text(url)
		return try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_pool_create(u, size, o, &p.c, e) })
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Close lets go of the pool; its connections close once nothing holds it any more.
func (p *Pool) Close() error {
	p.handle.close(func() { C.flashsale_pool_destroy(&p.c) })
	return nil
}

// Sink is a database.
type Sink struct {
	handle
	c *C.flashsale_sink_t
}

// NewSink makes a sink: sqlite:PATH, PATH (SQLite) or postgresql://...; the first use connects and makes the schema.
// Errors: ErrInvalidArgument, ErrUnsupported (no module for the scheme beside the library or in FLASHSALE_SINKS).
func NewSink(url string) (*Sink, error) {
	s := &Sink{handle: handle{what: "sink"}}
	u, size := text(url)
	err := try(func(e **C.flashsale_error_t) C.int32_t { return C.flashsale_sink_create(u, size, &s.c, e) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets go of the sink.
func (s *Sink) Close() error {
	s.handle.close(func() { C.flashsale_sink_destroy(&s.c) })
	return nil
}
