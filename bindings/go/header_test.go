package flashsale

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// What flashsale.h has and this package does without, by design.
var without = map[string]string{
	"flashsale_abi":                "the linker compares it: it is in the library's SONAME",
	"flashsale_version":            "Version is its text",
	"flashsale_error_name":         "ErrorCode.Error says it",
	"flashsale_error_is_retryable": "Error.Retryable knows it of its code and effect",
	"flashsale_gate_create":        "C.flashsale_gate_create_with_sink without one",
	"flashsale_gate_reserve":       "Reserve is a submit, so that no thread waits in it",
	"flashsale_completions_wake":   "the poller is woken by its file's deadline",

	"FLASHSALE_FLASHSALE_H":    "of the C compiler",
	"FLASHSALE_API":            "of the C compiler",
	"FLASHSALE_ABI":            "the linker compares it, and C.flashsale_options_create is given it",
	"FLASHSALE_VERSION":        "of the header; Version is the library's",
	"FLASHSALE_TEXT":           "string literals of C",
	"FLASHSALE_SET":            "string literals of C",
	"FLASHSALE_CALL_INIT":      "C.sizeof_flashsale_call_t",
	"FLASHSALE_ANSWER_INIT":    "C.sizeof_flashsale_answer_t",
	"FLASHSALE_STATUS_INIT":    "C.sizeof_flashsale_status_t",
	"FLASHSALE_REPORT_INIT":    "C.sizeof_flashsale_report_t",
	"FLASHSALE_OPTION_INIT":    "C.sizeof_flashsale_option_t",
	"FLASHSALE_ID_CAPACITY":    "cgo knows the arrays' lengths",
	"FLASHSALE_ORDER_CAPACITY": "cgo knows the arrays' lengths",

	"flashsale_code_t":         "the table behind every String method",
	"flashsale_event_t.tag":    "which waiter it is for",
	"flashsale_event_t.effect": "Error.Effect",
	"flashsale_event_t.code":   "Answer.Outcome, or Error.Code",
	"flashsale_answer_t.order": "OrderID.String",
	"flashsale_call_t.timeout": "the context's",
	"flashsale_call_t.tag":     "which waiter it is for",
}

// What has another name here.
var renamed = map[string]string{
	"flashsale_status_t.at_epoch":        "At",
	"flashsale_status_t.at_seq":          "At",
	"flashsale_status_t.watermark_epoch": "Watermark",
	"flashsale_status_t.watermark_seq":   "Watermark",
	"flashsale_status_t.item_count":      "Items",
	"flashsale_option_t.default_value":   "Default",
	"flashsale_item_t.item":              "ID",
	"flashsale_audit_item_t.item":        "ID",
}

var structs = map[string][]reflect.Type{
	"flashsale_call_t":       {reflect.TypeOf(Call{})},
	"flashsale_answer_t":     {reflect.TypeOf(Answer{}), reflect.TypeOf(OrderID{})},
	"flashsale_event_t":      {reflect.TypeOf(Answer{}), reflect.TypeOf(OrderID{})},
	"flashsale_status_t":     {reflect.TypeOf(Status{})},
	"flashsale_item_t":       {reflect.TypeOf(ItemStatus{})},
	"flashsale_dead_t":       {reflect.TypeOf(DeadOrder{})},
	"flashsale_audit_item_t": {reflect.TypeOf(AuditItem{})},
	"flashsale_report_t":     {reflect.TypeOf(Report{})},
	"flashsale_option_t":     {reflect.TypeOf(Option{})},
}

func header(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../include/flashsale/flashsale.h")
	check(t, err)
	return string(text)
}

// source is the package's own text, without its tests.
func source(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	check(t, err)
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		check(t, err)
		all.Write(text)
	}
	return all.String()
}

func find(pattern, text string) [][]string {
	return regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
}

func TestEveryFunctionAndConstantOfTheHeaderIsUsedOrListed(t *testing.T) {
	text, ours := header(t), source(t)
	functions := find(`(?m)^FLASHSALE_API [^;(]*?\b(flashsale_\w+)\(`, text)
	want(t, "functions read", len(functions), strings.Count(text, "\nFLASHSALE_API "))
	constants := find(`\b(FLASHSALE_[A-Z_]+) = -?\d`, text)
	if len(functions) < 60 || len(constants) < 60 {
		t.Fatal("the header was not read whole")
	}
	names := append(append(functions, constants...), find(`(?m)^#define (\w+)`, text)...)
	for _, name := range names {
		used := regexp.MustCompile(`\bC\.` + name[1] + `\b`).MatchString(ours)
		if reason := without[name[1]]; used == (reason != "") && name[1] != "FLASHSALE_ABI" {
			t.Errorf("%s is used: %v, and listed as not: %q", name[1], used, reason)
		}
	}
}

func TestEveryFieldOfEveryStructHasItsCounterpart(t *testing.T) {
	found := 0
	for _, match := range find(`(?ms)^typedef struct (\w+) \{\n(.*?)^\}`, header(t)) {
		found++
		name, body := match[1], regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(match[2], "")
		if without[name] != "" {
			continue
		}
		if structs[name] == nil {
			t.Errorf("%s has no type", name)
			continue
		}
		for _, field := range find(`(\w+)(?:\[\w+\])?;`, body) {
			if !has(structs[name], name, field[1]) {
				t.Errorf("%s.%s has no field", name, field[1])
			}
		}
	}
	want(t, "structs read", found, len(structs)+1)
}

// has tells whether a field of C has one here, of the same name but for its case and its unit.
func has(kinds []reflect.Type, record, field string) bool {
	if field == "struct_size" || field == "reserved" || strings.HasSuffix(field, "_size") {
		return true // lengths are the strings' own
	}
	field = strings.TrimSuffix(field, "_ms")
	if without[record+"."+field] != "" {
		return true
	}
	name := renamed[record+"."+field]
	for _, kind := range kinds {
		for i := 0; i < kind.NumField(); i++ {
			own := kind.Field(i).Name
			if own == name || strings.EqualFold(own, strings.ReplaceAll(field, "_", "")) {
				return true
			}
		}
	}
	return false
}

func TestEveryOutcomeErrorAndOptionOfTheLibraryIsReachable(t *testing.T) {
	names := source(t)
	for kind, values := range codes().names {
		for value, name := range values {
			word := "FLASHSALE_" + strings.ToUpper(map[string]string{"outcome": "", "error": "e_"}[kind]+name)
			if kind != "outcome" && kind != "error" {
				word = "FLASHSALE_" + strings.ToUpper(kind+"_"+name)
			}
			if !strings.Contains(names, "C."+word) {
				t.Errorf("%s %s (%d) is not here", kind, name, value)
			}
		}
	}
	owners := map[string]bool{}
	for _, option := range DescribeOptions() {
		owners[strings.Split(option.Name, ".")[0]] = true
	}
	for _, owner := range []string{"pool", "gate", "controller", "worker", "sale"} {
		want(t, "options of "+owner, owners[owner], true)
		delete(owners, owner)
	}
	want(t, "owners of options that nothing takes", len(owners), 0)
	terms := source(t)
	for _, option := range DescribeOptions() {
		if name := strings.TrimPrefix(option.Name, "sale."); name != option.Name &&
			!strings.Contains(terms, `"`+name+`"`) && !strings.Contains(terms, `"`+option.Name+`"`) {
			t.Errorf("Sale has no %s", option.Name)
		}
	}
}
