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
			all = append(all, Lock{run, state, "p"}, Lock{run, state, "p/c"}, Lock{run, state, ""})
		}
	}
	return all
}

func TestLockAsText(t *testing.T) {
	for text, want := range map[string]Lock{
		"":                  {},
		"run-1/held":        {ourRun, Held, ""},
		"run-1/held/p":      {ourRun, Held, "p"},
		"run-1/lost":        {ourRun, Lost, ""},
		"run-1/lost/p/c":    {ourRun, Lost, "p/c"},
		"run-1/cleanup/c-9": {ourRun, Cleanup, "c-9"},
	} {
		if got := ParseLock(text); got != want || got.String() != text {
			t.Errorf("%q: got %+v, which is written %q", text, got, got)
		}
	}
	for text, want := range map[string]Lock{
		"/":                          {},
		"/lost/p":                    {},
		ourRun:                       {ourRun, Held, ""},
		"run-1/of-a-later-version/p": {ourRun, Lost, ""},
	} {
		if got := ParseLock(text); got != want {
			t.Errorf("%q: got %+v", text, got)
		}
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
				case l.Run == ourRun && l.State == Held || do == Look || do == End && end != outcome.OK:
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

// A process takes off only itself. When the run's own is off, it is known to have ended.
func TestUnlock(t *testing.T) {
	for _, c := range []struct {
		by, off string
		own     bool
		left    string
	}{
		{"", "c", true, ""},
		{"run-1/held/p", "p", false, ""},
		{"run-1/held/p", "", true, ""},
		{"run-1/held", "", true, ""},
		{"run-1/held/p", "c", false, "run-1/held/p"},
		{"run-1/lost/p", "", true, ""},
		{"run-1/lost/p/c", "", true, "run-1/cleanup/c"},
		{"run-1/lost/p/c", "p", false, "run-1/cleanup/c"},
		{"run-1/lost/p/c", "c", false, "run-1/lost/p"},
		{"run-1/lost/p/c", "c", true, ""},
		{"run-1/lost/p/c/d", "p/c", false, "run-1/cleanup/d"},
		{"run-1/lost/p/c/d", "d", true, "run-1/cleanup/c"},
		{"run-1/cleanup/c", "", true, "run-1/cleanup/c"},
		{"run-1/cleanup/c", "c", false, ""},
		{"run-1/cleanup/c/d", "c", true, "run-1/cleanup/d"},
		{"run-2/lost/p/c", "p/c", true, "run-2/lost/p/c"},
	} {
		u := Unlocking{Run: ourRun, Off: c.off, Own: c.own}
		p, d := u.Next(Observed{Claim: Claim{Lock: ParseLock(c.by)}})
		if got := p.To.Lock.String(); got != c.left || d.Outcome != outcome.OK || d.Why == "" {
			t.Errorf("%+v: left %q, %+v", c, got, d)
		}
		if p.Empty() != (c.by == c.left) {
			t.Errorf("%+v: writes %+v", c, p)
		}
	}
}

// A claim whose application may be quiesced stays locked; only before a cleanup that found it
// free the run had quiesced nothing.
func TestUnlockAfterAFailedUnquiesce(t *testing.T) {
	for _, by := range []string{"run-1/held/p", "run-1/lost/p", "run-1/lost/p/c", "run-1/cleanup/c"} {
		l := ParseLock(by)
		u := Unlocking{Run: ourRun, Off: "c", Own: true, MayBeFrozen: true}
		p, d := u.Next(Observed{Claim: Claim{Lock: l}})
		if cleanup := l.State == Cleanup; p.Empty() == cleanup || (d.Outcome == outcome.OK) != cleanup {
			t.Errorf("locked by %q: got %+v, %+v", l, p, d)
		}
	}
}

// A process that lets the application run is an owner of the lock, and never ends another run's
// freeze.
func TestUnquiescing(t *testing.T) {
	for by, want := range map[string]string{
		"run-1/held/p": "run-1/held/p", "run-1/lost/p": "run-1/lost/p", "run-1/lost/c/p": "run-1/lost/c/p",
		"run-1/cleanup/p": "run-1/cleanup/p",
		"":                "run-1/cleanup/p", // somebody has taken it off
		"run-1/held/c":    "",                // of another attempt
		"run-1/lost/pp/c": "run-1/lost/pp/c/p", "run-1/cleanup/c": "run-1/cleanup/c/p",
		"run-2/lost/p": "", "run-2/held/p": "", "run-2/cleanup/p": "",
	} {
		u := Unquiescing{Run: ourRun, Process: "p"}
		p, d := u.Next(Observed{Claim: Claim{Lock: ParseLock(by)}})
		if (d.Outcome == outcome.OK) != (want != "") || d.Why == "" || p.Empty() != (want == "" || want == by) {
			t.Errorf("locked by %q: got %+v, %+v", by, p, d)
		}
		if got := p.To.Lock.String(); want != "" && got != want {
			t.Errorf("locked by %q: then by %q, want %q", by, got, want)
		}
	}
}

func TestOwner(t *testing.T) {
	for owner, want := range map[string]int{
		"1f2e": -1, "1f2e-750s": 750, "x-0s": 0, "disarm": -1, "x-": -1, "x--1s": -1, "x-y": -1,
	} {
		if got, limited := OwnerSeconds(owner); limited != (want >= 0) || got != max(want, 0) {
			t.Errorf("%s: got %d, %t", owner, got, limited)
		}
	}
	if got := Owner("p", 750); got != "p-750s" {
		t.Errorf("got %q", got)
	}
}
