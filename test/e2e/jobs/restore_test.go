package jobs

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// restore is a Job of the example that restores the last copy and checks it.
func (s *site) restore(flags ...any) *job {
	s.Helper()
	cron := s.jobOf("quiesced-copy").Object["spec"].(map[string]any)
	o := s.RestoreJob(installOf(cron)["image"].(string), flags...)
	return s.start(o, nil)
}

// said is what the pods of the Job have said.
func (j *job) said() string { return j.report() }

// The last copy is restored, checked, and thrown away, whatever comes of it: by real movers, with a real
// PostgreSQL on what they restored.
func TestCheckRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Backed()
	s.Checks(application.Sound)

	j := s.restore()
	if got := j.ended(); got != "Complete" {
		t.Fatalf("a good copy: %s\n%s", got, j.said())
	}
	s.NothingRestored(t)
	if said := j.said(); !strings.Contains(said, "restoring") || !strings.Contains(said, `"check":"Complete"`) {
		t.Errorf("it says nothing of what was restored:\n%s", said)
	}

	// The check finds fault.
	s.Checks("SELECT 1 / (count(*) = 0)::int FROM ledger")
	j = s.restore()
	if got, said := j.ended(), j.said(); got != "Failed" || !strings.Contains(said, "division by zero") {
		t.Errorf("a check that fails: %s\n%s", got, said)
	}
	s.NothingRestored(t)

	// What the first run keeps is another run's for the next: one that comes too early is refused. The next one
	// after the first run's time throws it away.
	s.Checks(application.Sound)
	j = s.restore("--keep")
	if got := j.ended(); got != "Complete" {
		t.Errorf("with --keep: %s\n%s", got, j.said())
	}
	s.Get("PersistentVolumeClaim", application.Scratch)
	left := s.Get("ReplicationDestination", application.Restored)
	j = s.restore()
	if got, said := j.ended(), j.said(); got != "Failed" || !strings.Contains(said, "restores to ReplicationDestination") {
		t.Errorf("beside another run: %s\n%s", got, said)
	}
	if now := s.Get("ReplicationDestination", application.Restored); now.GetUID() != left.GetUID() {
		t.Error("what another run restores was thrown away")
	}
	s.Patch("ReplicationDestination", application.Restored, map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{"copytrigger/restored-until": "2000-01-01T00:00:00Z"}}})
	j = s.restore()
	if got, said := j.ended(), j.said(); got != "Complete" || !strings.Contains(said, "has left") {
		t.Errorf("after the other: %s\n%s", got, said)
	}
	s.NothingRestored(t)
}

// Where there is no copy in the repository restic's mover ends well, and where its password is wrong it never
// does: nothing of it is taken for a restore.
func TestNothingToRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Backed()
	s.Checks("SELECT 1")
	repository := func(key, value string) {
		s.Patch("Secret", "repository", map[string]any{"stringData": map[string]any{key: value}})
	}
	repository("RESTIC_REPOSITORY", "/mnt/repository/another")
	j := s.restore()
	got, said := j.ended(), j.said()
	if got != "Failed" || !strings.Contains(said, "says nothing of having restored anything") {
		t.Errorf("an empty repository: %s\n%s", got, said)
	}
	s.NothingRestored(t)

	repository("RESTIC_REPOSITORY", "/mnt/repository/restic")
	repository("RESTIC_PASSWORD", "wrong")
	j = s.restore("--timeout=90s")
	if got, said := j.ended(), j.said(); got != "Failed" || !strings.Contains(said, "its mover has failed") {
		t.Errorf("a wrong password: %s\n%s", got, said)
	}
	s.NothingRestored(t)
}
