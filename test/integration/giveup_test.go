package integration

import (
	"os"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The storage does not get on: at the end of its time the step gives the trigger back,
// and says that a copy may still come.
func TestAwaitCompletedTimesOutWhileVolSyncCopies(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct {
		stuck func(harness.Hold)
		says  string
	}{
		"not cut":          {func(harness.Hold) {}, "is not cut yet"},
		"cut, never ready": {func(h harness.Hold) { h.ReleaseUnready() }, "is not ready to use yet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			trigger, held := s.FireHeld("run")
			of.stuck(held)
			if name == "not cut" {
				of.says = "the storage reports" // that there is no such class
			}
			r := s.Run("await-completed", "--trigger", trigger, "--timeout", "1m").Ends(harness.Tainted)
			r.Says(of.says).Error("timed out after 1m").Hint("do not use this sync's copy")
			s.Leaves("", "", harness.InProgress)
			s.Copied(1)
		})
	}
}

func TestAwaitCompletedLooksOnceAndGivesUp(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, _ := s.FireHeld("run")
	s.Run("await-completed", "--trigger", trigger, "--timeout", "0").
		Ends(harness.Tainted).
		Hint("do not use this sync's copy")
	s.Leaves("", "", harness.InProgress)
}

// Stopped while VolSync copies.
func TestAwaitCompletedStoppedWhileVolSyncCopies(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			trigger, held := s.FireHeld("run")
			await := s.Start("await-completed", "--trigger", trigger)
			await.Says("VolSync is copying")
			await.Signal(signal)
			await.End().Ends(harness.Tainted).Error("stopped by " + name).Hint("do not use this sync's copy")
			s.Leaves("", "", harness.InProgress)
			held.Release()
			s.Leaves("", "", harness.Completed)
			s.Copied(1)
		})
	}
}

// Stopped before VolSync took the trigger.
func TestAwaitCompletedStoppedBefore(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			s.Orphan()
			trigger := s.AwaitWaiting("run", "--pvc-only")
			s.Fire(trigger, "--pvc-only")
			await := s.Start("await-completed", "--trigger", trigger, "--pvc-only")
			await.Says("VolSync has not taken the trigger")
			await.Signal(signal)
			await.End().Ends(harness.Withdrawn).Error("stopped by " + name).Error("no copy was made")
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)
		})
	}
}

// Stopped before anything was fired.
func TestAwaitWaitingStopped(t *testing.T) {
	t.Parallel()
	for code, signal := range map[int]os.Signal{
		harness.SIGTERM: syscall.SIGTERM,
		harness.SIGINT:  syscall.SIGINT,
		harness.SIGHUP:  syscall.SIGHUP,
	} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			last := backedUp(s)
			s.AwaitMover()
			await := s.Start("await-waiting", "--run-id", "second")
			await.Says("waiting: ")
			await.Signal(signal)
			await.End().Ends(code).Error("has fired nothing").Error("exists already")
			s.Leaves(last, last, harness.Completed)
		})
	}
}

// fire-trigger is stopped before its write: nothing was fired.
func TestFireTriggerStoppedBeforeTheWrite(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	look := proxy.Hold(harness.GetSnapshot)
	fire := s.Start("fire-trigger", "--trigger", trigger)
	look.Arrived()
	fire.Signal(syscall.SIGTERM)
	fire.End().Ends(harness.SIGTERM).Error("has fired nothing")
	s.Nudge()
	s.Leaves("", "", harness.Waiting)
	s.Copied(0)
}

// fire-trigger is stopped in the middle of its write: it finishes it, and takes it back.
func TestFireTriggerStoppedInTheWrite(t *testing.T) {
	t.Parallel()
	t.Run("VolSync has not taken it", func(t *testing.T) {
		t.Parallel()
		s, proxy := harness.New(t).Proxied()
		s.Orphan()
		trigger := s.AwaitWaiting("run", "--pvc-only")
		write := proxy.Hold(harness.Write)
		fire := s.Start("fire-trigger", "--trigger", trigger, "--pvc-only")
		write.Forward()
		fire.Signal(syscall.SIGTERM)
		fire.AwaitSignalled()
		write.Reply()
		fire.End().Ends(harness.Withdrawn).Error("stopped by SIGTERM")
		s.Leaves("", "", harness.Waiting)
		s.Copied(0)
	})
	t.Run("VolSync is copying", func(t *testing.T) {
		t.Parallel()
		s, proxy := harness.New(t).Proxied()
		s.ReplicateAndWait(s.Hold().Source("Snapshot"))
		trigger := s.AwaitWaiting("run")
		write := proxy.Hold(harness.Write)
		fire := s.Start("fire-trigger", "--trigger", trigger)
		write.Forward()
		s.AwaitStatus(harness.InProgress)
		fire.Signal(syscall.SIGTERM)
		fire.AwaitSignalled()
		write.Reply()
		fire.End().Ends(harness.Tainted).Error("stopped by SIGTERM")
		s.Leaves("", "", harness.InProgress)
		s.Copied(1)
	})
}

// A signal that goes on ends the program at once, whatever it is at.
func TestSecondSignalKills(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	s.Orphan()
	trigger := s.AwaitWaiting("run", "--pvc-only")
	s.Fire(trigger, "--pvc-only")
	write := proxy.Hold(harness.Write)
	await := s.Start("await-completed", "--trigger", trigger, "--pvc-only")
	await.Says("VolSync has not taken the trigger")
	await.Signal(syscall.SIGTERM)
	write.Arrived()
	await.Insist(syscall.SIGTERM)
	await.End().Exits(harness.Killed)
	write.Drop()
	s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("withdrawn")
	s.Leaves("", "", harness.Waiting)
}

// Whoever reads the log may be gone: no reason to die in the middle of a freeze.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	await := s.StartUnread("await-completed", "--trigger", trigger)
	held.Release()
	await.End().Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
}
