package handshake

import (
	"cmp"
	"strings"
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
			run: `{"run":"run-1","outcome":"unverified","reason":"VolSync has recorded another trigger than that of the run",` +
				`"cutTime":"2026-01-02T03:04:06Z","freezeSeconds":1.5}`,
		},
		{
			name: "nobody says how", claim: ended(Held, ourTrigger), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","trigger":"run-1.0123456789abcdef"}`,
		},
		{
			name: "lost, and nobody says how", claim: ended(Lost, "the-night-before"), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","reason":"it did not end by itself: a step of it gave up, or was lost"}`,
		},
		{
			name: "lost, and its cleanup says what it has found", claim: ended(Lost, "the-night-before"),
			last: LastRun{Run: ourRun, Outcome: "tainted"},
			run: `{"run":"run-1","outcome":"tainted",` +
				`"reason":"it did not end by itself: a step of it gave up, or was lost"}`,
		},
		{
			name: "a step gave up, and says why", claim: ended(Lost, "the-night-before"),
			last: LastRun{Run: ourRun, Outcome: "withdrawn", Reason: "x\ny", EndedAt: "2026-01-02T03:04:07Z"},
			run:  `{"run":"run-1","outcome":"withdrawn","reason":"x y","endedAt":"2026-01-02T03:04:07Z"}`,
		},
		{
			name: "lost, and VolSync has recorded it", claim: ended(Lost, ourTrigger), last: LastRun{Run: ourRun},
			run: `{"run":"run-1","outcome":"unverified",` +
				`"reason":"it did not end by itself: a step of it gave up, or was lost","trigger":"run-1.0123456789abcdef"}`,
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

// A signal says nothing of why: what an attempt before has told of the same run stays. Good it is not for
// that, and of another run nothing stays.
func TestStoppedAttemptSaysLess(t *testing.T) {
	for _, c := range []struct {
		name, was, outcome string
		stays              bool
	}{
		{name: "refused", was: `{"run":"run-1","outcome":"refused","reason":"no"}`, outcome: "signalled", stays: true},
		{name: "tainted", was: `{"run":"run-1","outcome":"tainted"}`, outcome: "signalled", stays: true},
		{name: "refused again", was: `{"run":"run-1","outcome":"refused","reason":"no"}`, outcome: "refused"},
		{name: "ok", was: `{"run":"run-1","outcome":"ok"}`, outcome: "signalled"},
		{name: "not known", was: `{"run":"run-1"}`, outcome: "signalled"},
		{name: "stopped before", was: `{"run":"run-1","outcome":"signalled"}`, outcome: "signalled"},
		{name: "another run", was: `{"run":"run-2","outcome":"refused"}`, outcome: "signalled"},
		{name: "no run", outcome: "signalled"},
	} {
		claim := ended(Held, "the-night-before")
		claim.LastRun = c.was
		u := Unlocking{Run: ourRun, Off: "p", Last: LastRun{Run: ourRun, Outcome: c.outcome}}
		p, _ := u.Next(Observed{Claim: claim})
		if _, kept := u.Kept(); kept == c.stays || p.SetLastRun == c.stays || p.To.Lock != (Lock{}) {
			t.Errorf("%s: got %+v", c.name, p.Annotations())
		}
	}
}

// What somebody else says is one line of the claim, and cut short; a good end has no reason.
func TestReasonIsCutShort(t *testing.T) {
	for o, want := range map[string]int{"refused": lineLen, "ok": 0} {
		claim := ended(Held, ourTrigger)
		u := Unlocking{Run: ourRun, Off: "p", Last: LastRun{Run: ourRun, Outcome: o, Reason: strings.Repeat("é\n", 999)}}
		_, _ = u.Next(Observed{Claim: claim})
		if l, _ := u.Kept(); len(l.Reason) < want-3 || len(l.Reason) > want || strings.ContainsAny(l.Reason, "\n") {
			t.Errorf("%s: got %q", o, l.Reason)
		}
	}
}

// RunHint asks for a run where VolSync waits for one and nothing else has to be done first, or where the
// last copy must not be trusted. It asks for none after a good run.
func TestRunHint(t *testing.T) {
	for _, c := range []struct {
		name, last, want string
		change           func(*Observed)
	}{
		{name: "none ever", want: "start a run"},
		{name: "refused", last: `{"run":"r","outcome":"refused"}`, want: "start another run"},
		{name: "nobody knows how", last: `{"run":"r"}`, want: "start another run"},
		{name: "ok", last: `{"run":"r","outcome":"ok"}`},
		{
			name: "refused, locked", last: `{"run":"r","outcome":"refused"}`,
			change: func(w *Observed) { w.Claim.Lock = Lock{"r", Held, "p"} },
		},
		{
			name: "tainted, armed", last: `{"run":"r","outcome":"tainted"}`,
			change: func(w *Observed) { w.Claim.Trigger = "x" },
		},
		{
			name: "refused, and VolSync does not wait", last: `{"run":"r","outcome":"refused"}`,
			change: func(w *Observed) { w.Claim.Status = StatusCompleted },
		},
		{
			name: "tainted, and VolSync does not wait", last: `{"run":"r","outcome":"tainted"}`, want: "start another run",
			change: func(w *Observed) { w.Claim.Status = StatusCompleted },
		},
		{
			name: "unverified, and VolSync does not wait", last: `{"run":"r","outcome":"unverified"}`,
			want:   "start another run",
			change: func(w *Observed) { w.Claim.Status = StatusCompleted },
		},
	} {
		w := Observed{
			Claim: Claim{
				UID: "u", Enabled: true, Bound: true, Status: StatusWaiting, Since: "2026-01-01T00:00:00Z", LastRun: c.last,
			},
			Sources: []Source{{Name: "rs", UID: "s", Mover: "restic", Method: "Snapshot", SyncStart: "2026-01-01T00:00:00Z"}},
		}
		if c.change != nil {
			c.change(&w)
		}
		if got := w.RunHint(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
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
	later := LastRun{
		Run: ourRun, Outcome: "ok", Trigger: ourTrigger, CutTime: "2026-01-02T03:04:06Z", EndedAt: "2026-01-02T03:04:07Z",
	}
	for _, c := range []struct {
		name, was, want string
	}{
		{name: "its own", was: `{"run":"run-1","trigger":"run-1.0123456789abcdef"}`, want: later.String()},
		{name: "as it is already", was: later.String()},
		{name: "as it is already, for long", was: strings.TrimSuffix(later.String(), "}") + `,"endedAt":"x"}`},
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
