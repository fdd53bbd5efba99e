package outcome

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// The table as users know it. A code that changes here breaks somebody's script.
func TestCodes(t *testing.T) {
	for _, c := range []struct {
		outcome Outcome
		stop    Stop
		code    int
	}{
		{outcome: OK, code: 0},
		{outcome: Failed, code: 1},
		{outcome: Refused, code: 3},
		{outcome: Withdrawn, code: 4},
		{outcome: Tainted, code: 5},
		{outcome: Unverified, code: 6},
		{outcome: Unsynced, code: 7},
		{outcome: Usage, code: 64},
		{outcome: TimedOut, code: 124},
		{outcome: Signalled, stop: Stop{"SIGHUP", 1}, code: 129},
		{outcome: Signalled, stop: Stop{"SIGINT", 2}, code: 130},
		{outcome: Signalled, stop: Stop{"SIGQUIT", 3}, code: 131},
		{outcome: Signalled, stop: Stop{"SIGTERM", 15}, code: 143},
		{outcome: Signalled, stop: Stop{"SIGWINCH", 28}, code: 156},
		{outcome: Refused, stop: Stop{"SIGTERM", 15}, code: 3}, // the signal is only why
		{outcome: Signalled, code: 1},                          // by no signal
		{outcome: "unheard of", code: 1},
	} {
		if got := c.outcome.Code(c.stop); got != c.code {
			t.Errorf("%s by %+v: exit code %d, want %d", c.outcome, c.stop, got, c.code)
		}
	}
}

// A code and its outcome are the same, whichever one is asked for, and no other code has one.
func TestOfCode(t *testing.T) {
	known := []int{0, 1, 3, 4, 5, 6, 7, 64, 124, 129, 130, 131, 138, 140, 143, 156, 165}
	for code := -1; code <= 256; code++ {
		o, stop := OfCode(code)
		if (o != "") != slices.Contains(known, code) {
			t.Errorf("%d means %q: it is in the table and not in known, or the other way round", code, o)
		}
		if got := o.Code(stop); o != "" && got != code {
			t.Errorf("%d means %q, whose code is %d", code, o, got)
		}
		if (o == Signalled) != (stop.Name != "") {
			t.Errorf("%d means %q, %v", code, o, stop)
		}
	}
}

// Every word has a row, and each row tells.
func TestTableIsWhole(t *testing.T) {
	source, err := os.ReadFile("outcome.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\t\w+\s+Outcome = "(.+)"`).FindAllSubmatch(source, -1)
	if len(declared) != len(Table()) {
		t.Errorf("%d words and %d rows", len(declared), len(Table()))
	}
	for _, m := range declared {
		o := Outcome(m[1])
		if r := row(o); r.Outcome != o || r.Meaning == "" || r.Copy == "" || (r.Next == "") != (o == OK) ||
			o.Meaning() != r.Meaning ||
			o.Next() != r.Next {
			t.Errorf("%s: %+v", o, r)
		}
	}
}
