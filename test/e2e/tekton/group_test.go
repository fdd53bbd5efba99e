package tekton

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Two claims in one freeze, by their names and by their labels. The results tell of both, also those
// of the Pipeline, which another Task may be given.
func TestGroup(t *testing.T) {
	t.Parallel()
	knowing := application.Script("quiesce.sql", application.KnowsBoth)
	for name, c := range map[string]struct {
		of     pipeline
		params map[string]any
	}{
		"many steps, by names": {manySteps, map[string]any{
			"pvcs": []any{harness.Claim, application.Second}, "quiesce-command": knowing,
		}},
		"many steps, by labels": {manySteps, map[string]any{
			"pvcs": []any{}, "selector": application.Labels, "quiesce-command": knowing,
		}},
		"one step, by labels": {oneStep, map[string]any{
			"pvcs": []any{}, "selector": application.Labels, "until": "cut",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Together("tasks")
			r := s.startExample(c.of.example, c.params, nil)
			if got := r.ended(); got != "Completed" {
				t.Fatalf("the run ended with %s\n%s", got, r.report())
			}
			o := s.Get("PipelineRun", r.name)
			s.CopiedTogether(string(o.GetUID()))
			toldOfBoth(t, o)
		})
	}
}

// toldOfBoth asserts the results of a PipelineRun.
func toldOfBoth(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "results")
	all := map[string]any{}
	for _, r := range list {
		r := r.(map[string]any)
		all[r["name"].(string)] = r["value"]
	}
	if names, _ := all["pvcs"].([]any); len(names) != 2 || names[0] != harness.Claim || names[1] != application.Second {
		t.Errorf("pvcs is %v", all["pvcs"])
	}
	if all["skew-seconds"] == "" || all["skew-seconds"] == nil {
		t.Errorf("skew-seconds is %v", all["skew-seconds"])
	}
	var claims []map[string]string
	text, _ := all["claims"].(string)
	if err := json.Unmarshal([]byte(text), &claims); err != nil || len(claims) != 2 {
		t.Fatalf("claims is %v: %v", all["claims"], err)
	}
	for i, name := range []string{harness.Claim, application.Second} {
		if c := claims[i]; c["name"] != name || c["outcome"] != "ok" || c["cut-time"] == "" || c["fired-at"] == "" {
			t.Errorf("claims has %v of %s", c, name)
		}
	}
}
