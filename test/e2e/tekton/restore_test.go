package tekton

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A copy is worth what is in it: the database that restic restores from it starts, passes
// PostgreSQL's own check of its indexes, and has every write that was acknowledged before
// the freeze and none after it.
func TestRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	s.AwaitStatus(harness.Waiting)
	r := s.start(nil, nil)
	harness.LogIfFailed(t, r.report)
	if got := r.ended(); got != "Succeeded" && got != "Completed" {
		t.Fatalf("the run ended with %s", got)
	}
	s.Ledger.AwaitWrites()
	s.AwaitSynced()
	freezes := s.Ledger.Seen()
	if len(freezes) != 1 || freezes[0].Next == 0 {
		t.Fatalf("the application has noticed %+v, want one freeze, and that it is over", freezes)
	}
	f := freezes[0]
	t.Logf(
		"%d writes before the freeze, and the copy was made in a freeze of %s s",
		f.Last,
		results(r.task("quiesced-copy"))["freeze-seconds"],
	)

	s.Restore("restored")
	restored := s.Database("restored", "restored")
	count, highest := restored.Numbers()
	if count != highest {
		t.Errorf("the copy has %d numbers up to %d: some are lost", count, highest)
	}
	if highest < f.Last {
		t.Errorf("the copy ends with %d, but %d was acknowledged before the freeze", highest, f.Last)
	}
	if highest > max(f.Last, f.Doubt) {
		t.Errorf("the copy has %d, which was written after the freeze (%+v)", highest, f)
	}
	restored.CheckIndexes() // the copy is of a time when nothing could be written
	// The shipped Task says the same, and leaves nothing; of a check that finds fault, too.
	s.checkRestore(t, application.Sound, "Succeeded", map[string]string{"check": "Complete", "outcome": "ok"})
	s.checkRestore(t, "SELECT 1 / (count(*) = 0)::int FROM ledger", "StepFailed", nil)

	if got, err := strconv.ParseFloat(results(r.task("quiesced-copy"))["freeze-seconds"], 64); err != nil || got <= 0 {
		t.Errorf("freeze-seconds is %v (%v)", got, err)
	}
}

// checkRestore runs the shipped Task.
func (s *site) checkRestore(t *testing.T, query, reason string, want map[string]string) {
	t.Helper()
	s.Checks(query)
	name := s.Create(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": map[string]any{"generateName": "check-restore-"},
		"spec": map[string]any{
			"serviceAccountName": "copytrigger",
			"taskRef":            map[string]any{"name": "copytrigger-check-restore"},
			"params": []any{
				map[string]any{"name": "pvc", "value": harness.Claim},
				map[string]any{"name": "cronjob", "value": application.Check},
			},
			"podTemplate": map[string]any{"securityContext": map[string]any{
				"runAsNonRoot": true, "runAsUser": int64(65532), "seccompProfile": map[string]any{"type": "RuntimeDefault"},
			}},
		},
	}}).GetName()
	o := s.Await(application.Kinds["TaskRun"], name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "completionTime") != ""
	})
	if got := conditionOf(o); got != reason {
		t.Errorf("the check of a restore ended with %s, want %s: %v", got, reason, o.Object["status"])
	}
	for result, value := range want {
		if got := results(o)[result]; got != value {
			t.Errorf("%s is %q, want %q", result, got, value)
		}
	}
	s.NothingRestored(t)
}
