package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// moments at which a step may be killed about a write.
var moments = []struct {
	name    string
	written bool
}{{"before the write", false}, {"after the write", true}}

// killedAt kills a step about its write.
func killedAt(written bool, p *harness.Process, write *harness.Held) {
	if written {
		write.Forward()
	} else {
		write.Arrived()
	}
	p.Kill()
	write.Drop()
}

// fire-trigger is killed about its write, and run again.
func TestFireTriggerKilled(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.ReplicateAndWait(harness.Source{})
			trigger := s.AwaitWaiting("run")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("fire-trigger", "--trigger", trigger), write)
			s.Run("fire-trigger", "--trigger", trigger).Ends(harness.OK)
			s.AwaitCompleted(trigger)
			s.Leaves(trigger, trigger, harness.Completed)
			s.Copied(1)
		})
	}
}

// fire-trigger is killed about its write, and the run is given up.
func TestFireTriggerKilledThenDisarmed(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			held := s.Hold()
			s.ReplicateAndWait(held.Source("Snapshot"))
			trigger := s.AwaitWaiting("run")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("fire-trigger", "--trigger", trigger), write)
			if m.written {
				s.AwaitStatus(harness.InProgress)
				s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("tainted")
				s.Leaves("", "", harness.InProgress)
				s.Copied(1)
				return
			}
			s.Run("disarm", "--run-id", "run").Ends(harness.OK)
			s.Nudge()
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)
		})
	}
}

// The pod of the whole run is lost after fire-trigger has written, and the run begins
// anew: nobody knows whether the application was still quiesced.
func TestRunLostWhileVolSyncCopies(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	_, held := s.FireHeld("run")
	s.Run("await-waiting", "--run-id", "run").Ends(harness.Tainted).Hint("do not use this sync's copy")
	s.Leaves("", "", harness.InProgress)
	held.Release()
	s.Leaves("", "", harness.Completed)
	s.Copied(1)
}

// The same before VolSync has reacted: the trigger is taken back, and no copy is made. Killed
// about that write, await-waiting does so the next time. The run ends all the same, because
// the application may be quiesced; after its cleanup another run has the wait.
func TestAwaitWaitingKilledAtTakeBack(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.Orphan()
			trigger := s.AwaitWaiting("run", "--pvc-only")
			s.Fire(trigger, "--pvc-only")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("await-waiting", "--run-id", "run", "--pvc-only"), write)
			s.Run("await-waiting", "--run-id", "run", "--pvc-only").
				Ends(harness.Tainted).
				Error("has locked the claim and was lost")
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)
			s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("ok")
			s.Unlock("run")
			if again := s.AwaitWaiting("run", "--pvc-only"); again != trigger {
				t.Errorf("the same wait has the triggers %s and %s", trigger, again)
			}
		})
	}
}

// disarm is killed about its write, and run again.
func TestDisarmKilled(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name+", VolSync waiting", func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.Orphan()
			s.Fire(s.AwaitWaiting("run", "--pvc-only"), "--pvc-only")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("disarm", "--run-id", "run"), write)
			again := s.Run("disarm", "--run-id", "run").Exits(harness.OK)
			if m.written {
				again.Outcome("ok")
			} else {
				again.Outcome("withdrawn")
			}
			s.Leaves("", "", harness.Waiting)
		})
		t.Run(m.name+", VolSync copying", func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.FireHeld("run")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("disarm", "--run-id", "run"), write)
			s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("tainted")
			s.Leaves("", "", harness.InProgress)
			s.Copied(1)
		})
	}
}

// await-completed gives up, and is killed about the write that gives the trigger back.
func TestAwaitCompletedKilledAtSurrender(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.Orphan()
			trigger := s.AwaitWaiting("run", "--pvc-only")
			s.Fire(trigger, "--pvc-only")
			write := proxy.Hold(harness.Write)
			killedAt(m.written, s.Start("await-completed", "--trigger", trigger, "--ack-timeout", "100ms", "--pvc-only"), write)
			if m.written {
				s.Run("await-completed", "--trigger", trigger, "--pvc-only").
					Ends(harness.Refused).
					Error("the trigger is neither set nor recorded")
			} else {
				s.Run("await-completed", "--trigger", trigger, "--ack-timeout", "100ms", "--pvc-only").Ends(harness.Withdrawn)
			}
			s.Run("disarm", "--run-id", "run").Ends(harness.OK)
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)
		})
	}
}

// await-completed is killed while it waits: it has written nothing, and its retry finds
// what it would have found.
func TestAwaitCompletedKilled(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	await.Kill()
	again := s.Start("await-completed", "--trigger", trigger)
	again.Says("VolSync is copying")
	held.Release()
	again.End().Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
}
