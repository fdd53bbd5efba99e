package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A second ReplicationSource is made between fire and record, and records the trigger for a copy
// of its own, while the first one's is not cut yet.
func TestAnotherSourceRecordsTheTrigger(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	s.Replicate(harness.Source{Name: "weekly"})
	await.End().Ends(harness.Unverified).
		Error("VolSync recorded the trigger, but 2 ReplicationSources copy the claim: nightly, weekly").
		Hint("do not rely on this sync's copy")
	s.AwaitRecorded(trigger)
	held.Release()
}

// Somebody writes what is VolSync's to write, while the copy is not cut.
func TestRecordBySomebodyElse(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"": nil, "--until=cut": {"--until", "cut"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			trigger, held := s.FireHeld("run")
			await := s.Start("await-completed", append([]string{"--trigger", trigger}, args...)...)
			await.Says("VolSync is copying")
			s.Annotate(harness.Latest, trigger)
			await.End().Ends(harness.Unverified).
				Error("VolSync recorded the trigger, but volsync-nightly-src is not bound").
				Hint("do not rely on this sync's copy")
			held.Release()
			s.Leaves(trigger, trigger, harness.Completed)
		})
	}
}

// The sync is over before anybody looks, and the next one waits: the ReplicationSource tells that
// it has ended. Of another source in its place nothing does.
func TestAwaitCompletedAfterTheSync(t *testing.T) {
	t.Parallel()
	over := func(t *testing.T) (*harness.Site, string) {
		t.Helper()
		s := harness.New(t)
		s.ReplicateAndWait(harness.Source{})
		trigger := s.AwaitWaiting("run")
		s.Fire(trigger)
		s.AwaitRecorded(trigger)
		s.FinishSync()
		return s, trigger
	}
	t.Run("it has ended", func(t *testing.T) {
		t.Parallel()
		s, trigger := over(t)
		s.AwaitCompleted(trigger)
	})
	t.Run("the next one waits", func(t *testing.T) {
		t.Parallel()
		s, trigger := over(t)
		s.SyncAgain("second")
		s.AwaitStatus(harness.Waiting)
		s.AwaitCompleted(trigger)
	})
	t.Run("another source is in its place", func(t *testing.T) {
		t.Parallel()
		s, trigger := over(t)
		s.DeleteSource()
		s.ReplicateAndWait(harness.Source{})
		s.Run("await-completed", "--trigger", trigger).Ends(harness.Unverified).
			Error("ReplicationSource nightly neither runs nor has just ended the sync that it was fired for")
	})
}
