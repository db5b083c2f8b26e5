/**
 * @file
 * flashsale sells scarce stock through Redis: it decides, for a crowd that arrives all at once, who gets a unit, and
 * hands each won order to a database without losing, doubling or overselling one. This header is the whole library
 * for every language that can call C; it needs nothing but this file and libflashsale.so.
 *
 *     pool ---> controller   create, open, pause ... retire       the operator's side
 *       \----> gate          reserve, or submit -> completions    the crowd's side
 *        \---> worker        won orders -> sink                   Redis to the database
 *
 * Conventions; each function's text says only what differs from them.
 *
 *  1. Handles (pool, gate ...) are opaque. `*_create` writes one to its `_out`, or NULL. `*_destroy` takes the address
 *     of a handle, destroys it and writes NULL; NULL, and a handle that is NULL, are harmless. Handles hold what they
 *     need of each other: destroying the pool before its gate is fine, in whatever order a garbage collector comes.
 *     No call may be under way on a handle that is being destroyed.
 *  2. Results are `int32_t`: > 0 is an outcome (FLASHSALE_SOLD_OUT), < 0 an error (FLASHSALE_E_BUSY), and 0 is "done",
 *     only where there is nothing to answer. Values are frozen and never reused; zeroed memory never says "yours".
 *  3. Errors: `error` is the last argument and may be NULL. On an error it receives an object that the caller
 *     destroys; otherwise NULL. It must not hold an object yet. Its effect says whether Redis was changed:
 *     FLASHSALE_EFFECT_NONE, certainly not by this call, or FLASHSALE_EFFECT_UNKNOWN, ask again with the same request.
 *     Unless a function says more, effects are `none`; that of FLASHSALE_E_INTERNAL may be either.
 *  4. Every function with an `error` may answer FLASHSALE_E_INVALID_ARGUMENT (a NULL that may not be, a handle of
 *     another kind, a value out of its bounds: the message names it), FLASHSALE_E_INTERNAL (out of memory, or a
 *     defect) and, where it uses a handle that was used before a fork, FLASHSALE_E_FORKED.
 *  5. Strings go in as pointer and length in bytes, need no end mark, may be NULL if the length is 0, and are copied
 *     before the function returns. FLASHSALE_TEXT("literal") writes both. Ids have 1..64 bytes: a sale's of
 *     [A-Za-z0-9_.:-], an item's of [A-Za-z0-9_.-], a buyer's, a request's and an operation's of [A-Za-z0-9_.:@-].
 *  6. Strings come out either borrowed, valid as long as the object they came from and ended by a NUL, or copied into
 *     the caller's `text_out` of `capacity` bytes: as much as fits, always ended by a NUL if `capacity` is not 0, and
 *     `*size_out` is the whole length without it, so `size_out >= capacity` says that some is missing. Nothing is ever
 *     passed to free().
 *  7. Outs (`_out`) are written on every return: on an error with 0 or NULL, where it does not say otherwise. They
 *     must not be NULL, except where it says "or NULL".
 *  8. Structs begin with `struct_size`, which the caller sets (the _INIT macros do). They only grow at their end:
 *     the library reads and writes what both sides know. Bytes beyond that must be 0 in what it reads, else
 *     FLASHSALE_E_UNSUPPORTED, and become 0 in what it writes. A size below that of this version, or above 4,096, is
 *     FLASHSALE_E_INVALID_ARGUMENT. The records of arrays have no such field; their size is an argument.
 *  9. Threads: every function is thread-safe, except on one error, options or sale handle, which has one user at a
 *     time. Functions that may block say how long; the others do no I/O. The library's own threads block all signals.
 *  10. Forks: a handle that was not used before the fork works in the child; one that was answers FLASHSALE_E_FORKED
 *     there and may only be destroyed.
 *  11. The library prints nothing, installs no handlers, never aborts, and calls nothing of the caller's. Of the
 *     environment it reads FLASHSALE_SINKS and what a URL's `password_env` names; the libraries beneath it read their
 *     own: OpenSSL SSL_CERT_FILE and OPENSSL_CONF, for instance, and libpq PG* for what a database's URL leaves out.
 *  12. Times are Unix milliseconds by Redis' clock (`_ms`, int64_t) or spans in milliseconds (`_ms`, uint32_t).
 *  13. This ABI only grows while FLASHSALE_ABI and the SONAME stay: what is here keeps its name, layout and meaning.
 */
#ifndef FLASHSALE_FLASHSALE_H
#define FLASHSALE_FLASHSALE_H

#include <stddef.h>
#include <stdint.h>

/** Of every function that the library exports. */
#if defined(__GNUC__)
#define FLASHSALE_API __attribute__((visibility("default")))
#else
#define FLASHSALE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The ABI of this header; also the number in the library's SONAME. */
#define FLASHSALE_ABI 0
/** The version of this header, 0xMMmmpp. `flashsale_version()` is that of the library. */
#define FLASHSALE_VERSION 0x000100

