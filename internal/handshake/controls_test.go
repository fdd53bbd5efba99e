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
		{"fire whatever VolSync is doing", strangers, func(m *model) { m.noWaitGuard = true }, "P1"},
		{"write whatever has changed since the look", strangers, func(m *model) { m.noCAS = true }, "P2"},
		{"write whatever has changed, nobody but VolSync around", model{cycles: 2, attempts: 1}, func(m *model) { m.noCAS = true }, "P2"},
		{"give up without disarming", model{cycles: 2, attempts: 1}, func(m *model) { m.noDisarm = true }, "P2"},
		{"take the status Completed for the echo", strangers, func(m *model) { m.byStatus = true }, "P1"},
		{"a fresh trigger for every try", model{cycles: 2, attempts: 1, kills: 2}, func(m *model) { m.freshRetry = true }, "P2"},
		{"take a write whose reply was lost for done by its value alone", model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: takeBackTrigger}, func(m *model) { m.byValue = true }, "P2"},
		{"unquiesce before disarm", model{cycles: 2, attempts: 1, kills: 1}, func(m *model) { m.unquiesceFirst = true }, "P2"},
		{"wait for the echo without a limit", model{cycles: 2, attempts: 1}, func(m *model) { m.patient = true }, "P3"},
		{"do not mark a lost run's lock, while its write is still on the way", model{cycles: 2, attempts: 1, kills: 1, lateWrites: true}, func(m *model) { m.noLost = true }, "P2"},
		{"nor in one process that waits for a reply no longer", model{cycles: 2, attempts: 1, lost: 1, process: true, lateWrites: true}, func(m *model) { m.noLost = true }, "P2"},
		{"do not look at the lock", model{cycles: 2, attempts: 1, strange: 1, kinds: letGo}, func(m *model) { m.noLockGuard = true }, "P1"},
		{"do not look at the lock again after the cut", model{cycles: 2, attempts: 1, strange: 1, kinds: letGo, untilCut: true}, func(m *model) { m.noSecondLook = true }, "P1"},
		{"take a copy that is there for one that is cut", model{cycles: 2, attempts: 1, untilCut: true}, func(m *model) { m.uncutIsCut = true }, "P1"},
		{"one state for every cleanup", model{cycles: 2, attempts: 1, kills: 1, lost: 1, unquiesceFails: true}, func(m *model) { m.oneState = true }, "P2"},
		{"take a record that somebody has written for VolSync's", model{cycles: 2, attempts: 1, strange: 1, kinds: writeLatest}, func(m *model) { m.noProof = true }, "P1"},
		{"take the record of another source for that of ours", model{cycles: 2, attempts: 1, strange: 1, kinds: recordElsewhere}, func(m *model) { m.noProof = true }, "P1"},
		{"take a record without a copy for one", model{cycles: 2, attempts: 1, strange: 1, kinds: recordNothing}, func(m *model) { m.noProof = true }, "P1"},
		{"do not verify which copy was recorded", model{cycles: 2, attempts: 1, strange: 1, kinds: deleteCopy, untilCut: true}, func(m *model) { m.anyCopy = true }, "P1"},
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
