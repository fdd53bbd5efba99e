package integration

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The tests of this file have the cluster to themselves: none is parallel.

// VolSync is killed and started again at each stage of a backup.
func TestVolSyncRestarts(t *testing.T) {
	volsync := func(s *harness.Site) *harness.Component { return s.Component("volsync") }

	t.Run("before it waits", func(t *testing.T) {
		s := harness.New(t)
		v := volsync(s)
		v.Kill()
		s.Replicate(harness.Source{})
		await := s.Start("await-waiting", "--run-id", "run", "--timeout", "2m")
		await.Says("has no sync running")
		v.Start()
		trigger := await.End().Ends(harness.OK).Value("trigger")
		s.Fire(trigger)
		s.AwaitCompleted(trigger)
		s.Leaves(trigger, trigger, harness.Completed)
		s.Copied(1)
	})
	t.Run("while it waits", func(t *testing.T) {
		s := harness.New(t)
		v := volsync(s)
		s.ReplicateAndWait(harness.Source{})
		trigger := s.AwaitWaiting("run")
		v.Kill()
		s.Fire(trigger)
		await := s.Start("await-completed", "--trigger", trigger, "--ack-timeout", "5m")
		await.Says("VolSync has not taken the trigger")
		v.Start()
		await.End().Ends(harness.OK)
		s.Leaves(trigger, trigger, harness.Completed)
		s.Copied(1)
	})
	t.Run("while it copies", func(t *testing.T) {
		s := harness.New(t)
		v := volsync(s)
		trigger, held := s.FireHeld("run")
		await := s.Start("await-completed", "--trigger", trigger)
		await.Says("VolSync is copying")
		v.Kill()
		held.Release()
		s.CutTime()
		v.Start()
		await.End().Ends(harness.OK)
		s.Leaves(trigger, trigger, harness.Completed)
		s.Copied(1)
	})
	t.Run("when it has copied", func(t *testing.T) {
		s := harness.New(t)
		v := volsync(s)
		s.ReplicateAndWait(harness.Source{})
		trigger := s.AwaitWaiting("run")
		s.Fire(trigger)
		s.AwaitRecorded(trigger)
		v.Restart()
		s.AwaitCompleted(trigger)
		s.Nudge()
		s.Leaves(trigger, trigger, harness.Completed)
		s.Copied(1)
	})
}

// VolSync is killed under a group: while it waits, while it copies, and for good.
func TestVolSyncKilledUnderAGroup(t *testing.T) {
	ofEachSize := func(t *testing.T, test func(t *testing.T, n int)) {
		for _, n := range groupSizes() {
			t.Run(fmt.Sprint(n), func(t *testing.T) { test(t, n) })
		}
	}
	t.Run("while it waits", func(t *testing.T) {
		ofEachSize(t, func(t *testing.T, n int) {
			g := groupOf(t, n)
			v := g.Component("volsync")
			trigger := g.AwaitWaiting("run")
			v.Kill()
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
			await := g.Start("await-completed", "--trigger", trigger, "--ack-timeout", "5m")
			await.Says("VolSync has not taken the trigger")
			v.Start()
			await.End().EndsTogether(harness.OK)
			all(g, trigger, trigger, harness.Completed)
			g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
			locked(g, "")
		})
	})
	t.Run("while it copies", func(t *testing.T) {
		ofEachSize(t, func(t *testing.T, n int) {
			g, held := groupHeld(t, n, 0, n-1)
			v := g.Component("volsync")
			trigger := g.AwaitWaiting("run")
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
			await := g.Start("await-completed", "--trigger", trigger)
			g.Members[0].AwaitStatus(harness.InProgress)
			g.Members[n-1].AwaitStatus(harness.InProgress)
			v.Kill()
			held.Release()
			v.Start()
			await.End().EndsTogether(harness.OK)
			all(g, trigger, trigger, harness.Completed)
		})
	})
	t.Run("for good", func(t *testing.T) {
		ofEachSize(t, func(t *testing.T, n int) {
			g := groupOf(t, n)
			v := g.Component("volsync")
			trigger := g.AwaitWaiting("run")
			v.Kill()
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
			g.Run("await-completed", "--trigger", trigger, "--ack-timeout", "1s").
				EndsTogether(harness.Withdrawn).
				Error("VolSync did not react to the trigger within 1s")
			all(g, "", "", harness.Waiting)
			locked(g, "run/lost")
			v.Start()
			g.Members[n-1].Nudge()
			all(g, "", "", harness.Waiting)
			g.Copied(0)
		})
	})
}

