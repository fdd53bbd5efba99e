package argo

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The CronWorkflow as it is shipped starts a run that ends well; and where its time comes
// while that run is there, no other.
func TestCronWorkflowExample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	o := s.example("cronworkflow.yaml")
	s.Apply(o)
	// The same, every minute. There are no time zones in this controller's image, as there are
	// in upstream's.
	s.Patch(
		"CronWorkflow",
		o.GetName(),
		map[string]any{"spec": map[string]any{"schedules": []any{"* * * * *"}, "timezone": "UTC"}},
	)
	name := s.First("Workflow")
	s.metric(
		`cronworkflows_concurrencypolicy_triggered{concurrency_policy="Forbid",name="`+o.GetName()+`",namespace="%s"}`,
		1,
	)
	s.Patch("CronWorkflow", o.GetName(), map[string]any{"spec": map[string]any{"suspend": true}})
	storage.Release()
	s.copiedBy(&run{s, name})
	list, err := s.Client("Workflow").List(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	if len(list.Items) != 1 {
		t.Errorf("there are %d Workflows", len(list.Items))
	}
}

// The workflow with a pod for each step, as it is shipped.
func TestSeparatePodsExample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	s.copiedBy(s.submit(s.example("dag.yaml")))
	s.LeftUnlocked()
	s.unbudgeted()
}

// Its exit handler, when it is stopped.
func TestSeparatePodsExampleStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate(s.Hold().Class())
	r := s.submit(s.example("dag.yaml"))
	s.AwaitStatus(harness.InProgress)
	r.set("Stop")
	if got := r.ended(); got != "Failed" {
		t.Errorf("the run ended with %s", got)
	}
	if s.DB.Frozen() || len(s.Ledger.Seen()) != 1 {
		t.Errorf("the application is frozen: %t, and has noticed %+v\n%s", s.DB.Frozen(), s.Ledger.Seen(), r.report())
	}
	s.AwaitDisarmed()
	s.LeftUnlocked()
	s.Ledger.AwaitWrites()
	s.unbudgeted()
}

// The variant for all namespaces.
func TestClusterWorkflowTemplate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate("")
	kind := schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "clusterworkflowtemplates"}
	for _, o := range s.Shipped("workflows/cluster") {
		_, err := s.Dynamic().
			Resource(kind).
			Apply(s.Ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		s.Must(err)
		s.Must(s.Client("WorkflowTemplate").Delete(s.Ctx, o.GetName(), metav1.DeleteOptions{}))
	}
	s.copiedBy(s.start(nil, func(spec map[string]any) {
		spec["workflowTemplateRef"].(map[string]any)["clusterScope"] = true
	}))
}

// copiedBy asserts that a run ends well, with a copy and an application that runs.
func (s *site) copiedBy(r *run) {
	s.Helper()
	if got := r.ended(); got != "Succeeded" {
		s.Fatalf("the run ended with %s\n%s", got, r.report())
	}
	s.CopiedOnce()
}
