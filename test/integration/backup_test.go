package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Every mover that honours copy triggers, either way to copy, either way to start a
// sync: the copy has what the volume had while the application was quiesced.
func TestBackup(t *testing.T) {
	t.Parallel()
	for _, mover := range []string{"restic", "rclone", "rsyncTLS", "rsync"} {
		for _, method := range []string{"Snapshot", "Clone"} {
			for _, cron := range []string{"", "*/1 * * * *"} {
				source := harness.Source{Mover: mover, Method: method, Cron: cron}
				t.Run(source.String(), func(t *testing.T) {
					t.Parallel()
					backup(t, source)
				})
			}
		}
	}
}

func backup(t *testing.T, source harness.Source) {
	s := harness.New(t)
	app := s.StartApp()
	s.Replicate(source)

	waiting := s.Run("await-waiting", "--run-id", "nightly-42", "--timeout", "2m").Ends(harness.OK)
	trigger := waiting.Value("trigger")
	if since := s.Annotations()[harness.Since]; waiting.Value("waiting-since") != since || since == "" {
		t.Errorf("result waiting-since is %q, the claim says %q", waiting.Value("waiting-since"), since)
	}
	if got := waiting.Value("replication-source"); got != harness.Nightly {
		t.Errorf("result replication-source is %q", got)
	}
	s.Leaves("", "", harness.Waiting)

	frozen := app.Quiesce()
	s.Fire(trigger).Says("the trigger " + trigger + " is set")
	completed := s.AwaitCompleted(trigger).Says("VolSync recorded the trigger " + trigger)
	app.Unquiesce()

	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
	if copied := s.CopyTree(source.Method); copied != frozen {
		t.Errorf("the copy has\n%swhile the volume had\n%s", copied, frozen)
	}
	if now := s.Tree(s.VolumeDir()); now == frozen {
		t.Error("the application does not write any more")
	}
	if got := completed.Value("trigger"); got != trigger {
		t.Errorf("result trigger is %q, want %q", got, trigger)
	}
	if seconds, is := completed.Values["copy-seconds"].(float64); !is || seconds < 0 {
		t.Errorf("result copy-seconds is %v", completed.Values["copy-seconds"])
	}
	// A clone has no cut that anybody could see.
	want := ""
	if source.Method == "Snapshot" {
		want = s.CutTime()
	}
	if got := completed.Value("cut-time"); got != want {
		t.Errorf("result cut-time is %q, the storage says %q", got, want)
	}
}
