package handshake

import (
	"cmp"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

const ourTrigger = ourRun + ".0123456789abcdef"

// ended is a claim of a run that has ended, still locked by it.
func ended(state LockState, latest string) Claim {
	return Claim{
		UID: "u", Enabled: true, Latest: latest, Trigger: latest, Status: StatusCompleted,
		Lock: Lock{ourRun, state, "p"}, LastGood: "2026-01-01T00:00:00Z",
	}
}

func TestUnlockKeepsHowTheRunEnded(t *testing.T) {
	ok := LastRun{Run: ourRun, Outcome: "ok", CutTime: "2026-01-02T03:04:06Z", FreezeSeconds: 1.5}
	for _, c := range []struct {
		name       string
		claim      Claim
		last       LastRun
		run, good  string // that are kept; "" for what was there
		notWritten bool
	}{
		{
			name: "a good run", claim: ended(Held, ourTrigger), last: ok, good: "2026-01-02T03:04:06Z",
			run: `{"run":"run-1","outcome":"ok","trigger":"run-1.0123456789abcdef",` +
				`"cutTime":"2026-01-02T03:04:06Z","freezeSeconds":1.5}`,
		},
		{
			name:  "nobody knows when the storage cut it",
			claim: ended(Held, ourTrigger), good: "2026-01-02T03:04:05Z",
			last: LastRun{Run: ourRun, Outcome: "ok", Around: "2026-01-02T03:04:05Z"},
			run:  `{"run":"run-1","outcome":"ok","trigger":"run-1.0123456789abcdef"}`,
		},
		{
			name: "ok, and VolSync has recorded another trigger", claim: ended(Held, "somebody-else"), last: ok,
			run: `{"run":"run-1","outcome":"unverified","cutTime":"2026-01-02T03:04:06Z","freezeSeconds":1.5}`,
		},
		{
			name: "nobody says how", claim: ended(Held, ourTrigger), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","trigger":"run-1.0123456789abcdef"}`,
		},
		{
			name: "lost before VolSync recorded it", claim: ended(Lost, "the-night-before"), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","outcome":"withdrawn"}`,
		},
		{
			name: "lost, and VolSync has recorded it", claim: ended(Lost, ourTrigger), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","outcome":"unverified","trigger":"run-1.0123456789abcdef"}`,
		},
		{name: "a cleanup of a run that ended before", claim: ended(Cleanup, ourTrigger), last: LastRun{Run: ourRun}},
		{name: "nobody asks for it", claim: ended(Held, ourTrigger)},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := Unlocking{Run: ourRun, Off: "p", Last: c.last}
			p, d := u.Next(Observed{Claim: c.claim})
			if d.Do != Write || !p.SetLock || p.To.Lock != (Lock{}) {
				t.Fatalf("got %+v, %+v", p, d)
			}
			want := map[string]string{LockAnnotation: ""}
			if c.run != "" {
				want[LastRunAnnotation], want[LastGoodAnnotation] = c.run, cmp.Or(c.good, c.claim.LastGood)
			}
			got := p.Annotations()
			for key := range want {
				if got[key] != want[key] {
					t.Errorf("%s: got %s, want %s", key, got[key], want[key])
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Only the run's own end is kept: not that of a cleanup beside it, nor of another run.
func TestOthersUnlockKeepsNothing(t *testing.T) {
	claim := ended(Held, ourTrigger)
	claim.Lock.Owners = "p/c"
	for name, u := range map[string]Unlocking{
		"a cleanup": {Run: ourRun, Off: "c", Last: LastRun{Run: ourRun, Outcome: "ok"}},
		"a run":     {Run: otherRun, Off: "p", Last: LastRun{Run: otherRun, Outcome: "ok"}},
	} {
		if p, _ := u.Next(Observed{Claim: claim}); p.SetLastRun {
			t.Errorf("%s: got %q", name, p.Annotations())
		}
	}
}

// A policy that forbids the annotation must not keep the claim locked.
func TestUnlockWithoutWhatIsRefused(t *testing.T) {
	for _, c := range []struct {
		reply          Reply
		passing, again bool
		kept           bool
	}{
		{reply: NotWritten, again: true},
		{reply: NotWritten, passing: true, kept: true},
		{reply: Conflict, again: true, kept: true},
		{reply: Unknown, kept: true},
		{reply: Written, kept: true},
	} {
		u := Unlocking{Run: ourRun, Off: "p", Last: LastRun{Run: ourRun, Outcome: "ok"}}
		if again := u.Replied(c.reply, c.passing); again != c.again {
			t.Errorf("reply %v: looks again: %v", c.reply, again)
		}
		if p, _ := u.Next(Observed{Claim: ended(Held, ourTrigger)}); p.SetLastRun != c.kept || !p.SetLock {
			t.Errorf("reply %v: got %+v", c.reply, p)
		}
	}
	if u := (Unlocking{Run: ourRun, Off: "p"}); u.Replied(NotWritten, false) {
		t.Error("it looks again although nothing can be left out")
	}
}

func TestKeeping(t *testing.T) {
	later := LastRun{Run: ourRun, Outcome: "ok", Trigger: ourTrigger, CutTime: "2026-01-02T03:04:06Z"}
	for _, c := range []struct {
		name, was, want string
	}{
		{name: "its own", was: `{"run":"run-1","trigger":"run-1.0123456789abcdef"}`, want: later.String()},
		{name: "as it is already", was: later.String()},
		{name: "another run's", was: `{"run":"run-2","outcome":"ok"}`},
		{name: "none"},
	} {
		claim := ended(Held, ourTrigger)
		claim.Lock, claim.LastRun = Lock{otherRun, Held, "q"}, c.was
		p, d := (&Keeping{Last: later}).Next(Observed{Claim: claim})
		if got := p.Annotations()[LastRunAnnotation]; got != c.want || p.SetLock || (d.Do == Write) != (c.want != "") {
			t.Errorf("%s: got %+v, %+v", c.name, p, d)
		}
	}
	if k := (&Keeping{}); !k.Replied(Conflict, true) || k.Replied(Unknown, true) || k.Replied(Written, true) {
		t.Error("it looks again after a conflict alone")
	}
}

func TestLastRunIsGood(t *testing.T) {
	l := LastRun{Run: ourRun, Outcome: string(outcome.OK), Trigger: ourTrigger}
	if !l.Good(Claim{Latest: ourTrigger}) {
		t.Error("a good run is not")
	}
	for name, bad := range map[string]LastRun{
		"outcome": {Run: ourRun, Outcome: "tainted", Trigger: ourTrigger}, "trigger": {Run: ourRun, Outcome: "ok"},
	} {
		if bad.Good(Claim{Latest: ourTrigger}) || bad.Good(Claim{}) {
			t.Errorf("%s: good", name)
		}
	}
	if l.Good(Claim{Latest: "a later one"}) {
		t.Error("good, with a later copy")
	}
}

func FuzzParseLastRun(f *testing.F) {
	f.Add(`{"run":"run-1","outcome":"ok","trigger":"run-1.0123456789abcdef","freezeSeconds":1.5}`)
	f.Add(`{}`)
	f.Add(`{"run":"\u0000"}`)
	f.Fuzz(func(t *testing.T, s string) {
		l, known := ParseLastRun(s)
		if again, same := ParseLastRun(l.String()); known && (!same || again != l) {
			t.Errorf("%q: got %+v, and then %+v", s, l, again)
		}
	})
}
