package handshake

import (
	"strings"
	"testing"
)

// What is read as a trigger is written as it was read, and names a run that is one.
func FuzzParseTrigger(f *testing.F) {
	for _, s := range []string{
		"", "run-1.0123456789abcdef", "a.b.0123456789abcdef", "by-hand", ".", "$(x).0123456789abcdef", "{{x}}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		trigger, err := ParseTrigger(s)
		if err != nil {
			return
		}
		if trigger.String() != s || CheckRun(trigger.Run()) != nil || !of(trigger.Run(), s) {
			t.Errorf("%q is read as %q of run %q", s, trigger, trigger.Run())
		}
	})
}

// A run id that is taken can be part of a trigger and of a lock, and comes out as it was.
func FuzzCheckRun(f *testing.F) {
	for _, s := range []string{"", "r", "run-1", "-", "a/b", "é", "a\x00b", "{{workflow.uid}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckRun(s) != nil {
			return
		}
		trigger, err := ParseTrigger(NewTrigger(s, Wait{ClaimUID: "u"}).String())
		if err != nil || trigger.Run() != s {
			t.Errorf("%q: its trigger is read as that of %q, %v", s, trigger.Run(), err)
		}
		if lock := ParseLock(s); lock.Run != s || !lock.Of(s) {
			t.Errorf("%q: its lock is read as %+v", s, lock)
		}
	})
}

// An owner is read as it was written, and no limit is below nothing. The run of what somebody has
// copied from a lock is the lock's.
func FuzzOwner(f *testing.F) {
	for _, s := range []string{
		"", "p", "p-5s", "p-0s", "p--5s", "p-s", "p-5", "disarm", "await-waiting", "p-99999999999999999999s",
	} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, seconds int) {
		if n, _ := OwnerSeconds(s); n < 0 {
			t.Errorf("%q: got %d", s, n)
		}
		if strings.Contains(s, "-") || seconds < 0 {
			return
		}
		owner := Owner(s, seconds)
		if n, limited := OwnerSeconds(owner); n != seconds || !limited {
			t.Errorf("%q: got %d, %t", owner, n, limited)
		}
		lock := Lock{Run: "r", State: Lost, Owners: owner}
		if RunOf(lock.String()) != "r" || RunOf(s) == "" && s != "" && s[0] != '/' {
			t.Errorf("%q: got %q, and %q", owner, RunOf(lock.String()), RunOf(s))
		}
	})
}

// Whatever stands in a lock, somebody has it, unless it names nobody. One of a run is read again as
// the same; of what no run can have written, nothing is written.
func FuzzParseLock(f *testing.F) {
	for _, s := range []string{
		"", "run-1", "run-1/lost", "run-1/cleanup", "run-1/held/a", "/", "//", "a/b/c/d", "run-1/lost/me.5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lock := ParseLock(s)
		if (lock.State == Free) != (s == "" || strings.HasPrefix(s, "/")) {
			t.Errorf("%q is read as %+v", s, lock)
		}
		if CheckRun(lock.Run) != nil {
			return
		}
		if again := ParseLock(lock.String()); again != lock {
			t.Errorf("%q is read as %+v, and then as %+v", s, lock, again)
		}
	})
}