/** A string literal as the two arguments of convention 5. */
#define FLASHSALE_TEXT(literal) ("" literal ""), (sizeof("" literal "") - 1)
/** Sets a text field of a record, and its length, to a string literal: FLASHSALE_SET(call, sale, "spring"). */
#define FLASHSALE_SET(record, field, literal) \
  ((record).field = ("" literal ""), (record).field##_size = sizeof("" literal "") - 1)

/* ---- Constants. All are in flashsale_codes() too, with their names; bindings should compare. --------------------- */

/** Outcomes: what a healthy sale answers every day. */
enum {
  FLASHSALE_RESERVED = 1,          /**< of reserve: won just now */
  FLASHSALE_ALREADY_RESERVED = 2,  /**< of reserve, resolve, status: this request won before; same order */
  FLASHSALE_CONFIRMED = 3,         /**< of confirm */
  FLASHSALE_ALREADY_CONFIRMED = 4, /**< of confirm, release, reserve, resolve, status */
  FLASHSALE_RELEASED = 5,          /**< of release */
  FLASHSALE_ALREADY_RELEASED = 6,  /**< of release, confirm, reserve, resolve, status */
  FLASHSALE_EXPIRED = 7,           /**< of every verb: the hold ran out; the units go back */
  FLASHSALE_PENDING = 8,           /**< decided, but below the level asked for yet; has the order */
  FLASHSALE_NOT_RESERVED = 9,      /**< of resolve, status, confirm, release: this request holds nothing */
  FLASHSALE_DEAD = 10,             /**< the worker set this order aside, with a reason, for an operator */
  FLASHSALE_NOT_STARTED = 11,      /**< of reserve: see retry_after_ms */
  FLASHSALE_PAUSED = 12,           /**< of reserve: see reason and retry_after_ms */
  FLASHSALE_ENDED = 13,            /**< of reserve */
  FLASHSALE_LIMIT_REACHED = 14,    /**< of reserve: the buyer would hold more than the item's limit */
  FLASHSALE_SOLD_OUT = 15          /**< of reserve: fewer units are left than asked for */
};

/** Errors: the lack of an answer. */
enum {
  FLASHSALE_E_INVALID_ARGUMENT = -1, /**< an argument is outside its bounds; the message names both */
  FLASHSALE_E_NOT_FOUND = -2,        /**< no such sale, item or row; never "sold out" */
  FLASHSALE_E_CONFLICT = -3,         /**< the request won with other arguments, or a sale exists with others */
  FLASHSALE_E_BUSY = -4,             /**< a bounded queue is full */
  FLASHSALE_E_TIMED_OUT = -5,        /**< the deadline came first */
  FLASHSALE_E_DISCONNECTED = -6,     /**< no connection, or it broke */
  FLASHSALE_E_REFUSED = -7,          /**< Redis or the database refuses writes (memory, replicas, permission, disk) */
  FLASHSALE_E_LOST = -8,             /**< the database has the sale, Redis has not: reconcile */
  FLASHSALE_E_UNSUPPORTED = -9,      /**< not with this version, layout or sale */
  FLASHSALE_E_PROTOCOL = -10,        /**< a peer said what the protocol does not allow */
  FLASHSALE_E_CLOSED = -11,          /**< the object was closed */
  FLASHSALE_E_FORKED = -12,          /**< the object was used before a fork and belongs to the parent */
  FLASHSALE_E_INTERNAL = -13         /**< a defect, or memory ran out */
};

/** What a failed call did to Redis. */
enum {
  FLASHSALE_EFFECT_NONE = 0,   /**< nothing, certainly */
  FLASHSALE_EFFECT_UNKNOWN = 1 /**< ask again with the same request */
};

/** What a call asks a gate to do. */
enum {
  FLASHSALE_VERB_RESERVE = 1,
  FLASHSALE_VERB_CONFIRM = 2,
  FLASHSALE_VERB_RELEASE = 3,
  FLASHSALE_VERB_RESOLVE = 4,
  FLASHSALE_VERB_STATUS = 5
};

/** How durable an answer is; USUAL asks for the gate's default and is in no answer. */
enum {
  FLASHSALE_LEVEL_USUAL = 0,
  FLASHSALE_LEVEL_PRIMARY = 1,  /**< the Redis primary answered: a failover can forget it */
  FLASHSALE_LEVEL_REPLICAS = 2, /**< every promotable replica has it */
  FLASHSALE_LEVEL_DATABASE = 3  /**< it is committed in the database */
};

/** Why a sale is paused. */
enum {
  FLASHSALE_REASON_NONE = 0,
  FLASHSALE_REASON_OPERATOR = 1,
  FLASHSALE_REASON_FENCED = 2, /**< Redis lost its history: the worker reconciles */
  FLASHSALE_REASON_DRAINING = 3
};

/** Where a sale stands. In Redis only the middle five occur. */
enum {
  FLASHSALE_STATE_CREATING = 0,
  FLASHSALE_STATE_CREATED = 1,
  FLASHSALE_STATE_OPEN = 2,
  FLASHSALE_STATE_PAUSED = 3,
  FLASHSALE_STATE_DRAINING = 4,
  FLASHSALE_STATE_CLOSED = 5,
  FLASHSALE_STATE_RETIRED = 6
};

/** How won orders leave Redis: a journal, exactly once into the sink; or a plain list, at least once. */
enum { FLASHSALE_QUEUE_JOURNAL = 0, FLASHSALE_QUEUE_LIST = 1 };

/** Which node a read asks. */
enum { FLASHSALE_ROLE_PRIMARY = 0, FLASHSALE_ROLE_REPLICA = 1 };

/** Of log lines. */
enum { FLASHSALE_LOG_INFO = 1, FLASHSALE_LOG_WARNING = 2, FLASHSALE_LOG_ALARM = 3 };

/** What was decided about an order that was set aside. */
enum {
  FLASHSALE_FATE_DEAD = 0,    /**< nothing yet */
  FLASHSALE_FATE_RETRIED = 1, /**< it is an order again */
  FLASHSALE_FATE_DROPPED = 2  /**< it is given up, its units are for sale again */
};

/** For flashsale_controller_schedule: leave this time as it is. */
#define FLASHSALE_UNCHANGED ((int64_t)-1)

/** Bytes that hold every id of convention 5, with the NUL. */
#define FLASHSALE_ID_CAPACITY 72
/** The same for an order as text. */
#define FLASHSALE_ORDER_CAPACITY 56
/** The same for a log line and an obstacle. */
#define FLASHSALE_LINE_CAPACITY 1024
/** Bytes that hold every preloaded info, with the NUL. */
#define FLASHSALE_INFO_CAPACITY 16385

/* ---- Handles ----------------------------------------------------------------------------------------------------- */

typedef struct flashsale_error_t flashsale_error_t;             /**< why there is no answer */
typedef struct flashsale_options_t flashsale_options_t;         /**< values of options, by name */
typedef struct flashsale_pool_t flashsale_pool_t;               /**< connections to one Redis */
typedef struct flashsale_sink_t flashsale_sink_t;               /**< a database */
typedef struct flashsale_sale_t flashsale_sale_t;               /**< the terms of a sale to create */
typedef struct flashsale_controller_t flashsale_controller_t;   /**< the operator's side */
typedef struct flashsale_completions_t flashsale_completions_t; /**< answers to submitted calls */
typedef struct flashsale_gate_t flashsale_gate_t;               /**< the hot path */
typedef struct flashsale_worker_t flashsale_worker_t;           /**< carries orders into a sink */

/* ---- Structs and records ----------------------------------------------------------------------------------------- */

/** One call of a gate. To reserve one unit only sale, item, buyer and request need be set. */
typedef struct flashsale_call_t {
  uint32_t struct_size; /**< sizeof(flashsale_call_t) */
  int32_t verb;         /**< FLASHSALE_VERB_*; flashsale_gate_reserve ignores it */
  const char* sale;     /**< where */
  size_t sale_size;     /**< its length in bytes, like every `_size` */
  const char* item;     /**< of reserve only: what */
  size_t item_size;     /**< 1..64 */
  const char* buyer;    /**< who; the caller vouches for it */
  size_t buyer_size;    /**< 1..64 */
  const char* request;  /**< the caller's id of one purchase intent; keep it for retries */
  size_t request_size;  /**< 1..64 */
  const void* payload;  /**< of reserve only: opaque bytes that end in the order's row; NULL if there are none */
  size_t payload_size;  /**< 0..gate.payload_bytes_max */
  uint32_t quantity;    /**< of reserve only: 1..1,000,000 */
  uint32_t timeout_ms;  /**< 1..30,000; 0 is gate.timeout_ms */
  int32_t level;        /**< FLASHSALE_LEVEL_*; an answer below it is FLASHSALE_PENDING */
  uint32_t reserved;    /**< 0 */
  uint64_t tag;         /**< of submit: comes back in the event */
} flashsale_call_t;

/** A call to reserve one unit, but for the ids: all 0 except struct_size, verb and quantity. */
#define FLASHSALE_CALL_INIT                                                                                        \
  {                                                                                                                \
    (uint32_t)sizeof(flashsale_call_t), FLASHSALE_VERB_RESERVE, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, 1, 0, \
        FLASHSALE_LEVEL_USUAL, 0, 0                                                                                \
  }

/** The answer to one call. */
typedef struct flashsale_answer_t {
  uint32_t struct_size;                 /**< sizeof(flashsale_answer_t) */
  int32_t outcome;                      /**< what the function returned; 0 after an error */
  uint64_t epoch;                       /**< with seq and index: the order; 0 is no order */
  uint64_t seq;                         /**< of the order */
  uint32_t index;                       /**< of the order */
  int32_t level;                        /**< FLASHSALE_LEVEL_*: what this answer has reached */
  int64_t remaining;                    /**< units of the item left after the batch; -1 is not told */
  int64_t hold_until_ms;                /**< 0: no hold */
  int64_t retry_after_ms;               /**< not before that many ms can asking again help; 0: at will */
  int32_t reason;                       /**< FLASHSALE_REASON_*, of FLASHSALE_PAUSED */
  uint32_t reserved;                    /**< 0 */
  char order[FLASHSALE_ORDER_CAPACITY]; /**< the order as text, `1-7.0`, or empty */
} flashsale_answer_t;

/** An empty answer: all 0 except struct_size. */
#define FLASHSALE_ANSWER_INIT                                                 \
  {                                                                           \
    (uint32_t)sizeof(flashsale_answer_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } \
  }

/** A record: what became of one submitted call. */
typedef struct flashsale_event_t {
  uint64_t tag;   /**< flashsale_call_t.tag */
  int32_t code;   /**< an outcome (> 0) or an error (< 0) */
  int32_t effect; /**< FLASHSALE_EFFECT_*, of an error */
  /** @{ As in flashsale_answer_t. */
  int32_t level;
  int32_t reason;
  uint32_t index;
  uint32_t reserved;
  uint64_t epoch;
  uint64_t seq;
  int64_t remaining;
  int64_t hold_until_ms;
  int64_t retry_after_ms;
  /** @} */
} flashsale_event_t;

/** A sale as Redis has it. */
typedef struct flashsale_status_t {
  uint32_t struct_size;      /**< sizeof(flashsale_status_t) */
  int32_t state;             /**< FLASHSALE_STATE_* */
  int32_t queue;             /**< FLASHSALE_QUEUE_* */
  uint32_t fenced;           /**< 1: Redis lost its history; nothing is sold until the worker reconciled */
  int64_t now_ms;            /**< Redis' clock */
  int64_t opens_ms;          /**< 0: not scheduled */
  int64_t closes_ms;         /**< 0: never by itself */
  int64_t hold_ms;           /**< 0: reservations hold for ever */
  int64_t probe_ms;          /**< how stale a process's knowledge of a refusal may be */
  uint32_t replicas;         /**< least number of replicas for FLASHSALE_LEVEL_REPLICAS */
  uint32_t buyer_orders_max; /**< orders that one buyer may have */
  uint64_t at_epoch;         /**< the last entry written */
  uint64_t at_seq;           /**< of the same */
  uint64_t watermark_epoch;  /**< the last entry known to be in the database */
  uint64_t watermark_seq;    /**< of the same */
  uint64_t waiting;          /**< entries (journal) or orders (list) not handed over yet */
  uint32_t item_count;       /**< how many items the sale has: 1..64 */
  uint32_t reserved;         /**< 0 */
  char phase[16];            /**< what a page should call it now: not_started, open, paused, draining, ended */
  uint64_t held;             /**< orders whose hold runs: neither confirmed nor given back */
} flashsale_status_t;

/** An empty status: all 0 except struct_size. */
#define FLASHSALE_STATUS_INIT \
  { (uint32_t)sizeof(flashsale_status_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0 }

/** A record: one item of a status. */
typedef struct flashsale_item_t {
  char item[FLASHSALE_ID_CAPACITY]; /**< its id */
  int64_t total;                    /**< units for sale */
  int64_t booked;                   /**< units held, bought, or on their way back */
  int64_t limit;                    /**< units that one buyer may hold */
} flashsale_item_t;

/** A record: one order that a worker set aside. Bytes that are no text are as they were, cut at a NUL. */
typedef struct flashsale_dead_t {
  char order[FLASHSALE_ORDER_CAPACITY]; /**< its id, `1-7.0` */
  char buyer[FLASHSALE_ID_CAPACITY];    /**< whose */
  char item[FLASHSALE_ID_CAPACITY];     /**< what */
  char request[FLASHSALE_ID_CAPACITY];  /**< by which request */
  char reason[FLASHSALE_ID_CAPACITY];   /**< OVERSOLD, OVER_LIMIT, or what the database said */
  uint32_t quantity;                    /**< units */
  int32_t fate;                         /**< FLASHSALE_FATE_* */
} flashsale_dead_t;

/** A record: one item of an audit; total = available + held + confirmed + dead + returning, or `difference` says. */
typedef struct flashsale_audit_item_t {
  char item[FLASHSALE_ID_CAPACITY]; /**< its id */
  int64_t total;                    /**< units for sale, as the database has it */
  int64_t available;                /**< as Redis has it; below 0 while it owes units */
  int64_t held;                     /**< reserved */
  int64_t confirmed;                /**< bought */
  int64_t dead;                     /**< set aside, and nothing decided */
  int64_t returning;                /**< given back in the database, not yet for sale in Redis */
  int64_t difference;               /**< more than 0: OVERSOLD by so much; less: LEAKED */
} flashsale_audit_item_t;

/** What a worker has done so far. */
typedef struct flashsale_report_t {
  uint32_t struct_size;                      /**< sizeof(flashsale_report_t) */
  uint32_t reserved;                         /**< 0 */
  uint64_t orders;                           /**< committed by this worker */
  uint64_t commits;                          /**< transactions of this worker */
  uint64_t dead;                             /**< orders set aside by this worker */
  uint64_t reconciles;                       /**< finished by this worker */
  uint64_t behind;                           /**< entries left in the journals at the last look */
  char waiting_for[FLASHSALE_LINE_CAPACITY]; /**< empty: nothing; else the newest obstacle, for a person */
} flashsale_report_t;

/** An empty report: all 0 except struct_size. */
#define FLASHSALE_REPORT_INIT                                     \
  {                                                               \
    (uint32_t)sizeof(flashsale_report_t), 0, 0, 0, 0, 0, 0, { 0 } \
  }

/** One option. The strings are the library's and stay. */
typedef struct flashsale_option_t {
  uint32_t struct_size;      /**< sizeof(flashsale_option_t) */
  uint32_t reserved;         /**< 0 */
  const char* name;          /**< `gate.lanes`; what stands before the dot says whose it is */
  const char* type;          /**< `integer`, `boolean` (true, false), `text`, or the words to choose from: `a|b|c` */
  const char* default_value; /**< as flashsale_options_set takes it; empty: none */
  const char* doc;           /**< one sentence */
  int64_t least;             /**< of an integer; of a text, its length in bytes */
  int64_t most;              /**< likewise */
} flashsale_option_t;

/** An empty option: all 0 except struct_size. */
#define FLASHSALE_OPTION_INIT \
  { (uint32_t)sizeof(flashsale_option_t), 0, NULL, NULL, NULL, NULL, 0, 0 }

/** A record: one constant of this header. */
typedef struct flashsale_code_t {
  const char* kind;     /**< outcome, error, effect, verb, level, reason, state, queue, role, log, fate */
  const char* name;     /**< `sold_out`: the one spelling in every language */
  int32_t value;        /**< what the header calls FLASHSALE_SOLD_OUT */
  uint32_t holds_stock; /**< 1: an outcome by which the buyer holds units */
} flashsale_code_t;

/* ---- Library ----------------------------------------------------------------------------------------------------- */

/** The library's version, 0xMMmmpp. history: since 0.1 */
FLASHSALE_API uint32_t flashsale_version(void);

/** The same as text, for instance "0.1.0"; borrowed for ever. history: since 0.1 */
FLASHSALE_API const char* flashsale_version_string(void);

/** The library's FLASHSALE_ABI. history: since 0.1 */
FLASHSALE_API uint32_t flashsale_abi(void);

/**
 * The table of all constants with their names, `*count_out` (or NULL) rows; borrowed for ever. A row never grows.
 * history: since 0.1
 */
FLASHSALE_API const flashsale_code_t* flashsale_codes(size_t* count_out);

/**
 * Every counter of this process in the Prometheus text format 0.0.4, copied by convention 6; about 8 KiB. Serve it as
 * `text/plain; version=0.0.4`. `text_out` may be NULL if `capacity` is 0.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_metrics_text(char* text_out, size_t capacity, size_t* size_out,
                                             flashsale_error_t** error);

/**
 * Begins to keep the library's log lines, for flashsale_log_next; until then it is silent. At most 256 lines are kept;
 * those that come while it is full are dropped and counted in the next line. No line holds a password, a payload or a
 * buyer. `completions` (or NULL) is woken for each line, so that one loop serves answers and lines; it is not kept
 * alive. Again: only changes whom to wake.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_log_enable(flashsale_completions_t* completions, flashsale_error_t** error);

/** Is silent again, and forgets the lines not taken. history: since 0.1 */
FLASHSALE_API int32_t flashsale_log_disable(flashsale_error_t** error);

/**
 * Takes the oldest line, copied by convention 6; FLASHSALE_LINE_CAPACITY bytes hold every line. Returns its
 * FLASHSALE_LOG_* (> 0), or 0 if there is none. `size_out` may be NULL.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_log_next(char* text_out, size_t capacity, size_t* size_out, flashsale_error_t** error);

/* ---- Errors: all accept NULL, which is "no error" ---------------------------------------------------------------- */

/** FLASHSALE_E_*, or 0 for NULL. history: since 0.1 */
FLASHSALE_API int32_t flashsale_error_code(const flashsale_error_t* error);
/** The code's name, for instance "timed_out"; borrowed for ever; "" for NULL. history: since 0.1 */
FLASHSALE_API const char* flashsale_error_name(const flashsale_error_t* error);
/** One line for a person, never to be parsed, without secrets; borrowed; "" for NULL. history: since 0.1 */
FLASHSALE_API const char* flashsale_error_message(const flashsale_error_t* error);
/** FLASHSALE_EFFECT_*; FLASHSALE_EFFECT_NONE for NULL. history: since 0.1 */
FLASHSALE_API int32_t flashsale_error_effect(const flashsale_error_t* error);
/** 1 if waiting can help: asking again with the same request is right; else 0. history: since 0.1 */
FLASHSALE_API int32_t flashsale_error_is_retryable(const flashsale_error_t* error);
/** Convention 1. history: since 0.1 */
FLASHSALE_API void flashsale_error_destroy(flashsale_error_t** error);

/* ---- Options ----------------------------------------------------------------------------------------------------- */

/**
 * Makes options at their defaults. `abi` is FLASHSALE_ABI of the header that the caller was compiled with; whoever has
 * another one hears it here. Wherever options are taken, NULL means the defaults, and they are copied.
 * Errors: unsupported (`abi`).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_options_create(uint32_t abi, flashsale_options_t** options_out,
                                               flashsale_error_t** error);

/**
 * Sets the option `name` from text, for instance "gate.lanes" to "4"; flashsale_options_describe lists them all. An
 * empty `value` brings back the default.
 * Errors: not_found (no such option), invalid_argument (not of the option's type, or out of its bounds); then the
 * option keeps its value.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_options_set(flashsale_options_t* options, const char* name, size_t name_size,
                                            const char* value, size_t value_size, flashsale_error_t** error);

/**
 * Describes the option number `index`, from 0 on.
 * Errors: not_found (`index` is past the last one).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_options_describe(size_t index, flashsale_option_t* option_out,
                                                 flashsale_error_t** error);

/** Convention 1. history: since 0.1 */
FLASHSALE_API void flashsale_options_destroy(flashsale_options_t** options);

/* ---- Pool and sink ----------------------------------------------------------------------------------------------- */

/**
 * Makes a pool of connections to the Redis at `url`; parses only, the first call connects.
 *     redis://[[user]:password@]host[:port][/db]        one node over TCP; port 6379, db 0
 *     redis+unix://[[user]:password@]/path              one node over a unix socket
 *     redis+replicas://[...@]host[:port],...[/db]       a static list: reads to replicas, decisions to the primary
 *     redis+sentinel://[...@]host[:port],.../NAME[/db]  sentinels, port 26379, that know the primary called NAME
 *     redis+cluster://[...@]host[:port],...             seeds of a cluster; one of them that answers is enough
 *
 * With `rediss` in place of `redis` (but for redis+unix) every connection, to sentinels too, speaks TLS 1.2 or newer
 * and verifies the peer's certificate and host name. After the rest may stand `?NAME=VALUE&...`:
 *
 *     db                                                  0..65535, as after the hosts
 *     user, password, password_file, password_env         who to log in as; the file's first line or the variable is
 *                                                         read for each connection, so that it may be rotated
 *     sentinel_user, sentinel_password, ..._file, ..._env the same at the sentinels; without them no AUTH is sent
 *     tls_ca, tls_cert, tls_key                           PEM files: whom to believe (else the system's), who we are
 *     tls_name                                            the name that every node's certificate must be for, where
 *                                                         nodes are known by addresses (else the host connected to)
 *     tls_verify                                          full (the default) or none
 *     connect_timeout_ms, reconnect_min_ms, reconnect_max_ms, replica_lag_max_ms, replica_lag_max_bytes,
 *     connections_max, idle_check_ms                      as the options pool.*, before which they go
 *
 * User, password and values may be %-encoded. IPv6 hosts stand in brackets. At most 32 hosts and 4,096 bytes.
 *
 * Options: pool.*, or NULL.
 * Errors: invalid_argument (the part that does not parse is named; no byte of the URL is repeated), unsupported (the
 * scheme; TLS in a library built without it).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_pool_create(const char* url, size_t url_size, const flashsale_options_t* options,
                                            flashsale_pool_t** pool_out, flashsale_error_t** error);

/** Convention 1: its connections close once nothing holds it any more. history: since 0.1 */
FLASHSALE_API void flashsale_pool_destroy(flashsale_pool_t** pool);

/**
 * Makes a sink: `sqlite:PATH`, `PATH` (SQLite) or `postgresql://...`. Loads the scheme's module, beside the library or
 * in the folder that FLASHSALE_SINKS names; the first use connects and makes the schema.
 * Errors: invalid_argument, unsupported (no module for the scheme, or one of another version).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_sink_create(const char* url, size_t url_size, flashsale_sink_t** sink_out,
                                            flashsale_error_t** error);

/** Convention 1. history: since 0.1 */
FLASHSALE_API void flashsale_sink_destroy(flashsale_sink_t** sink);

/* ---- Sale: terms for flashsale_controller_create_sale ------------------------------------------------------------ */

/**
 * Begins the terms of the sale `id`. Options: sale.* (when it opens and closes, how long it holds ...), or NULL.
 * Ids and items are judged by flashsale_controller_create_sale.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_sale_create(const char* id, size_t id_size, const flashsale_options_t* options,
                                            flashsale_sale_t** sale_out, flashsale_error_t** error);

/**
 * Adds an item: `units` (0..2^31-1) for sale, at most `limit` of them (1..1,000,000) to one buyer. A sale has 1..64
 * items, none twice.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_sale_item(flashsale_sale_t* sale, const char* item, size_t item_size, int64_t units,
                                          int64_t limit, flashsale_error_t** error);

/** Convention 1. history: since 0.1 */
FLASHSALE_API void flashsale_sale_destroy(flashsale_sale_t** sale);

/* ---- Controller -----------------------------------------------------------------------------------------------------
 *
 *   create_sale -> open -> (pause <-> resume) -> drain -> close -> retire
 *
 * Acts on a sale in journal mode need the sink and return once the database has them. Every act blocks
 * controller.timeout_ms at most, a few round trips and one transaction. An act that finds the sale already so succeeds
 * and changes nothing.
 *
 * Errors of every act: invalid_argument, not_found, conflict (not from this state), unsupported (no sink, layout),
 * lost, refused (also: paused by the fence), closed, forked (effect none); timed_out, disconnected (none or unknown:
 * do it again).
 */

/** Makes a controller. `sink` may be NULL (list mode). Options: controller.*, or NULL. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_create(flashsale_pool_t* pool, flashsale_sink_t* sink,
                                                  const flashsale_options_t* options,
                                                  flashsale_controller_t** controller_out, flashsale_error_t** error);

/** Convention 1. history: since 0.1 */
FLASHSALE_API void flashsale_controller_destroy(flashsale_controller_t** controller);

/**
 * Makes a sale; never overwrites one. Equal terms finish or repeat an earlier create; others are `conflict`, as is the
 * id of a retired sale. An act. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_create_sale(flashsale_controller_t* controller, const flashsale_sale_t* sale,
                                                       flashsale_error_t** error);

/**
 * Stores the public facts of an item (opaque, up to 16 KiB) for pages to read; any number of times. An act.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_preload(flashsale_controller_t* controller, const char* sale,
                                                   size_t sale_size, const char* item, size_t item_size,
                                                   const char* info, size_t info_size, flashsale_error_t** error);

/** Opens the sale now, whatever its schedule said. From created, open. An act. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_open(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                flashsale_error_t** error);

/**
 * Sets when the sale opens and closes by itself, by Redis' clock; FLASHSALE_UNCHANGED leaves that time, `closes_ms` 0
 * is never. From created, open, paused. An act. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_schedule(flashsale_controller_t* controller, const char* sale,
                                                    size_t sale_size, int64_t opens_ms, int64_t closes_ms,
                                                    flashsale_error_t** error);

/** Sells nothing from the next batch on. From open, draining. An act. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_pause(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                 flashsale_error_t** error);

/** Sells again. From paused, draining. An act. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_resume(flashsale_controller_t* controller, const char* sale,
                                                  size_t sale_size, flashsale_error_t** error);

/** Sells nothing more while what was sold is handed over. From open, paused. An act. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_drain(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                 flashsale_error_t** error);

/** Ends the sale for good. From every state. An act. history: since 0.1 */
FLASHSALE_API int32_t flashsale_controller_close(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                 flashsale_error_t** error);

/**
 * Adds `units` (negative: takes away, never below what is booked) to an item's total, once for each `operation`.
 * `conflict` if the operation was used with other arguments, or if less is unsold. An act. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_restock(flashsale_controller_t* controller, const char* sale,
                                                   size_t sale_size, const char* item, size_t item_size, int64_t units,
                                                   const char* operation, size_t operation_size,
                                                   flashsale_error_t** error);

/**
 * Removes a closed sale from Redis once everything that it sold was handed over, `conflict` until then; its id is
 * never used again where there is a sink. An act. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_retire(flashsale_controller_t* controller, const char* sale,
                                                  size_t sale_size, flashsale_error_t** error);

/**
 * Reads the sale into `*status_out`, and its items, in the order of their creation, into `items_out` (or NULL): as many
 * of `status_out->item_count` as the `capacity` records of `item_size` bytes hold. `from`: FLASHSALE_ROLE_*; where no
 * replica is fit, the primary. Changes nothing; blocks as an act; one or two round trips.
 * Errors: not_found, lost, unsupported, refused, timed_out, disconnected, protocol.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_status(flashsale_controller_t* controller, const char* sale,
                                                  size_t sale_size, int32_t from, flashsale_status_t* status_out,
                                                  flashsale_item_t* items_out, size_t item_size, size_t capacity,
                                                  flashsale_error_t** error);

/**
 * Reads what flashsale_controller_preload stored for an item, by convention 6 (binary; FLASHSALE_INFO_CAPACITY bytes
 * hold it), from a replica where one is fit. Changes nothing; blocks as an act; one round trip.
 * Errors: not_found (also: nothing is stored), unsupported, refused, timed_out, disconnected, protocol.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_info(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                const char* item, size_t item_size, char* text_out, size_t capacity,
                                                size_t* size_out, flashsale_error_t** error);

/**
 * Rebuilds a sale whose Redis lost its history from the database, and sells on. A running worker does it by itself.
 * Blocks `timeout_ms` (1..600,000) at most; safe to run anywhere, any number of times. Errors as an act.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_reconcile(flashsale_controller_t* controller, const char* sale,
                                                     size_t sale_size, uint32_t timeout_ms, flashsale_error_t** error);

/**
 * For the operator alone, when Redis or the database went back and nothing can be proven: goes on with what Redis
 * (list mode) or the database (journal mode) has now, under a new epoch. What only the other one knew is lost. Blocks
 * `timeout_ms` (1..600,000) at most. Errors as an act. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_reopen_accepting_loss(flashsale_controller_t* controller, const char* sale,
                                                                 size_t sale_size, uint32_t timeout_ms,
                                                                 flashsale_error_t** error);

/**
 * Reads the orders that the worker set aside, by id, into `rows_out` (or NULL): as many of `*count_out` as the
 * `capacity` records of `row_size` bytes hold. One transaction. Errors: not_found, unsupported (no sink), and the
 * sink's. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_dead(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                flashsale_dead_t* rows_out, size_t row_size, size_t capacity,
                                                size_t* count_out, flashsale_error_t** error);

/**
 * Makes a dead order an order again, reserved, with a new hold where the sale has holds. The decision is kept in the
 * database, and repeating it is harmless. Errors as an act: `conflict` while its cause is still there (the detail names
 * it), or if it was dropped; not_found if it was not set aside. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_dead_retry(flashsale_controller_t* controller, const char* sale,
                                                      size_t sale_size, const char* order, size_t order_size,
                                                      flashsale_error_t** error);

/**
 * Gives a dead order up: its units and the buyer's limit are free again. `conflict` if it was retried; else as
 * flashsale_controller_dead_retry. history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_dead_drop(flashsale_controller_t* controller, const char* sale,
                                                     size_t sale_size, const char* order, size_t order_size,
                                                     flashsale_error_t** error);

/**
 * Compares Redis and the database at a moment at which both stand still; a sale that never does is `busy`: pause it
 * first. Writes its items, in the order of their creation, into `items_out` (or NULL) as flashsale_controller_status
 * does, and how many orders differ into `*differing_out`. `repair` 1: where something differs, Redis is rebuilt from
 * the database and compared again. Blocks `timeout_ms` (1..600,000) at most. Errors as an act, and busy.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_controller_audit(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                                 int32_t repair, uint32_t timeout_ms, uint64_t* differing_out,
                                                 flashsale_audit_item_t* items_out, size_t item_size, size_t capacity,
                                                 flashsale_error_t** error);

/* ---- Completions: answers to submitted calls, behind one descriptor -------------------------------------------------
 *
 *       submit                      library                    you
 *   place taken, or busy  ->  event pushed  ->  fd readable  ->  drain  ->  fd quiet once all are drained
 *
 * Every accepted call yields exactly one event, also when its gate is destroyed (closed, effect told truthfully).
 */

/**
 * Makes a bounded queue of events; many gates and threads may fill it, one thread at a time drains it. `depth`: events
 * pending and calls under way together, 1..1,048,576; 0 is 65,536. One more submit is `busy`.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_completions_create(size_t depth, flashsale_completions_t** completions_out,
                                                   flashsale_error_t** error);

/**
 * Moves events into `events_out`, `capacity` records of `event_size` bytes (sizeof(flashsale_event_t)), and their
 * number into `*count_out`. Waits up to `wait_ms` if there are none yet; 0 does not block. A count below `capacity`
 * means that the queue was emptied and its descriptor is quiet.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_completions_drain(flashsale_completions_t* completions, flashsale_event_t* events_out,
                                                  size_t event_size, size_t capacity, uint32_t wait_ms,
                                                  size_t* count_out, flashsale_error_t** error);

/**
 * Gives the descriptor (eventfd, non-blocking, close-on-exec) that is readable while events are there. The queue's:
 * poll it, do not read, write or close it; it stays the same until the queue is destroyed. `*fd_out` is -1 on errors.
 * Errors: refused (the process is out of descriptors).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_completions_fd(flashsale_completions_t* completions, int32_t* fd_out,
                                               flashsale_error_t** error);

/** Makes a waiting drain return, and the descriptor readable until the next drain. history: since 0.1 */
FLASHSALE_API int32_t flashsale_completions_wake(flashsale_completions_t* completions, flashsale_error_t** error);

/** Tells how many calls were accepted and not drained yet. history: since 0.1 */
FLASHSALE_API int32_t flashsale_completions_outstanding(flashsale_completions_t* completions, size_t* count_out,
                                                        flashsale_error_t** error);

/** Convention 1. Calls under way go on; nobody hears their answers. history: since 0.1 */
FLASHSALE_API void flashsale_completions_destroy(flashsale_completions_t** completions);

/* ---- Gate: the hot path ------------------------------------------------------------------------------------------ */

/**
 * Makes a gate, which sells units of many sales through one pool; calls made at the same time travel as one batch.
 * Threads and connections come with the first call. Options: gate.*, or NULL.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_gate_create(flashsale_pool_t* pool, const flashsale_options_t* options,
                                            flashsale_gate_t** gate_out, flashsale_error_t** error);

/**
 * Makes a gate that also keeps receipts: what it told its callers below level `database`, in memory, until `sink`, the
 * database of its sales, has it. If Redis loses its history first, the gate hands them in and the reconcile brings them
 * back: what was told at level `primary` is then lost only if Redis' history and this process go together. Destroying
 * it leaves what is still held in the database: within a second if that is well, within four if not. `sink` NULL: as
 * flashsale_gate_create. Options: gate.*, or NULL.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_gate_create_with_sink(flashsale_pool_t* pool, flashsale_sink_t* sink,
                                                      const flashsale_options_t* options, flashsale_gate_t** gate_out,
                                                      flashsale_error_t** error);

/**
 * Asks for `call->quantity` units of `call->item` for `call->buyer`; atomic, and idempotent by `call->request`: a
 * buyer's same request always means the same purchase, and asked again after it won it hears the same order.
 * `answer_out` (or NULL) tells more.
 * Outcomes, the first that applies: already_reserved, already_confirmed, already_released, expired, dead (this request
 * won before) - ended, paused, not_started - limit_reached - sold_out - reserved. Below `call->level`: pending.
 * Errors: invalid_argument, not_found, conflict, unsupported, refused, closed, forked, internal, busy (effect none);
 * timed_out, disconnected, protocol (none or unknown: ask again with the same request, or resolve).
 * Blocks `call->timeout_ms` at most; one round trip, shared with every other caller of that moment.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_gate_reserve(flashsale_gate_t* gate, const flashsale_call_t* call,
                                             flashsale_answer_t* answer_out, flashsale_error_t** error);

/**
 * Does what `call->verb` says. `answer_out` (or NULL) tells more.
 *   reserve   as flashsale_gate_reserve
 *   resolve   asks the primary what became of a request: already_reserved, already_confirmed, already_released,
 *             expired, dead or not_reserved, which is final for a request that went through this gate, and for any
 *             other once 30 s have passed since it was sent
 *   status    as resolve, but from a replica where one is fit; not_reserved is not final. What pages poll
 *   confirm   the buyer paid: confirmed (the order was reserved and its hold had not run out), already_confirmed,
 *             already_released, expired, dead or not_reserved (no such order of this buyer in this sale)
 *   release   gives a reserved order's units back, which sell again once the database has it: released, else as confirm
 * confirm and release work in every state of the sale but list mode (unsupported), are idempotent, and of several that
 * race for one order one wins. paused with FLASHSALE_REASON_FENCED: nothing was decided, the worker reconciles.
 * Errors as flashsale_gate_reserve, but no conflict; of resolve and status always with effect none. Blocks and costs
 * as that.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_gate_call(flashsale_gate_t* gate, const flashsale_call_t* call,
                                          flashsale_answer_t* answer_out, flashsale_error_t** error);

/**
 * Hands in `count` calls (0..1,048,576), an array whose elements all have the first one's struct_size. Each accepted
 * one yields exactly one event in `completions`, with its tag; also one with a value out of bounds, which is answered
 * invalid_argument. Never blocks; returns 0 if all were accepted. With gate.lanes 1, calls are decided in the order in
 * which they were submitted.
 * Errors, after which `*accepted_out` calls from the front were accepted all the same: busy (the gate or the queue is
 * full), closed, forked; invalid_argument, unsupported (a struct_size, a NULL text with a length, unknown bytes).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_gate_submit(flashsale_gate_t* gate, const flashsale_call_t* calls, size_t count,
                                            flashsale_completions_t* completions, size_t* accepted_out,
                                            flashsale_error_t** error);

/** Convention 1: calls still waiting are answered `closed`. Blocks one round trip at most. history: since 0.1 */
FLASHSALE_API void flashsale_gate_destroy(flashsale_gate_t** gate);

/* ---- Worker ------------------------------------------------------------------------------------------------------ */

/**
 * Makes a worker, which carries journals into `sink` and watches over their sales; any number of them may run on the
 * same sales, in any process. Options: worker.*, or NULL; worker.sales names the sales, else it serves every one that
 * the sink knows. Has no thread of its own.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_worker_create(flashsale_pool_t* pool, flashsale_sink_t* sink,
                                              const flashsale_options_t* options, flashsale_worker_t** worker_out,
                                              flashsale_error_t** error);

/**
 * Serves on the calling thread until flashsale_worker_stop. What can heal by itself is waited for, and told in the log
 * and the report.
 * Errors, for which waiting is no help: conflict (another sale's database, a fork of the journal, or the database went
 * back), unsupported (layout, schema), forked; only if no sale is left to serve and sales were named.
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_worker_run(flashsale_worker_t* worker, flashsale_error_t** error);

/**
 * Serves until everything written before the call is in the database, or `timeout_ms` (1..3,600,000) have passed.
 * Errors: as run, at once; timed_out, with what it waited for; closed (stopped).
 * history: since 0.1
 */
FLASHSALE_API int32_t flashsale_worker_drain(flashsale_worker_t* worker, uint32_t timeout_ms,
                                             flashsale_error_t** error);

/**
 * Makes run and drain return after the transaction under way, for good. Safe from any thread and from a signal
 * handler; NULL is harmless. history: since 0.1
 */
FLASHSALE_API void flashsale_worker_stop(flashsale_worker_t* worker);

/** Tells what the worker has done so far, and what holds it up. history: since 0.1 */
FLASHSALE_API int32_t flashsale_worker_report(flashsale_worker_t* worker, flashsale_report_t* report_out,
                                              flashsale_error_t** error);

/** Convention 1: stop it and let run return first. history: since 0.1 */
FLASHSALE_API void flashsale_worker_destroy(flashsale_worker_t** worker);

#ifdef __cplusplus
}
#endif

#endif
