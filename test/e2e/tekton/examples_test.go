package tekton

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	s.copiedBy(&run{s, s.firstRun()})
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

// firstRun waits for a PipelineRun that somebody else creates.
func (s *site) firstRun() string {
	s.Helper()
	w, err := s.Client("PipelineRun").Watch(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		if o, ok := e.Object.(*unstructured.Unstructured); ok && o.GetKind() == "PipelineRun" {
			return o.GetName()
		}
	}
	s.Fatalf("waiting for a PipelineRun: %v", s.Ctx.Err())
	return ""
}

// copiedBy asserts that a run ends well, with a copy and an application that runs.
func (s *site) copiedBy(r *run) {
	s.Helper()
	if got := r.ended(); got != "Succeeded" && got != "Completed" {
		s.Fatalf("the run ended with %s\n%s", got, r.report())
	}
	if m := s.Marks(); m.Latest == "" || m.Trigger != m.Latest {
		s.Fatalf("the claim is left with %+v", m)
	}
	if s.DB.Frozen() {
		s.Fatalf("the application is left frozen")
	}
	s.Ledger.AwaitWrites()
	if freezes := s.Ledger.Seen(); len(freezes) != 1 {
		s.Fatalf("the application has noticed %+v, want one freeze", freezes)
	}
}