// VolSync stands still: the trigger is given back, and when VolSync goes on it has
// nothing to copy. The same wait serves the next run.
func TestVolSyncDoesNotReact(t *testing.T) {
	for name, end := range map[string]struct {
		signal os.Signal
		args   []string
		reason string
	}{
		"--ack-timeout": {args: []string{"--ack-timeout", "1s"}, reason: "VolSync did not react to the trigger within 1s"},
		"--timeout":     {args: []string{"--timeout", "1s"}, reason: "timed out after 1s"},
		"SIGTERM":       {signal: syscall.SIGTERM, reason: "stopped by SIGTERM"},
		"SIGINT":        {signal: syscall.SIGINT, reason: "stopped by SIGINT"},
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.New(t)
			s.ReplicateAndWait(harness.Source{})
			trigger := s.AwaitWaiting("first")
			v := s.Component("volsync")
			v.Pause()
			s.Fire(trigger)
			await := s.Start("await-completed", append([]string{"--trigger", trigger}, end.args...)...)
			if end.signal != nil {
				await.Says("VolSync has not taken the trigger")
				await.Signal(end.signal)
			}
			await.End().Ends(harness.Withdrawn).Error(end.reason).Error("no copy was made")
			s.Leaves("", "", harness.Waiting)
			v.Resume()
			s.Nudge()
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)

			s.LeftLocked("first/lost") // until the application runs again
			s.Unlock("first")
			again := s.AwaitWaiting("second")
			s.Fire(again)
			s.AwaitCompleted(again)
			s.Leaves(again, again, harness.Completed)
			s.Copied(1)
		})
	}
}

// The pod of the run is lost after fire-trigger, before VolSync has reacted, and the run
// begins anew: it takes its trigger back, and ends, because the application may be quiesced.
// After its cleanup another run has the wait.
func TestRunLostBeforeVolSyncReacts(t *testing.T) {
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	v := s.Component("volsync")
	v.Pause()
	s.Fire(trigger)
	s.Run("await-waiting", "--run-id", "run").Ends(harness.Tainted).
		Says("an earlier attempt of this run was lost after it had fired").
		Error("has locked the claim and was lost")
	s.Leaves("", "", harness.Waiting)
	v.Resume()
	s.Nudge()
	s.Copied(0)
	s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("ok")
	s.Unlock("run")
	again := s.AwaitWaiting("second")
	s.Fire(again)
	s.AwaitCompleted(again)
	s.Leaves(again, again, harness.Completed)
	s.Copied(1)
}

// The API server is restarted in the middle of both waits. (By the administrator: for
// anybody else a new server has no roles at first; see TestForbiddenForAMoment.)
func TestServerRestarts(t *testing.T) {
	s := harness.New(t).AsAdmin()
	v := s.Component("volsync")
	v.Pause()
	held := s.Hold()
	s.Replicate(held.Source("Snapshot"))
	await := s.Start("await-waiting", "--run-id", "run", "--timeout", "3m")
	await.Says("has no sync running")
	server := s.Component("kube-apiserver")
	server.Restart()
	v.Resume()
	trigger := await.End().Ends(harness.OK).Value("trigger")

	s.Fire(trigger)
	completed := s.Start("await-completed", "--trigger", trigger, "--timeout", "3m", "--ack-timeout", "2m")
	completed.Says("VolSync is copying")
	server.Restart()
	held.Release()
	completed.End().Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
}

// A storage that takes its time over every file: the application stays quiesced for the
// whole of it. Without quiescing, the copy is torn.
func TestSlowStorage(t *testing.T) {
	s := harness.New(t)
	s.SetPace(
		pace.Pace{CutDelay: 300 * time.Millisecond, FilePause: 100 * time.Millisecond, ReadyDelay: 300 * time.Millisecond},
	)
	app := s.StartApp()
	s.Replicate(harness.Source{})
	trigger := s.AwaitWaiting("first")
	frozen := app.Quiesce()
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	app.Unquiesce()
	if s.CopyTree("Snapshot") != frozen {
		t.Error("the copy is not what was frozen")
	}
	if !s.CopyIsWhole() {
		t.Error("the copy is torn")
	}
	s.Unlock("first")
	s.FinishSync()

	s.SetPace(pace.Pace{FilePause: 3 * time.Second}) // it must write meanwhile, whatever the disk does
	s.SyncAgain("second")
	trigger = s.AwaitWaiting("second")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	if s.CopyIsWhole() {
		t.Error("a copy of a running application is not torn, so this test says nothing")
	}
	s.Copied(2)
}
