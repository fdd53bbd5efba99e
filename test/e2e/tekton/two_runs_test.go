package tekton

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A second run on the claim neither quiesces nor unquiesces in the freeze of the first, and
// nor does its cleanup: the first ends well, with the application quiesced all the time.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	first := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)

	second := s.start(nil, nil)
	if got := second.ended(); got != "Failed" {
		t.Errorf("the second run ended with %s", got)
	}
	if second.task("cleanup") == nil {
		t.Error("the second run has not cleaned up: this test shows nothing")
	}
	if freezes := s.Ledger.Seen(); !s.DB.Frozen() || len(freezes) != 1 || freezes[0].Next != 0 {
		t.Errorf("the second run has let the application write: %+v\n%s", freezes, second.report())
	}
	storage.Release()
	s.copiedBy(first)
	s.LeftUnlocked()
}

// Whoever frees the application by hand in the middle of a run takes the copy's proof away:
// the run does not end well.
func TestCleanupByHandInTheFreeze(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	r := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)
	s.Annotate(harness.LockedBy, "") // what unlock does, without the wait for pods that cleanup has
	storage.Release()
	if got := r.ended(); got != "Failed" {
		t.Errorf("the run ended with %s", got)
	}
	if got := results(r.task("quiesced-copy"))["outcome"]; got != "unverified" {
		t.Errorf("the outcome is %q, want unverified", got)
	}
	s.DB.AwaitFrozen(false)
	s.Ledger.AwaitWrites()
}
