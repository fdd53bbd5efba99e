package argo

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Two claims in one freeze, by their names and by their labels.
func TestGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		example string
		params  map[string]string
	}{
		"many steps, by names": {"workflow.yaml", map[string]string{
			"pvcs":            harness.Claim + "," + application.Second,
			"quiesce-command": script("quiesce.sql", application.KnowsBoth),
		}},
		"many steps, by labels": {"workflow.yaml", map[string]string{
			"pvcs": "", "selector": application.Labels, "quiesce-command": script("quiesce.sql", application.KnowsBoth),
		}},
		"one step, by labels": {"run.yaml", map[string]string{"pvcs": "", "selector": application.Labels, "until": "cut"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Together("workflows")
			r := s.startExample(c.example, c.params, nil)
			if got := r.ended(); got != "Succeeded" {
				t.Fatalf("the run ended with %s\n%s", got, r.report())
			}
			s.CopiedTogether(r.uid())
			freeze := r.pods("freeze")[0]
			if got := freeze.output("pvcs"); got != `["data","wal"]` {
				t.Errorf("pvcs is %s", got)
			}
			if got := freeze.output("skew-seconds"); got == "" {
				t.Error("there is no skew-seconds")
			}
			var claims []map[string]string
			if err := json.Unmarshal([]byte(freeze.output("claims")), &claims); err != nil || len(claims) != 2 {
				t.Fatalf("claims is %s: %v", freeze.output("claims"), err)
			}
			for i, name := range []string{harness.Claim, application.Second} {
				if c := claims[i]; c["name"] != name || c["outcome"] != "ok" || c["cut-time"] == "" {
					t.Errorf("claims has %v of %s", c, name)
				}
			}
		})
	}
}

// The mutex is only a queue, for runs with the same claims. A run for one of them is kept away by the
// lock: it ends refused, and its cleanup leaves the freeze of the group alone.
func TestGroupAndOneOfIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Together("workflows")
	group := s.start(map[string]string{
		"pvcs":            harness.Claim + "," + application.Second,
		"quiesce-command": script("quiesce.sql", application.UntilGo),
	}, nil)
	s.DB.AwaitFrozen(true)
	one := s.start(nil, nil)
	if got := one.ended(); got != "Failed" {
		t.Errorf("the run of one claim ended with %s", got)
	}
	if got := one.pods("freeze")[0].output("outcome"); got != "refused" {
		t.Errorf("the run of one claim has the outcome %q, want refused", got)
	}
	waiting, _, _ := unstructured.NestedSlice(one.workflow().Object, "status", "synchronization", "mutex", "waiting")
	if len(waiting) > 0 {
		t.Error("the run of one claim waits for the group")
	}
	if !s.DB.Frozen() {
		t.Error("the cleanup of the run of one claim has let the application go")
	}
	s.DB.Do(application.Name, "SET default_transaction_read_only = off", "COMMENT ON TABLE ledger IS 'go'")
	if got := group.ended(); got != "Succeeded" {
		t.Fatalf("the group ended with %s\n%s", got, group.report())
	}
	s.CopiedTogether(group.uid())
}
