package handshake

import (
	"strings"
	"testing"
)

// TestGuards takes one guard away at a time. A search that then finds nothing is one that
// would not have found anything with the guards either.
func TestGuards(t *testing.T) {
	strangers := model{cycles: 2, attempts: 1, strange: 1, kinds: everything}
	for _, c := range []struct {
		name   string
		m      model
		off    func(*model)
		breaks string
	}{
		{name: "fire whatever VolSync is doing", m: strangers, off: func(m *model) { m.noWaitGuard = true }, breaks: "P1"},
		{
			name:   "write whatever has changed since the look",
			m:      strangers,
			off:    func(m *model) { m.noCAS = true },
			breaks: "P2",
		},
		{
			name:   "write whatever has changed, nobody but VolSync around",
			m:      model{cycles: 2, attempts: 1},
			off:    func(m *model) { m.noCAS = true },
			breaks: "P2",
		},
		{
			name:   "give up without disarming",
			m:      model{cycles: 2, attempts: 1},
			off:    func(m *model) { m.noDisarm = true },
			breaks: "P2",
		},
		{
			name:   "take the status Completed for the echo",
			m:      strangers,
			off:    func(m *model) { m.byStatus = true },
			breaks: "P1",
		},
		{
			name:   "a fresh trigger for every try",
			m:      model{cycles: 2, attempts: 1, kills: 2},
			off:    func(m *model) { m.freshRetry = true },
			breaks: "P2",
		},
		{
			name:   "take a write whose reply was lost for done by its value alone",
			m:      model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: takeBackTrigger},
			off:    func(m *model) { m.byValue = true },
			breaks: "P2",
		},
		{
			name:   "unquiesce before disarm",
			m:      model{cycles: 2, attempts: 1, kills: 1},
			off:    func(m *model) { m.unquiesceFirst = true },
			breaks: "P2",
		},
		{
			name:   "wait for the echo without a limit",
			m:      model{cycles: 2, attempts: 1},
			off:    func(m *model) { m.patient = true },
			breaks: "P3",
		},
		{
			name:   "do not mark a lost run's lock, while its write is still on the way",
			m:      model{cycles: 2, attempts: 1, kills: 1, lateWrites: true},
			off:    func(m *model) { m.noLost = true },
			breaks: "P2",
		},
		{
			name:   "nor in one process that waits for a reply no longer",
			m:      model{cycles: 2, attempts: 1, lost: 1, process: true, lateWrites: true},
			off:    func(m *model) { m.noLost = true },
			breaks: "P2",
		},
		{
			name:   "do not look at the lock",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: letGo},
			off:    func(m *model) { m.noLockGuard = true },
			breaks: "P1",
		},
		{
			name:   "do not look at the lock again after the cut",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: letGo, untilCut: true},
			off:    func(m *model) { m.noSecondLook = true },
			breaks: "P1",
		},
		{
			name:   "take a copy that is there for one that is cut",
			m:      model{cycles: 2, attempts: 1, untilCut: true},
			off:    func(m *model) { m.uncutIsCut = true },
			breaks: "P1",
		},
		{
			name:   "one state for every cleanup",
			m:      model{cycles: 2, attempts: 1, kills: 1, lost: 1, unquiesceFails: true},
			off:    func(m *model) { m.oneState = true },
			breaks: "P2",
		},
		{
			name:   "take a record that somebody has written for VolSync's",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: writeLatest},
			off:    func(m *model) { m.noProof = true },
			breaks: "P1",
		},
		{
			name:   "take the record of another source for that of ours",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: recordElsewhere},
			off:    func(m *model) { m.noProof = true },
			breaks: "P1",
		},
		{
			name:   "take a record without a copy for one",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: recordNothing},
			off:    func(m *model) { m.noProof = true },
			breaks: "P1",
		},
		{
			name:   "do not verify which copy was recorded",
			m:      model{cycles: 2, attempts: 1, strange: 1, kinds: deleteCopy, untilCut: true},
			off:    func(m *model) { m.anyCopy = true },
			breaks: "P1",
		},
	} {
		t.Run(c.name, func(t *testing.T) { finds(t, c.m, c.off, c.breaks) })
	}
}

// TestAssumptions shows what the promises rest on that the run cannot see to. If one of
// these finds nothing any more, then a promise has become stronger: say so in the docs.
func TestAssumptions(t *testing.T) {
	// A process is killed with its write of the lock still on the way. The same run begins again,
	// finds nothing, and gives up before it locks; then the write arrives.
	t.Run("a dead process' lock arrives before the next attempt of its run ends", func(t *testing.T) {
		one := model{cycles: 2, attempts: 2, kills: 1, process: true, lateWrites: true}
		finds(t, one, func(m *model) { m.lateLocks = true }, "P2")
	})
	// VolSync copied because use-copy-trigger was gone for a moment. The status still says
	// that it waits; that there is a copy, only the copy itself tells.
	t.Run("the copy can be seen", func(t *testing.T) {
		finds(t, model{cycles: 2, attempts: 1, strange: 1, kinds: removeUse}, func(m *model) { m.claimOnly = true }, "P1")
	})
}

// finds asserts that the search finds a violation with off, and none without.
func finds(t *testing.T, m model, off func(*model), breaks string) {
	t.Helper()
	if f := m.search(false); len(f.violations) != 0 {
		t.Fatalf("%s, with every guard in place:\n%s", f.violations[0].what, f.violations[0])
	}
	off(&m)
	f := m.search(true)
	if len(f.violations) == 0 {
		t.Fatalf("none of %d states breaks a promise, so the search is blind to what this guard is for", f.states)
	}
	v := f.violations[0]
	t.Logf("after %d states, %s:\n%s", f.states, v.what, v)
	if !strings.HasPrefix(v.what, breaks+":") {
		t.Errorf("it breaks %q, want %s", v.what, breaks)
	}
}
