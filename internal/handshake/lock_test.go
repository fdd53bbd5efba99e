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

// locks are all locks that a claim can have.
func locks() []Lock {
	all := []Lock{{}}
	for _, run := range []string{ourRun, otherRun} {
		for _, state := range []LockState{Held, Lost, Cleanup} {
			all = append(all, Lock{run, state})
		}
	}
	return all
}

func TestLockAsText(t *testing.T) {
	for text, want := range map[string]Lock{
		"":              {},
		ourRun:          {ourRun, Held},
		"run-1/lost":    {ourRun, Lost},
		"run-1/cleanup": {ourRun, Cleanup},
	} {
		if got := ParseLock(text); got != want || got.String() != text {
			t.Errorf("%q: got %+v, which is written %q", text, got, got)
		}
	}
	if got := ParseLock("run-1/of-a-later-version"); got != (Lock{ourRun, Lost}) {
		t.Errorf("a state that is not known: got %+v", got)
	}
}

// Every answer to "may this run quiesce?".
func TestTakeLock(t *testing.T) {
	for _, l := range locks() {
		want := Decision{Do: End, Outcome: outcome.Refused}
		switch {
		case l.State == Free:
			want = Decision{Do: Write, Outcome: outcome.OK}
		case l.Run == ourRun:
			want.Outcome = outcome.Tainted
		case l.State == Cleanup:
			want = Decision{Do: Look}
		}
		d := TakeLock(Claim{Lock: l}, ourRun)
		if d.Do != want.Do || d.Outcome != want.Outcome || d.Why == "" || d.Do == End && d.Hint == "" {
			t.Errorf("locked by %q: got %+v", l, d)
		}
		if strings.Contains(d.Why+d.Hint, "/") { // which no command takes for a run's id
			t.Errorf("locked by %q: says %+v", l, d)
		}
	}
}

// Without its lock no decision of a run is OK, nor a write; what is not OK, or not the end,
// stays as it is.
func TestWithLock(t *testing.T) {
	outcomes := []outcome.Outcome{outcome.OK, outcome.Refused, outcome.Withdrawn, outcome.Tainted, outcome.Unverified}
	for _, do := range []Do{Look, Write, End} {
		for _, end := range outcomes {
			for _, l := range locks() {
				was := Decision{Do: do, Outcome: end, Value: "x", Why: "why"}
				got := WithLock(was, Claim{Lock: l}, ourRun)
				want := outcome.Unverified
				switch {
				case l == Lock{ourRun, Held} || do == Look || do == End && end != outcome.OK:
					if got != was {
						t.Errorf("%v %s, locked by %q: got %+v", do, end, l, got)
					}
					continue
				case do == Write:
					want = outcome.Refused
				}
				if got.Do != End || got.Outcome != want || got.Hint == "" {
					t.Errorf("%v %s, locked by %q: got %+v, want %s", do, end, l, got, want)
				}
				if strings.Contains(got.Why, "/") {
					t.Errorf("locked by %q: says %q", l, got.Why)
				}
			}
		}
	}
}

func TestUnlock(t *testing.T) {
	for _, l := range locks() {
		want := End
		if l.State != Free && l.Run == ourRun {
			want = Write
		}
		if d := Unlock(Claim{Lock: l}, ourRun); d.Do != want || d.Outcome != outcome.OK || d.Value != "" || d.Why == "" {
			t.Errorf("locked by %q: got %+v", l, d)
		}
	}
}

// A claim whose application may be quiesced stays locked; only before a cleanup that found it
// free the run had quiesced nothing.
func TestUnlockAfterAFailedUnquiesce(t *testing.T) {
	for _, l := range locks() {
		p, d := (&Unlocking{Run: ourRun, MayBeFrozen: true}).Next(World{Claim: Claim{Lock: l}})
		if cleanup := l == (Lock{ourRun, Cleanup}); p.Empty() == cleanup || (d.Outcome == outcome.OK) != cleanup {
			t.Errorf("locked by %q: got %+v, %+v", l, p, d)
		}
	}
}
