package handshake

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// firingWorld is a world in which VolSync waits, with the run's lock on the claim.
func firingWorld() (Observed, Trigger) {
	w := worlds()[0].of(row{"true", "old", "old", "Waiting", "yes"}.claim())
	w.Claim.Lock = Lock{runID, Held, "p"}
	return w, NewTrigger(runID, Await(Observed{Claim: free(w.Claim), Sources: w.Sources}, runID).Wait)
}

func free(c Claim) Claim {
	c.Lock = Lock{}
	return c
}

// set is what is seen with the trigger in its place.
func set(w Observed, t Trigger) Observed {
	w.Claim.Trigger = t.String()
	return w
}

// What fire-trigger knows of its trigger after a look, a reply, and another look.
func TestFiring(t *testing.T) {
	w, trigger := firingWorld()
	for name, c := range map[string]struct {
		looks   []Observed
		replies []Reply
		wrote   bool
		doubt   bool
		maybe   bool
		giveUp  Disarming
	}{
		"nothing done": {giveUp: Disarming{Run: runID, Trigger: trigger}},
		"written": {
			looks: []Observed{w}, replies: []Reply{Written}, wrote: true, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Seen: Seen{Fired: true}},
		},
		"not written": {
			looks: []Observed{w}, replies: []Reply{NotWritten},
			giveUp: Disarming{Run: runID, Trigger: trigger},
		},
		"in doubt": {
			looks: []Observed{w}, replies: []Reply{Unknown}, doubt: true, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Lock: LockLost},
		},
		"in doubt, then a conflict": {
			looks: []Observed{w, w}, replies: []Reply{Unknown, Conflict}, doubt: true, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Lock: LockLost},
		},
		"in doubt, then written": {
			looks: []Observed{w, w}, replies: []Reply{Unknown, Written}, wrote: true, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Seen: Seen{Fired: true}},
		},
		"in doubt, then found": {
			looks: []Observed{w, set(w, trigger)}, replies: []Reply{Unknown}, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Seen: Seen{Fired: true}},
		},
		"set already": {
			looks: []Observed{set(w, trigger)}, maybe: true,
			giveUp: Disarming{Run: runID, Trigger: trigger, Seen: Seen{Fired: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := Firing{Trigger: trigger}
			for i, look := range c.looks {
				p, _ := f.Next(look)
				if i < len(c.replies) {
					if again := f.Replied(c.replies[i], true); again != (c.replies[i] == Conflict) {
						t.Errorf("look again after %v: %t", c.replies[i], again)
					}
				}
				if want := i < len(c.replies); p.Empty() == want {
					t.Errorf("look %d: %+v", i, p)
				}
			}
			if f.Wrote() != c.wrote || f.Doubt() != c.doubt || f.MayBeSet() != c.maybe {
				t.Errorf("wrote %t, in doubt %t, may be set %t", f.Wrote(), f.Doubt(), f.MayBeSet())
			}
			if got := f.GiveUp(); got != c.giveUp {
				t.Errorf("gives up by %+v, want %+v", got, c.giveUp)
			}
		})
	}
}

// A patch says what it changes, and nothing else.
func TestPatchAnnotations(t *testing.T) {
	to := Claim{Trigger: "t", Latest: "l", Lock: Lock{"run", Lost, "p"}}
	for _, c := range []struct {
		patch Patch
		want  map[string]string
	}{
		{Patch{To: to}, map[string]string{}},
		{Patch{SetTrigger: true, To: to}, map[string]string{TriggerAnnotation: "t"}},
		{Patch{SetLock: true, To: to}, map[string]string{LockAnnotation: "run/lost/p"}},
		{Patch{SetLock: true}, map[string]string{LockAnnotation: ""}},
	} {
		got := c.patch.Annotations()
		if len(got) != len(c.want) || got[TriggerAnnotation] != c.want[TriggerAnnotation] ||
			got[LockAnnotation] != c.want[LockAnnotation] {
			t.Errorf("%+v sets %v, want %v", c.patch, got, c.want)
		}
		if c.patch.Empty() != (len(c.want) == 0) {
			t.Errorf("%+v is empty: %t", c.patch, c.patch.Empty())
		}
	}
}

