package handshake

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

const (
	ourRun   = "run-1"
	otherRun = "run-2"
)

// Every answer to "may this run quiesce?".
func TestLock(t *testing.T) {
	for by, want := range map[string]struct {
		do      Do
		outcome outcome.Outcome
	}{"": {Write, outcome.OK}, otherRun + "/clean-up": {Look, ""}, ourRun + "/clean-up": {End, outcome.Tainted}, ourRun: {End, outcome.Tainted}, ourRun + "/lost": {End, outcome.Tainted}, otherRun: {End, outcome.Refused}, otherRun + "/lost": {End, outcome.Refused}} {
		d := Lock(Claim{LockedBy: by}, ourRun)
		if d.Do != want.do || d.Outcome != want.outcome || d.Why == "" || d.Do == End && d.Hint == "" {
			t.Errorf("locked by %q: got %+v", by, d)
		}
		if strings.Contains(d.Why+d.Hint, "/lost") { // which no command takes for a run's id
			t.Errorf("locked by %q: says %+v", by, d)
		}
	}
}

// Without its lock no decision of a run is OK, nor a write; what is not OK, or not the end,
// stays as it is.
func TestLocked(t *testing.T) {
	for _, do := range []Do{Look, Write, End} {
		for _, end := range []outcome.Outcome{outcome.OK, outcome.Refused, outcome.Withdrawn, outcome.Tainted, outcome.Unverified} {
			for _, by := range []string{"", ourRun, ourRun + "/lost", otherRun} {
				was := Decision{Do: do, Outcome: end, Value: "x", Why: "why"}
				got := Locked(was, Claim{LockedBy: by}, ourRun)
				want := outcome.Unverified
				switch {
				case by == ourRun || do == Look || do == End && end != outcome.OK:
					if got != was {
						t.Errorf("%v %s, locked by %q: got %+v", do, end, by, got)
					}
					continue
				case do == Write:
					want = outcome.Refused
				}
				if got.Do != End || got.Outcome != want || got.Hint == "" {
					t.Errorf("%v %s, locked by %q: got %+v, want %s", do, end, by, got, want)
				}
			}
		}
	}
}

func TestUnlock(t *testing.T) {
	for by, want := range map[string]Do{"": End, ourRun: Write, otherRun: End} {
		if d := Unlock(Claim{LockedBy: by}, ourRun); d.Do != want || d.Outcome != outcome.OK || d.Value != "" || d.Why == "" {
			t.Errorf("locked by %q: got %+v", by, d)
		}
	}
}
