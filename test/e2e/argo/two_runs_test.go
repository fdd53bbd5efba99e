package argo

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A second run on the claim begins when the first is over, its exit handler and all.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	first := s.start(map[string]string{"quiesce-command": script("quiesce.sql", "exit 7")}, nil)
	first.awaitPods("freeze")
	second := s.start(nil, nil)
	s.Await(application.Kinds["Workflow"], second.name, "waiting for the mutex", waitsForMutex)
	if got := first.ended(); got != "Failed" || len(first.pods("cleanup")) != 1 {
		t.Errorf("the first run ended with %s, and cleaned up %d times", got, len(first.pods("cleanup")))
	}
	if got := second.ended(); got != "Succeeded" {
		t.Fatalf("the second run ended with %s\n%s", got, second.report())
	}
	over := first.cleanedUp()
	if began := second.pods("freeze")[0].StartedAt; began.Before(&over) {
		t.Errorf("the second run began at %s, and the first was over at %s", began, over)
	}
	if seen := s.Ledger.Seen(); len(seen) != 2 || seen[1].Next == 0 {
		t.Errorf("the application has noticed %+v, want two freezes, and that they are over", seen)
	}
	s.Ledger.AwaitWrites()
}

// Where the mutex does not help, as between two controllers, the lock does: a second run on
// the claim neither quiesces nor unquiesces in the freeze of the first, and nor does its
// cleanup. The first ends well, with the application quiesced all the time.
func TestTwoRunsWithoutMutex(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	first := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)

	second := s.start(nil, func(spec map[string]any) {
		spec["synchronization"] = map[string]any{"mutexes": []any{map[string]any{"name": "another"}}}
	})
	if got := second.ended(); got != "Failed" {
		t.Errorf("the second run ended with %s", got)
	}
	if got := second.pods("freeze")[0].output("outcome"); got != "refused" {
		t.Errorf("the second run has the outcome %q, want refused", got)
	}
	if got := len(second.pods("cleanup")); got != 1 {
		t.Errorf("the second run has cleaned up %d times: this test shows nothing", got)
	}
	if freezes := s.Ledger.Seen(); !s.DB.Frozen() || len(freezes) != 1 || freezes[0].Next != 0 {
		t.Errorf("the second run has let the application write: %+v\n%s", freezes, second.report())
	}
	storage.Release()
	s.copiedBy(first)
	s.LeftUnlocked()
}