// Whatever becomes of the lock, the trigger is given back: after some tries without it.
func TestDisarmingGivesUpTheLock(t *testing.T) {
	armed := Claim{
		Enabled: true, Latest: "old", Status: StatusWaiting, Lock: Lock{runID, Held, "p"},
		Trigger: NewTrigger(runID).String(),
	}
	for name, c := range map[string]struct {
		passing bool
		tries   int // of a write with the lock in it
	}{
		"denied":       {passing: false, tries: 1},
		"not possible": {passing: true, tries: lockTries},
	} {
		t.Run(name, func(t *testing.T) {
			w := Disarming{Run: runID, Lock: LockForCleanup, Process: "c"}
			for try := 1; ; try++ {
				p, d := w.Next(Observed{Claim: armed})
				if !p.SetTrigger || d.Outcome != outcome.Withdrawn {
					t.Fatalf("try %d: %+v, %+v", try, p, d)
				}
				if !p.SetLock {
					if try != c.tries+1 {
						t.Errorf("the lock was left after %d tries, want %d", try-1, c.tries)
					}
					break
				}
				if again := w.Replied(NotWritten, c.passing); again != (try == c.tries) {
					t.Errorf("try %d: look again at once: %t", try, again)
				}
			}
		})
	}
}

// A lock of its own, without which nothing could be kept, is no reason to fail; one that fences
// is. That of a step that gives up always is.
func TestLeavesLock(t *testing.T) {
	for _, c := range []struct {
		w    Disarming
		lock Lock
		want bool
	}{
		{w: Disarming{Run: runID, Lock: LockForCleanup, Process: "c"}, want: true},
		{w: Disarming{Run: runID, Lock: LockForCleanup, Process: "c"}, lock: Lock{runID, Held, "p"}},
		{w: Disarming{Run: runID, Trigger: NewTrigger(runID), Lock: LockLost}, lock: Lock{runID, Held, "p"}},
	} {
		if p, _ := c.w.Next(Observed{Claim: Claim{Lock: c.lock}}); p.Empty() {
			t.Errorf("%+v: nothing to write", c)
		}
		if got := c.w.LeavesLock(); got != c.want {
			t.Errorf("%+v: got %t", c, got)
		}
	}
}

// The run's lock on the claim is this process' own, or that of another attempt: then it is not
// taken for its own, not even where the reply to its write was lost.
func TestLocking(t *testing.T) {
	w, _ := firingWorld()
	wait := Wait{ClaimUID: w.Claim.UID, Since: w.Claim.Since, Latest: w.Claim.Latest}
	lockedBy := func(l Lock) Observed { w.Claim.Lock = l; return w }
	own, attempt := lockedBy(Lock{runID, Held, "p"}), lockedBy(Lock{runID, Held, "q"})
	for name, c := range map[string]struct {
		reply Reply // to a first write on a free claim
		then  Observed
		want  outcome.Outcome
		doubt bool
	}{
		"the reply is lost, and it was written":     {reply: Unknown, then: own, want: outcome.OK, doubt: true},
		"the reply is lost, and it was not written": {reply: Unknown, then: lockedBy(Lock{}), want: outcome.OK, doubt: true},
		"not written, and another attempt locks it": {reply: NotWritten, then: attempt, want: outcome.Tainted},
		"a conflict, and another attempt locks it":  {reply: Conflict, then: attempt, want: outcome.Tainted},
		"the reply is lost, and another attempt's":  {reply: Unknown, then: attempt, want: outcome.Tainted, doubt: true},
		"a conflict, and another run locks it": {
			reply: Conflict,
			then:  lockedBy(Lock{"other", Held, "q"}),
			want:  outcome.Refused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := Locking{Run: runID, Process: "p", Wait: wait}
			if p, d := l.Next(lockedBy(Lock{})); p.Empty() || p.To.Lock != own.Claim.Lock || d.Outcome != outcome.OK {
				t.Fatalf("a free claim: %+v, %+v", p, d)
			}
			if again := l.Replied(c.reply, true); again != (c.reply == Conflict) || l.Doubt() != c.doubt {
				t.Errorf("look again: %t, in doubt: %t", again, l.Doubt())
			}
			if p, d := l.Next(c.then); d.Outcome != c.want || !p.Empty() != (c.then.Claim.Lock.State == Free) {
				t.Errorf("then: %+v, %+v", p, d)
			}
		})
	}
}

