package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// One ReplicationSource, backup after backup, all with the same run id: each wait has a
// trigger of its own, and each backup a copy of its own.
func TestBackupAfterBackup(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app := s.StartApp()
	s.Replicate(harness.Source{})
	seen := map[string]bool{}
	cut := ""
	for i := range 3 {
		trigger := s.AwaitWaiting("nightly")
		if seen[trigger] {
			t.Fatalf("trigger %s again", trigger)
		}
		seen[trigger] = true
		frozen := app.Quiesce()
		s.Fire(trigger)
		r := s.AwaitCompleted(trigger)
		app.Unquiesce()
		if s.CopyTree("Snapshot") != frozen {
			t.Errorf("copy %d is not what was frozen", i)
		}
		s.Leaves(trigger, trigger, harness.Completed)
		s.Copied(i + 1)
		now := r.Value("cut-time")
		if _, err := time.Parse(time.RFC3339, now); err != nil || now < cut {
			t.Errorf("cut-time %q after %q", now, cut)
		}
		cut = now
		s.Unlock("nightly")
		s.FinishSync()
		s.SyncAgain(fmt.Sprint("sync ", i+2))
	}
}

// VolSync waits for the next backup already, before await-completed of the last one has
// looked: only the recorded trigger says that it succeeded, the status is the next one's.
func TestAwaitCompletedComesLate(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Replicate(harness.Source{})
	last := ""
	for i := range 2 {
		trigger := s.AwaitWaiting("nightly")
		s.Fire(trigger)
		s.AwaitRecorded(trigger)
		s.FinishSync()
		s.SyncAgain(fmt.Sprint("sync ", i+2))
		s.AwaitStatus(harness.Waiting)
		s.AwaitCompleted(trigger)
		s.Leaves(trigger, trigger, harness.Waiting)
		s.Copied(i + 1)
		if last != "" {
			// The one before is not recorded any more, and must not look like it.
			s.Run("await-completed", "--trigger", last).Ends(harness.Unverified).Error("VolSync may have copied for it")
		}
		s.Unlock("nightly")
		last = trigger
	}
}

// With a schedule, the next sync comes by itself.
func TestScheduledAgain(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	if testing.Short() {
		harness.Skip(t, "waits for the next minute")
	}
	s := harness.New(t)
	s.Replicate(harness.Source{Cron: "*/1 * * * *"})
	first := s.AwaitWaiting("first")
	s.Fire(first)
	s.AwaitCompleted(first)
	s.Unlock("first")
	s.FinishSync()
	second := s.AwaitWaiting("second")
	s.Fire(second)
	s.AwaitCompleted(second)
	s.Leaves(second, second, harness.Completed)
	s.Copied(2)
}
