package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// disarm, in every state that it may find, and again. It never fails: after it nothing of
// the run is armed, and its outcome says what that means.
func TestDisarm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arrange func(s *harness.Site) (trigger, latest, status string) // as it is left
		first   string
		again   string
	}{
		{"nothing was ever fired", func(s *harness.Site) (string, string, string) {
			s.ReplicateAndWait(harness.Source{})
			return "", "", harness.Waiting
		}, "ok", "ok"},
		{"VolSync has recorded it", func(s *harness.Site) (string, string, string) {
			s.Replicate(harness.Source{})
			trigger := s.AwaitWaiting("run")
			s.Fire(trigger)
			s.AwaitCompleted(trigger)
			return trigger, trigger, harness.Completed
		}, "ok", "ok"},
		{"VolSync waits for the next one", func(s *harness.Site) (string, string, string) {
			trigger := backedUp(s)
			s.FinishSync()
			s.SyncAgain("second")
			s.AwaitStatus(harness.Waiting)
			return trigger, trigger, harness.Waiting
		}, "ok", "ok"},
		{"VolSync has not taken it", func(s *harness.Site) (string, string, string) {
			s.Orphan()
			s.Fire(s.AwaitWaiting("run", "--pvc-only"), "--pvc-only")
			return "", "", harness.Waiting
		}, "withdrawn", "ok"},
		{"VolSync has not taken it, the second time", func(s *harness.Site) (string, string, string) {
			last := backedUp(s)
			s.FinishSync()
			s.SyncAgain("second")
			s.AwaitStatus(harness.Waiting)
			s.DeleteSource()
			s.Fire(s.AwaitWaiting("run", "--pvc-only"), "--pvc-only")
			return last, last, harness.Waiting
		}, "withdrawn", "ok"},
		{"VolSync is copying", func(s *harness.Site) (string, string, string) {
			s.FireHeld("run")
			return "", "", harness.InProgress
		}, "tainted", "tainted"},
		{"another run's", func(s *harness.Site) (string, string, string) {
			s.Orphan()
			trigger := s.AwaitWaiting("run-2", "--pvc-only")
			s.Fire(trigger, "--pvc-only")
			return trigger, "", harness.Waiting
		}, "ok", "ok"},
		{"somebody else's", func(s *harness.Site) (string, string, string) {
			s.Annotate(harness.Trigger, "run")
			return "run", "", ""
		}, "ok", "ok"},
		{"a claim without annotations", func(s *harness.Site) (string, string, string) {
			s.Annotate(harness.Use, "")
			return "", "", ""
		}, "ok", "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			trigger, latest, status := c.arrange(s)
			s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome(c.first)
			s.Leaves(trigger, latest, status)
			s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome(c.again)
			s.Leaves(trigger, latest, status)
		})
	}
}

// After a disarm in time, VolSync goes on waiting, and the next run can have the wait.
func TestDisarmedInTime(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("first")
	// Taken back in the same moment: whichever write comes first decides.
	write := proxy.Hold(harness.Write)
	fire := s.Start("fire-trigger", "--trigger", trigger)
	write.Arrived()
	fire.Kill() // or it would write again
	s.Run("disarm", "--run-id", "first").Ends(harness.OK)
	s.Annotate("example.com/note", "so that the write comes too late")
	write.ForwardTooLate() // the server still gets it
	write.Drop()
	s.Nudge()
	s.Copied(0)
	s.Unlock("first")
	again := s.AwaitWaiting("second")
	s.Fire(again)
	s.AwaitCompleted(again)
	s.Leaves(again, again, harness.Completed)
	s.Copied(1)
}

// disarm of a claim that is not there.
func TestDisarmWithoutAClaim(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.DeleteClaim()
	s.AsAdmin().Run("disarm", "--run-id", "run").Ends(harness.Refused).Hint("check --pvc and --namespace")
}
