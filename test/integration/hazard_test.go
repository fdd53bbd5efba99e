package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const handmade = "early.0123456789abcdef" // a trigger that no await-waiting gave

// While a copy exists, VolSync acknowledges any trigger at once, and copies nothing. So
// fire-trigger fires nothing. It is not refused but tainted where it sees the copy: there was
// none when await-waiting ended, so somebody else has made VolSync copy meanwhile.
func TestNothingIsFiredWhileACopyExists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args         []string
		code         int
		reason, hint string
	}{
		"": {
			code:   harness.Tainted,
			reason: "VolSync has copied, or is copying, for somebody else",
			hint:   "do not use this sync's copy",
		},
		"with --pvc-only": {
			args:   []string{"--pvc-only"},
			code:   harness.Refused,
			reason: "VolSync is not waiting any more",
			hint:   "run await-waiting again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			trigger := backedUp(s)
			s.AwaitMover()
			s.Run("fire-trigger", append(c.args, "--trigger", handmade)...).Ends(c.code).Error(c.reason).Hint(c.hint)
			s.Nudge()
			s.Leaves(trigger, trigger, harness.Completed)
			s.Copied(1)
		})
	}
}

// The same with kubectl: VolSync says Completed, with the trigger that was given, and
// there is no copy of this moment. This is what the refusal above is for.
func TestVolSyncAcknowledgesWithoutACopy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app := s.StartApp()
	s.Replicate(harness.Source{})
	trigger := s.AwaitWaiting("first")
	before := app.Quiesce()
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	app.Unquiesce()
	s.AwaitMover()

	now := app.Quiesce()
	s.Annotate(harness.Trigger, handmade)
	s.AwaitRecorded(handmade)
	app.Unquiesce()

	s.Leaves(handmade, handmade, harness.Completed)
	s.Copied(1)
	if copied := s.CopyTree("Snapshot"); copied != before || copied == now {
		t.Error("the copy is not the old one")
	}
}

// A trigger set while nobody waits makes the next sync copy without waiting. So
// fire-trigger refuses that too, and await-waiting an armed claim.
func TestFireIsRefusedWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger := backedUp(s)
	s.FinishSync()
	s.Run("fire-trigger", "--trigger", handmade).Ends(harness.Refused).
		Error("ReplicationSource nightly has no sync running").Hint("run await-waiting again")
	s.Leaves(trigger, trigger, harness.Completed)

	// What it refused to do, done by hand.
	s.Annotate(harness.Trigger, handmade)
	s.SyncAgain("second")
	s.AwaitRecorded(handmade)
	s.Copied(2)
}

// A trigger that VolSync has recorded is used up once VolSync waits again.
func TestUsedTriggerIsRefused(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger := recorded(s)
	// A retry of the step is no new use.
	s.Run("fire-trigger", "--trigger", trigger).Ends(harness.OK).Says("VolSync has recorded the trigger already")
	s.Unlock("first")
	s.FinishSync()
	s.SyncAgain("second")
	s.AwaitStatus(harness.Waiting)
	s.Run("fire-trigger", "--trigger", trigger).Ends(harness.Refused).Error("is used up").Hint("run await-waiting again")
	s.Nudge()
	s.Leaves(trigger, trigger, harness.Waiting)
	s.Copied(1)
}
