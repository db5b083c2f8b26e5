package flashsale

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestEveryConstantHasTheLibrarysName(t *testing.T) {
	for _, row := range []struct {
		names string
		value func(int32) fmt.Stringer
		first int32
	}{
		{"reserved already_reserved confirmed already_confirmed released already_released expired pending not_reserved " +
			"dead not_started paused ended limit_reached sold_out",
			func(v int32) fmt.Stringer { return Outcome(v) }, int32(Reserved)},
		{"reserve confirm release resolve status", func(v int32) fmt.Stringer { return Verb(v) }, int32(VerbReserve)},
		{"usual primary replicas database", func(v int32) fmt.Stringer { return Level(v) }, int32(LevelUsual)},
		{"none operator fenced draining", func(v int32) fmt.Stringer { return Reason(v) }, int32(ReasonNone)},
		{"creating created open paused draining closed retired",
			func(v int32) fmt.Stringer { return State(v) }, int32(StateCreating)},
		{"journal list", func(v int32) fmt.Stringer { return Queue(v) }, int32(QueueJournal)},
		{"primary replica", func(v int32) fmt.Stringer { return Role(v) }, int32(RolePrimary)},
		{"info warning alarm", func(v int32) fmt.Stringer { return LogLevel(v) }, int32(LogInfo)},
		{"dead retried dropped", func(v int32) fmt.Stringer { return Fate(v) }, int32(FateDead)},
		{"none unknown", func(v int32) fmt.Stringer { return Effect(v) }, int32(EffectNone)},
	} {
		for i, name := range strings.Fields(row.names) {
			want(t, "name", row.value(row.first+int32(i)).String(), name)
		}
	}
	errorNames := "invalid_argument not_found conflict busy timed_out disconnected refused lost unsupported protocol " +
		"closed forked internal"
	for i, name := range strings.Fields(errorNames) {
		want(t, "name", (ErrInvalidArgument - ErrorCode(i)).Error(), name)
	}
	want(t, "last error", ErrInternal, ErrInvalidArgument-12)
	want(t, "last outcome", SoldOut, Reserved+14)
	want(t, "an outcome of a newer library", Outcome(99).String(), "outcome 99")
	for outcome := Outcome(-1); outcome < 20; outcome++ {
		holds := outcome >= Reserved && outcome <= AlreadyConfirmed
		want(t, outcome.String()+" holds stock", outcome.HoldsStock(), holds)
	}
}

func TestAnErrorIsItsCodeItsEffectAndItsCause(t *testing.T) {
	err := fmt.Errorf("buying: %w", ended(context.Canceled, EffectUnknown))
	for _, target := range []error{ErrTimedOut, ErrUnknown, context.Canceled} {
		want(t, target.Error(), errors.Is(err, target), true)
	}
	want(t, "busy", errors.Is(err, ErrBusy), false)
	var failure *Error
	want(t, "as", errors.As(err, &failure), true)
	want(t, "retryable", failure.Retryable(), true)
	want(t, "text", failure.Error(), "flashsale: timed_out (effect unknown): context canceled")
	want(t, "retryable", (&Error{Code: ErrConflict}).Retryable(), false)
}

func TestOptionsCanBeEnumerated(t *testing.T) {
	for _, option := range DescribeOptions() {
		if option.Name == "gate.lanes" {
			want(t, "lanes", option.Type+" "+option.Default, "integer 2")
			want(t, "least", option.Least, 1)
			return
		}
	}
	t.Fatal("gate.lanes is not among the options")
}

func TestMetricsCountTheAnswers(t *testing.T) {
	s := openShop(t, usual)
	_, err := s.gate.Reserve(background, s.call("ann", "click-1"))
	check(t, err)
	text, err := MetricsText()
	check(t, err)
	if !strings.Contains(text, "# TYPE flashsale_") || !strings.Contains(text, "reserved") {
		t.Fatal(text)
	}
	want(t, "version", strings.Count(Version(), "."), 2)
}

func TestLogLinesComeUntilTheContextEnds(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	ctx, cancel := context.WithCancel(background)
	ended := make(chan error, 1)
	go func() {
		ended <- Log(ctx, func(level LogLevel, line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, level.String()+" "+line)
		})
	}()
	sink := Must(NewSink(filepath.Join(t.TempDir(), "orders.db")))
	worker := Must(NewWorker(Must(NewPool("redis+unix:///nowhere/redis.sock")), sink, Options{"worker.sales": "spring"}))
	defer worker.Close()
	go func() { _ = worker.Run(ctx) }()
	eventually(t, "a line tells what the worker waits for", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lines) > 0
	})
	want(t, "a second Log is busy", errors.Is(Log(ctx, func(LogLevel, string) {}), ErrBusy), true)
	cancel()
	check(t, <-ended)
	if !strings.HasPrefix(lines[0], "warning sale spring: waiting: ") {
		t.Fatal(lines[0])
	}
}
