package handshake

import (
	"strings"
	"testing"
	"time"
)

// model is a configuration of the search: how much goes wrong, and which guards are off.
type model struct {
	cycles   uint8 // syncs of VolSync
	attempts uint8 // of the run
	kills    uint8 // of the run's processes
	lost     uint8 // replies
	strange  uint8 // deeds of strangers
	kinds    kind  // of these kinds

	anyStart  bool // the claim begins as anything that another run may have left
	coarse    bool // all syncs and waits begin in the same second, as the API tells it
	claimOnly bool // --pvc-only
	untilCut  bool // --until cut
	beside    bool // the copy is seen before the record; without it only after
	process   bool // copytrigger run
	goesOn    bool // the engine begins the next step whatever has become of the last

	unquiesceFails bool // where nothing is quiesced

	// What the guards are there for: see controls_test.go.
	noWaitGuard, noCAS, noDisarm, byStatus, freshRetry, byValue, unquiesceFirst, patient, lateWrites bool
	noLost, noLockGuard, anyCopy, uncutIsCut, noSecondLook, oneState, lateLocks, noProof             bool

	values []string
	known  map[question]answer
	labels map[[2]string]string

	reducers map[any]uint16
	byNumber []any
	locks    []Lock
	looks    map[looked]turn
}

const runID = "run-1"

// stranger is the owner of a cleanup that somebody else runs.
const stranger = "stranger"

// starts are the claims that the search begins with.
func (m *model) starts() []facts {
	usual := facts{use: true, trig: old, latest: old, status: completed} // after a coordinated copy
	if !m.anyStart {
		return []facts{usual}
	}
	return []facts{
		usual,
		{use: true}, // never copied
		{use: true, trig: old, latest: old, status: waiting, since: 99}, // the sync that waited is gone
		{use: true, trig: foreign, latest: old, status: completed},      // armed
		{use: true, trig: foreign, latest: old, status: inProgress},     // its copy was lost
		{trig: old, latest: old, status: completed},                     // switched off
		{use: true, trig: none, latest: old, status: waiting},           // tidied up by a script
	}
}

// TestEveryOrder searches all orders of what VolSync, the storage, the run, the engine
// and strangers may do, for one that breaks a promise.
func TestEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		long bool
		m    model
	}{
		{name: "faults", m: model{cycles: 2, attempts: 2, kills: 2, lost: 1}},
		{name: "faults, three attempts", long: true, m: model{cycles: 3, attempts: 3, kills: 2, lost: 2}},
		{name: "writes arrive late", m: model{cycles: 2, attempts: 2, kills: 1, lost: 1, lateWrites: true}},
		{
			name: "unquiesce fails",
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, lateWrites: true, unquiesceFails: true},
		},
		{
			name: "one stranger and faults",
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: everything, lateWrites: true},
		},
		{
			name: "any start",
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: everything, anyStart: true},
		},
		{
			name: "within a second",
			long: true,
			m:    model{cycles: 2, attempts: 2, kills: 1, lost: 1, strange: 1, kinds: everything, coarse: true},
		},
		{name: "attempts", long: true, m: model{cycles: 2, attempts: 2, kills: 1, lost: 1, strange: 1, kinds: everything}},
		{name: "strangers", long: true, m: model{cycles: 2, attempts: 1, strange: 3, kinds: everything}},
		{
			name: "strangers and faults",
			long: true,
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 2, kinds: everything},
		},
		{name: "an engine that goes on", m: model{cycles: 2, attempts: 1, kills: 2, lost: 1, lateWrites: true, goesOn: true}},
		{
			name: "an engine that goes on, one stranger",
			long: true,
			m: model{
				cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: everything, lateWrites: true,
				goesOn: true,
			},
		},
		{
			name: "until the cut",
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: everything, untilCut: true},
		},
		{
			name: "until the cut, strangers",
			long: true,
			m:    model{cycles: 2, attempts: 1, strange: 2, kinds: everything, untilCut: true},
		},
		{name: "one process", m: model{cycles: 2, attempts: 2, kills: 2, lost: 1, process: true, lateWrites: true}},
		{
			name: "one process, one stranger and faults",
			long: true,
			m: model{
				cycles: 2, attempts: 2, kills: 1, lost: 1, strange: 1, kinds: everything, process: true,
				lateWrites: true,
			},
		},
		{
			name: "one process, until the cut",
			long: true,
			m: model{
				cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: everything, process: true,
				untilCut: true, lateWrites: true,
			},
		},
		{name: "false records", m: model{cycles: 2, attempts: 1, strange: 1, kinds: records | setForeign, beside: true}},
		{
			name: "false records and faults",
			long: true,
			m:    model{cycles: 2, attempts: 1, kills: 1, lost: 1, strange: 1, kinds: records | setForeign, beside: true},
		},
		{
			name: "false records, two strangers",
			long: true,
			m:    model{cycles: 2, attempts: 1, strange: 2, kinds: records | setForeign, beside: true},
		},
		{
			name: "false records, until the cut",
			long: true,
			m:    model{cycles: 2, attempts: 1, strange: 1, kinds: records | setForeign, beside: true, untilCut: true},
		},
		{
			name: "false records, within a second",
			long: true,
			m:    model{cycles: 2, attempts: 1, strange: 1, kinds: records | setForeign, beside: true, coarse: true},
		},
		// By the claim alone nobody can tell that a copy exists: see TestAssumptions.
		{
			name: "claim only",
			long: true,
			m: model{
				cycles: 2, attempts: 2, kills: 1, lost: 1, strange: 2,
				kinds:     setForeign | takeBackTrigger | deleteCopy,
				claimOnly: true,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.long && (testing.Short() || underRace) {
				t.Skip("long; make unit runs it without the race detector")
			}
			t.Parallel()
			start := time.Now()
			f := c.m.search(false)
			t.Logf("%d states in %s", f.states, time.Since(start).Round(time.Millisecond))
			for _, v := range f.violations {
				t.Errorf("%s:\n%s", v.what, v)
			}
			for e := isOK; e <= isUnverified; e++ {
				if f.verdicts[e] == 0 && (c.m.strange > 0 || e != isUnverified) {
					t.Errorf("no order ends with outcome %d: the model is too small to show anything", e)
				}
			}
		})
	}
}

func (v violation) String() string { return "\t" + strings.Join(v.trace, "\n\t") }