// A claim is locked for the wait that was found, and for no other.
func TestLockingForAWaitThatIsOver(t *testing.T) {
	w, _ := firingWorld()
	waits := free(w.Claim)
	wait := Wait{ClaimUID: waits.UID, Since: waits.Since, Latest: waits.Latest}
	for name, change := range map[string]func(*Claim){
		"another wait":         func(c *Claim) { c.Since = "later" },
		"another copy":         func(c *Claim) { c.Latest, c.Trigger = "newer", "newer" },
		"another claim":        func(c *Claim) { c.UID = "other" },
		"armed":                func(c *Claim) { c.Trigger = "foreign" },
		"VolSync is copying":   func(c *Claim) { c.Status, c.Since = StatusInProgress, "" },
		"it is being deleted":  func(c *Claim) { c.Deleting = true },
		"no copy triggers now": func(c *Claim) { c.Enabled = false },
	} {
		t.Run(name, func(t *testing.T) {
			for _, tried := range []bool{false, true} {
				l, c := Locking{Run: runID, Process: "p", Wait: wait}, waits
				if tried { // and the lock has been put on, with the reply lost
					l.Next(Observed{Claim: waits})
					l.Replied(Unknown, true)
					c.Lock = Lock{runID, Held, "p"}
				}
				change(&c)
				if p, d := l.Next(Observed{Claim: c}); !p.Empty() || d.Do != Look || l.Doubt() != tried {
					t.Errorf("tried %t: %+v, %+v, in doubt %t", tried, p, d, l.Doubt())
				}
			}
		})
	}
}

// Once the application runs again the lock is gone, and says nothing of the copy.
func TestDisarmingAfterTheFreeze(t *testing.T) {
	trigger := NewTrigger(runID)
	recorded := Claim{Trigger: trigger.String(), Latest: trigger.String(), Status: StatusCompleted}
	for after, want := range map[bool]outcome.Outcome{true: outcome.OK, false: outcome.Unverified} {
		w := Disarming{Run: runID, Trigger: trigger, Seen: Seen{Fired: true}, AfterFreeze: after}
		if p, d := w.Next(Observed{Claim: recorded}); !p.Empty() || d.Outcome != want {
			t.Errorf("after the freeze %t: %+v, %+v, want %s", after, p, d, want)
		}
	}
}

// What looks like our write is ours only if nobody knows that it was not done.
func TestDisarmingKnowsItsWrite(t *testing.T) {
	armed := Claim{
		Enabled: true, Latest: "old", Status: StatusWaiting, Lock: Lock{runID, Lost, "p"},
		Trigger: NewTrigger(runID).String(),
	}
	for reply, want := range map[Reply]outcome.Outcome{
		Unknown:    outcome.Withdrawn,
		NotWritten: outcome.OK, // somebody else has taken it back: there is nothing to do
		Conflict:   outcome.OK,
	} {
		w := Disarming{Run: runID, Lock: LockForCleanup, Process: "c"}
		p, _ := w.Next(Observed{Claim: armed})
		w.Replied(reply, true)
		if again, d := w.Next(Observed{Claim: p.To}); !again.Empty() || d.Outcome != want {
			t.Errorf("reply %d: %+v, %+v, want %s", reply, again, d, want)
		}
	}
}

// A write of a cleanup's lock of which nobody knows may still arrive, until the claim has changed.
func TestDisarmingInDoubtAboutItsLock(t *testing.T) {
	free := Observed{}
	own := Observed{Claim: Claim{Lock: Lock{runID, Cleanup, "c"}}}
	for name, c := range map[string]struct {
		replies []Reply
		then    Observed
		doubt   bool
	}{
		"written":                     {[]Reply{Written}, free, false},
		"not written":                 {[]Reply{NotWritten}, free, false},
		"unknown":                     {[]Reply{Unknown}, free, true},
		"unknown, then not written":   {[]Reply{Unknown, NotWritten}, free, true},
		"unknown, then a conflict":    {[]Reply{Unknown, Conflict}, free, false},
		"unknown, then written":       {[]Reply{Unknown, Written}, free, false},
		"unknown, and it was written": {[]Reply{Unknown}, own, false},
	} {
		w := Disarming{Run: runID, Lock: LockForCleanup, Process: "c"}
		for _, r := range c.replies {
			w.Next(free)
			w.Replied(r, true)
		}
		if w.Next(c.then); w.LockInDoubt() != c.doubt || w.doubtful && w.LeavesLock() {
			t.Errorf("%s: in doubt: %t, leaves it: %t", name, w.LockInDoubt(), w.LeavesLock())
		}
	}
}
