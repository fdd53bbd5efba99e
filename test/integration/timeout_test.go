package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// When VolSync does not begin to wait, await-waiting says what it has been waiting for.
func TestAwaitWaitingTimesOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arrange func(s *harness.Site) (latest, status string)
		reason  string
	}{
		{"no sync", func(s *harness.Site) (string, string) {
			trigger := backedUp(s)
			s.FinishSync()
			return trigger, harness.Completed
		}, "ReplicationSource nightly has no sync running"},
		{"the copy is being shipped", func(s *harness.Site) (string, string) {
			trigger := backedUp(s)
			s.AwaitMover()
			return trigger, harness.Completed
		}, "the copy volsync-nightly-src exists already"},
	} {
		for _, timeout := range []string{"0", "40s"} {
			t.Run(c.name+" "+timeout, func(t *testing.T) {
				t.Parallel()
				s := harness.New(t)
				latest, status := c.arrange(s)
				s.Run("await-waiting", "--run-id", "second", "--timeout", timeout).
					Ends(harness.TimedOut).
					Error(c.reason).
					Hint("raise --timeout")
				s.Leaves(latest, latest, status)
			})
		}
	}
}

// recorded is one backup, up to the point where the application may run again.
func recorded(s *harness.Site) (trigger string) {
	s.Helper()
	s.Replicate(harness.Source{})
	trigger = s.AwaitWaiting("first")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	return trigger
}

// backedUp is one whole backup, up to the end of its run.
func backedUp(s *harness.Site) (trigger string) {
	s.Helper()
	trigger = recorded(s)
	s.Unlock("first")
	return trigger
}

// A wait ends as soon as VolSync waits, whatever came before.
func TestAwaitWaitingWaits(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	last := backedUp(s)
	s.AwaitMover()
	p := s.Start("await-waiting", "--run-id", "second", "--timeout", "2m")
	p.Says("the copy volsync-nightly-src exists already")
	s.FinishSync()
	p.Says("has no sync running")
	s.SyncAgain("second")
	p.End().Ends(harness.OK)
	s.Leaves(last, last, harness.Waiting)
}

// Without a ReplicationSource being told to, await-completed that looks once says so.
func TestAwaitCompletedLooksOnce(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger := recorded(s)
	s.Run("await-completed", "--trigger", trigger, "--timeout", "0").Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
}
