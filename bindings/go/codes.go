package flashsale

// #include <flashsale/flashsale.h>
import "C"

import (
	"strconv"
	"sync"
	"unsafe"
)

// Outcome is what a healthy sale answers every day. Zero is none.
type Outcome int32

const (
	Reserved         Outcome = C.FLASHSALE_RESERVED          // of Reserve: won just now
	AlreadyReserved  Outcome = C.FLASHSALE_ALREADY_RESERVED  // this request won before; same order
	Confirmed        Outcome = C.FLASHSALE_CONFIRMED         // of Confirm
	AlreadyConfirmed Outcome = C.FLASHSALE_ALREADY_CONFIRMED // of every verb
	Released         Outcome = C.FLASHSALE_RELEASED          // of Release
	AlreadyReleased  Outcome = C.FLASHSALE_ALREADY_RELEASED  // of every verb
	Expired          Outcome = C.FLASHSALE_EXPIRED           // of every verb: the hold ran out; the units go back
	Pending          Outcome = C.FLASHSALE_PENDING           // decided, but below the level asked for yet; has the order
	NotReserved      Outcome = C.FLASHSALE_NOT_RESERVED      // of all but Reserve: this request holds nothing
	Dead             Outcome = C.FLASHSALE_DEAD              // the worker set this order aside, for an operator
	NotStarted       Outcome = C.FLASHSALE_NOT_STARTED       // of Reserve: see RetryAfter
	Paused           Outcome = C.FLASHSALE_PAUSED            // of Reserve: see Reason and RetryAfter
	Ended            Outcome = C.FLASHSALE_ENDED             // of Reserve
	LimitReached     Outcome = C.FLASHSALE_LIMIT_REACHED     // of Reserve: the buyer would hold more than the item's limit
	SoldOut          Outcome = C.FLASHSALE_SOLD_OUT          // of Reserve: fewer units are left than asked for
)

// HoldsStock tells whether the buyer holds units by this outcome.
func (o Outcome) HoldsStock() bool { return codes().holdsStock[o] }
func (o Outcome) String() string   { return name("outcome", int32(o)) }

// Verb is what a call asks a gate to do.
type Verb int32

const (
	VerbReserve Verb = C.FLASHSALE_VERB_RESERVE
	VerbConfirm Verb = C.FLASHSALE_VERB_CONFIRM
	VerbRelease Verb = C.FLASHSALE_VERB_RELEASE
	VerbResolve Verb = C.FLASHSALE_VERB_RESOLVE
	VerbStatus  Verb = C.FLASHSALE_VERB_STATUS
)

func (v Verb) String() string { return name("verb", int32(v)) }

// Level is how durable an answer is.
type Level int32

const (
	LevelUsual    Level = C.FLASHSALE_LEVEL_USUAL    // asks for the gate's default; in no answer
	LevelPrimary  Level = C.FLASHSALE_LEVEL_PRIMARY  // the Redis primary answered: a failover can forget it
	LevelReplicas Level = C.FLASHSALE_LEVEL_REPLICAS // every promotable replica has it
	LevelDatabase Level = C.FLASHSALE_LEVEL_DATABASE // it is committed in the database
)

func (l Level) String() string { return name("level", int32(l)) }

// Reason is why a sale is paused.
type Reason int32

const (
	ReasonNone     Reason = C.FLASHSALE_REASON_NONE
	ReasonOperator Reason = C.FLASHSALE_REASON_OPERATOR
	ReasonFenced   Reason = C.FLASHSALE_REASON_FENCED // Redis lost its history: the worker reconciles
	ReasonDraining Reason = C.FLASHSALE_REASON_DRAINING
)

func (r Reason) String() string { return name("reason", int32(r)) }

// State is where a sale stands.
type State int32

const (
	StateCreating State = C.FLASHSALE_STATE_CREATING
	StateCreated  State = C.FLASHSALE_STATE_CREATED
	StateOpen     State = C.FLASHSALE_STATE_OPEN
	StatePaused   State = C.FLASHSALE_STATE_PAUSED
	StateDraining State = C.FLASHSALE_STATE_DRAINING
	StateClosed   State = C.FLASHSALE_STATE_CLOSED
	StateRetired  State = C.FLASHSALE_STATE_RETIRED
)

func (s State) String() string { return name("state", int32(s)) }

// Queue is how won orders leave Redis.
type Queue int32

const (
	QueueJournal Queue = C.FLASHSALE_QUEUE_JOURNAL // exactly once into the sink
	QueueList    Queue = C.FLASHSALE_QUEUE_LIST    // a plain list, at least once
)

func (q Queue) String() string { return name("queue", int32(q)) }

// Role is which node a read asks.
type Role int32

const (
	RolePrimary Role = C.FLASHSALE_ROLE_PRIMARY
	RoleReplica Role = C.FLASHSALE_ROLE_REPLICA // the primary, where no replica is fit
)

func (r Role) String() string { return name("role", int32(r)) }

// LogLevel is how much a log line matters.
type LogLevel int32

const (
	LogInfo    LogLevel = C.FLASHSALE_LOG_INFO
	LogWarning LogLevel = C.FLASHSALE_LOG_WARNING
	LogAlarm   LogLevel = C.FLASHSALE_LOG_ALARM
)

func (l LogLevel) String() string { return name("log", int32(l)) }

// Fate is what was decided about an order that was set aside.
type Fate int32

const (
	FateDead    Fate = C.FLASHSALE_FATE_DEAD    // nothing yet
	FateRetried Fate = C.FLASHSALE_FATE_RETRIED // it is an order again
	FateDropped Fate = C.FLASHSALE_FATE_DROPPED // it is given up, its units are for sale again
)

func (f Fate) String() string { return name("fate", int32(f)) }

// codeTable is the library's own table of its constants, so that a name has one spelling in every language.
type codeTable struct {
	names      map[string]map[int32]string // by kind
	holdsStock map[Outcome]bool
}

var (
	readCodes sync.Once
	allCodes  codeTable
)

func codes() *codeTable {
	readCodes.Do(func() {
		var count C.size_t
		rows := C.flashsale_codes(&count)
		allCodes = codeTable{map[string]map[int32]string{}, map[Outcome]bool{}}
		for _, row := range unsafe.Slice(rows, int(count)) {
			kind := C.GoString(row.kind)
			if allCodes.names[kind] == nil {
				allCodes.names[kind] = map[int32]string{}
			}
			allCodes.names[kind][int32(row.value)] = C.GoString(row.name)
			if kind == "outcome" {
				allCodes.holdsStock[Outcome(row.value)] = row.holds_stock != 0
			}
		}
	})
	return &allCodes
}

func name(kind string, value int32) string {
	if known := codes().names[kind][value]; known != "" {
		return known
	}
	return kind + " " + strconv.Itoa(int(value)) // of a newer library
}
