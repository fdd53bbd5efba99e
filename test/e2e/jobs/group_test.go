package jobs

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Two claims in one freeze, by their names and by their labels.
func TestGroup(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]any{
		"by names":  {"name": "COPYTRIGGER_PVC", "value": harness.Claim + "," + application.Second},
		"by labels": {"name": "COPYTRIGGER_SELECTOR", "value": application.Labels},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Together("jobs")
			j := s.night(func(spec map[string]any) {
				vars := containerOf(spec)["env"].([]any)
				vars[0] = env // in place of COPYTRIGGER_PVC
			})
			if got := j.ended(); got != "Complete" {
				t.Fatalf("the Job ended with %s", got)
			}
			s.CopiedTogether(j.uid)
		})
	}
}
