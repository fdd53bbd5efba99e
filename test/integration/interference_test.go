package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Somebody else fires between await-waiting and fire-trigger: VolSync copies for them.
func TestForeignTriggerBeforeFire(t *testing.T) {
	t.Parallel()
	t.Run("VolSync is copying for it", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.ReplicateAndWait(s.Hold().Source("Snapshot"))
		trigger := s.AwaitWaiting("run")
		s.Annotate(harness.Trigger, foreign)
		s.AwaitStatus(harness.InProgress)
		s.Run("fire-trigger", "--trigger", trigger).Ends(harness.Tainted).
			Error(`it is armed with the trigger "somebody-else"`).Hint("do not use this sync's copy")
		s.Leaves(foreign, "", harness.InProgress)
	})
	t.Run("VolSync has copied for it", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.ReplicateAndWait(harness.Source{})
		trigger := s.AwaitWaiting("run")
		s.Annotate(harness.Trigger, foreign)
		s.AwaitRecorded(foreign)
		s.Run("fire-trigger", "--trigger", trigger).Ends(harness.Tainted).
			Error("VolSync has copied, or is copying, for somebody else").Hint("do not use this sync's copy")
		s.Leaves(foreign, foreign, harness.Completed)
		s.Copied(1)
	})
	t.Run("at the very moment of the write", func(t *testing.T) {
		t.Parallel()
		s, proxy := harness.New(t).Proxied()
		s.ReplicateAndWait(harness.Source{})
		trigger := s.AwaitWaiting("run")
		write := proxy.Hold(harness.Write)
		fire := s.Start("fire-trigger", "--trigger", trigger)
		write.Arrived()
		s.Annotate(harness.Trigger, foreign)
		write.Reply()
		end := harness.Refused
		r := fire.End()
		if r.Code == harness.Tainted { // VolSync was copying by then
			end = harness.Tainted
		}
		r.Ends(end)
		s.Leaves(foreign, foreign, harness.Completed)
		s.Copied(1)
	})
}

// Something of the claim changes between the look and the write, and it is none of the
// protocol's: the write is tried again on what is there now.
func TestHarmlessChangeAtTheMomentOfTheWrite(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	write := proxy.Hold(harness.Write)
	fire := s.Start("fire-trigger", "--trigger", trigger)
	write.Arrived()
	s.Annotate("example.com/note", "hello")
	write.Reply()
	fire.End().Ends(harness.OK).Says("the claim has changed; deciding again")
	s.AwaitCompleted(trigger)
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
	if s.Annotations()["example.com/note"] != "hello" {
		t.Error("somebody's annotation is gone")
	}
}

// Somebody else replaces the trigger while VolSync copies: it will record theirs.
func TestTriggerReplacedDuringTheCopy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	s.Annotate(harness.Trigger, foreign)
	await.End().
		Ends(harness.Tainted).
		Error(`somebody replaced the trigger by "somebody-else"`).
		Hint("do not use this sync's copy")
	s.Leaves(foreign, "", harness.InProgress)
	held.Release()
	s.Leaves(foreign, foreign, harness.Completed)
	s.Copied(1)
}

// The same, and VolSync has recorded theirs before await-completed looks again.
func TestTriggerReplacedAndRecordedUnseen(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	look := proxy.HoldAll(harness.GetClaim)
	s.Annotate("example.com/note", "makes it look")
	look.Arrived()
	s.Annotate(harness.Trigger, foreign)
	held.Release()
	s.AwaitRecorded(foreign)
	look.Reply()
	await.End().
		Ends(harness.Unverified).
		Error(`VolSync recorded a copy for "somebody-else" instead of this trigger`).
		Hint("do not rely on this sync's copy")
	s.Leaves(foreign, foreign, harness.Completed)
	s.Copied(1)
}

// The trigger was replaced and recorded before await-completed even began.
func TestTriggerReplacedBeforeAwaitCompleted(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	s.Annotate(harness.Trigger, foreign)
	held.Release()
	s.AwaitRecorded(foreign)
	s.Run("await-completed", "--trigger", trigger).Ends(harness.Unverified).
		Error("the trigger is neither set nor recorded").Hint("took its trigger back, or replaced it")
	s.Leaves(foreign, foreign, harness.Completed)
}

// Somebody takes the trigger back.
func TestTriggerTakenBackByAnotherHand(t *testing.T) {
	t.Parallel()
	t.Run("before VolSync took it", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.Orphan()
		trigger := s.AwaitWaiting("run", "--pvc-only")
		s.Fire(trigger, "--pvc-only")
		await := s.Start("await-completed", "--trigger", trigger, "--pvc-only")
		await.Says("VolSync has not taken the trigger")
		s.Annotate(harness.Trigger, "")
		await.End().
			Ends(harness.Withdrawn).
			Error("somebody took the trigger back before VolSync took it: no copy was made").
			Hint("run await-waiting again")
		s.Leaves("", "", harness.Waiting)
		s.Copied(0)
	})
	t.Run("while VolSync was copying", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		trigger, held := s.FireHeld("run")
		await := s.Start("await-completed", "--trigger", trigger)
		await.Says("VolSync is copying")
		s.Annotate(harness.Trigger, "")
		await.End().
			Ends(harness.Tainted).
			Error("somebody took the trigger back while VolSync was copying").
			Hint("do not use this sync's copy")
		s.Leaves("", "", harness.InProgress)
		held.Release()
		s.Leaves("", "", harness.Completed)
		s.Copied(1)
	})
}

// Copy triggers are turned off while VolSync copies: nothing will be recorded.
func TestCopyTriggersTurnedOffDuringTheCopy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	s.Annotate(harness.Use, "")
	await.End().Ends(harness.Tainted).Error("somebody removed " + harness.Use).Hint("put the annotation back")
	s.Leaves("", "", harness.InProgress)
	held.Release()
}

// The claim is deleted and created again while VolSync copies, with the annotations that
// it had: they prove nothing, and the trigger in them must go.
func TestClaimRecreatedDuringTheCopy(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	trigger, _ := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	look := proxy.HoldAll(harness.GetClaim)
	s.Annotate("example.com/note", "makes it look")
	look.Arrived()
	s.DeleteSource()
	s.RecreateClaim()
	look.Reply()
	await.End().
		Ends(harness.Unverified).
		Error("it was deleted and created again during the copy").
		Hint("do not rely on this sync's copy")
	s.Leaves("", "", harness.InProgress)
}

// The claim is gone while VolSync copies.
func TestClaimGoneDuringTheCopy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, _ := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	s.DeleteClaim()
	await.End().Ends(harness.Tainted)
}

// Somebody deletes VolSync's copy before it is done. VolSync makes another one, and the
// application is still quiesced for that: fine, if it is recorded for our trigger.
func TestCopyDeletedDuringTheCopy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app := s.StartApp()
	held := s.Hold()
	s.Replicate(held.Source("Snapshot"))
	trigger := s.AwaitWaiting("run")
	frozen := app.Quiesce()
	s.Fire(trigger)
	s.AwaitStatus(harness.InProgress)
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	s.DeleteCopy()
	held.Release()
	await.End().Ends(harness.OK)
	app.Unquiesce()
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(2)
	if s.CopyTree("Snapshot") != frozen {
		t.Error("the copy is not what was frozen")
	}
}
