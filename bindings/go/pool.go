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
//	redis://[[user]:password@]host[:port][/db]        one node over TCP; port 6379, db 0
//	redis+unix://[[user]:password@]/path              one node over a unix socket
//	redis+replicas://[...@]host[:port],...[/db]       a static list: reads to replicas, decisions to the primary
//	redis+sentinel://[...@]host[:port],.../NAME[/db]  sentinels, port 26379, that know the primary called NAME
//	redis+cluster://[...@]host[:port],...             seeds of a cluster; one of them that answers is enough
//
// With `rediss` in place of `redis` (but for redis+unix) every connection, to sentinels too, speaks TLS 1.2 or newer
// and verifies the peer's certificate and host name. After the rest may stand `?NAME=VALUE&...`:
//
//	db                                                  0..65535, as after the hosts
//	user, password, password_file, password_env         who to log in as; the file's first line or the variable is
//	                                                    read for each connection, so that it may be rotated
//	sentinel_user, sentinel_password, ..._file, ..._env the same at the sentinels; without them no AUTH is sent
//	tls_ca, tls_cert, tls_key                           PEM files: whom to believe (else the system's), who we are
//	tls_name                                            the name that every node's certificate must be for, where
//	                                                    nodes are known by addresses (else the host connected to)
//	tls_verify                                          full (the default) or none
//	connect_timeout_ms, reconnect_min_ms, reconnect_max_ms, replica_lag_max_ms, replica_lag_max_bytes,
//	connections_max, idle_check_ms                      as the options pool.*, before which they go
//
// User, password and values may be %-encoded. IPv6 hosts stand in brackets. At most 32 hosts and 4,096 bytes.
//
// Options: pool.*. Errors: ErrInvalidArgument (the part that does not parse is named; no byte of the
// URL is repeated), ErrUnsupported (the scheme; TLS in a library built without it).
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
