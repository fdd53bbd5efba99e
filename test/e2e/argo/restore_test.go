package argo

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The shipped template restores the last copy, checks it, and leaves nothing, whatever comes of it.
func TestCheckRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Backed()
	for _, c := range []struct{ query, phase string }{
		{application.Sound, "Succeeded"},
		{"SELECT 1 / (count(*) = 0)::int FROM ledger", "Failed"},
	} {
		s.Checks(c.query)
		r := s.submit(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
			"metadata": map[string]any{"generateName": "check-restore-"},
			"spec": map[string]any{
				"serviceAccountName": "copytrigger",
				"securityContext": map[string]any{
					"runAsNonRoot": true, "runAsUser": int64(65532), "seccompProfile": map[string]any{"type": "RuntimeDefault"},
				},
				"entrypoint": "main",
				"templates": []any{map[string]any{"name": "main", "steps": []any{[]any{map[string]any{
					"name":        "check",
					"templateRef": map[string]any{"name": "copytrigger", "template": "check-restore"},
					"arguments": map[string]any{"parameters": []any{
						map[string]any{"name": "pvc", "value": harness.Claim},
						map[string]any{"name": "cronjob", "value": application.Check},
					}},
				}}}}},
			},
		}})
		harness.LogIfFailed(t, r.report)
		if got := r.ended(); got != c.phase {
			t.Errorf("%s: the workflow is %s, want %s", c.query, got, c.phase)
		}
		s.NothingRestored(t)
	}
}
