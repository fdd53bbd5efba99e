package tekton

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The night's job, as the CronJob makes it, starts a run that ends well.
func TestCronJobExample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	all := s.example("cronjob.yaml")
	s.Apply(all...)
	spec, _, err := unstructured.NestedMap(all[0].Object, "spec", "jobTemplate", "spec")
	s.Must(err)
	s.Create(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"generateName": "night-"}, "spec": spec,
	}})
	s.copiedBy(&run{s, s.First("PipelineRun")})
}

// The pipeline with a pod for each step, as it is shipped.
func TestSeparateTasksExample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	all := s.example("separate-tasks.yaml")
	s.Apply(all[0])
	s.copiedBy(&run{s, s.Create(all[1]).GetName()})
}

// copiedBy asserts that a run ends well, with a copy and an application that runs.
func (s *site) copiedBy(r *run) {
	s.Helper()
	if got := r.ended(); got != "Succeeded" && got != "Completed" {
		s.Fatalf("the run ended with %s\n%s", got, r.report())
	}
	s.CopiedOnce()
}
