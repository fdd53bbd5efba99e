package events

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A claim begins to wait, and a run comes. One that waits no longer is left alone, and so is one
// that never did.
func TestRunBegins(t *testing.T) {
	t.Parallel()
	s := newSite(t, "workflows")
	s.listens(s.shipped())
	s.resynced(1)
	if runs := s.runs("Workflow"); len(runs) != 0 {
		t.Fatalf("there are %d runs, and nothing waits", len(runs))
	}
	s.Replicate("")
	s.AwaitStatus(harness.Waiting)
	began := s.Annotations()[since]
	name := s.First("Workflow")
	if at, err := time.Parse(time.RFC3339, began); err == nil {
		t.Logf(
			"the Workflow was created %s after VolSync began to wait",
			s.Get("Workflow", name).GetCreationTimestamp().Sub(at),
		)
	}
	if phase, outcome := s.ended(name); phase != "Succeeded" || outcome != "ok" {
		t.Fatalf("the run ended with %s, %q", phase, outcome)
	}
	s.CopiedOnce()
	ended := len(s.runs("Workflow"))
	s.resynced(2)
	if runs := s.runs("Workflow"); len(runs) != ended {
		t.Errorf("there were %d runs when the copy was made, and now there are %d", ended, len(runs))
	}
}

// spoilt is how a run comes to end without a copy, and what then is so that the next one can copy.
type spoilt struct {
	outcome string
	spoil   func(s *site, all []*unstructured.Unstructured)
	mend    func(s *site)
}

// A run that ends without a copy is not the last: another one comes at a resync, and copies.
func TestRunComesAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []spoilt{
		{
			outcome: "refused",
			spoil:   func(s *site, _ []*unstructured.Unstructured) { s.quiesce("SELECT 1/0;") },
			mend:    func(s *site) { s.quiesce(s.quiesceSQL()) },
		},
	} {
		t.Run(c.outcome, func(t *testing.T) {
			t.Parallel()
			c.comesAgain(t)
		})
	}
}

// The same for a VolSync that is away. It is everybody's: hence one after the other.
func TestRunComesAgainAfterVolSync(t *testing.T) {
	back := func(s *site) { s.volsync(1) }
	for _, c := range []spoilt{
		{
			outcome: "withdrawn",
			spoil: func(s *site, all []*unstructured.Unstructured) {
				argument(all, "ack-timeout", "5s")
				s.stopVolsync()
			},
			mend: back,
		},
		{
			// The claim still says that VolSync waits, and VolSync does not know the new ReplicationSource.
			outcome: "timed-out",
			spoil: func(s *site, all []*unstructured.Unstructured) {
				argument(all, "wait-timeout", "5s")
				s.stopVolsync()
				s.DeleteSource()
				s.Replicate("")
			},
			mend: back,
		},
	} {
		t.Run(c.outcome, c.comesAgain)
	}
}

func (c spoilt) comesAgain(t *testing.T) {
	s := newSite(t, "workflows")
	all := s.shipped()
	s.Replicate("")
	s.AwaitStatus(harness.Waiting)
	c.spoil(s, all)
	s.listens(all)
	if phase, outcome := s.ended(s.First("Workflow")); phase != "Failed" || outcome != c.outcome {
		t.Fatalf("the first run ended with %s, %q", phase, outcome)
	}
	c.mend(s)
	s.Eventually("a run that succeeded", func() bool {
		return slices.ContainsFunc(s.runs("Workflow"), func(o unstructured.Unstructured) bool {
			return application.Text(&o, "status", "phase") == "Succeeded" && outcomeOf(&o) == "ok"
		})
	})
	if m := s.Marks(); m.Latest == "" || m.Trigger != m.Latest {
		t.Errorf("the claim is left with %+v", m)
	}
	runs := s.runs("Workflow")
	var times []string
	for i, o := range runs {
		times = append(
			times,
			fmt.Sprint(o.GetCreationTimestamp().Sub(runs[0].GetCreationTimestamp().Time), " ", outcomeOf(&o)),
		)
		if i > 1 && o.GetCreationTimestamp().Sub(runs[i-1].GetCreationTimestamp().Time) < interval-5*time.Second {
			t.Errorf("run %d came before the next resync", i+1)
		}
	}
	t.Logf("the runs began at %q", times)
}

// stopVolsync stops VolSync until the test is over, if not before.
func (s *site) stopVolsync() {
	s.Cleanup(func() { s.volsync(1) })
	s.volsync(0)
}

// volsync sets how many VolSyncs there are, and waits until it is so.
func (s *site) volsync(replicas int32) {
	ctx, cancel := application.Background()
	defer cancel()
	deployments := s.Kube().AppsV1().Deployments("volsync-system")
	_, err := deployments.Patch(
		ctx,
		"controller-manager",
		types.MergePatchType,
		fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas),
		metav1.PatchOptions{},
	)
	s.Must(err)
	s.Eventually(fmt.Sprintf("%d of VolSync", replicas), func() bool {
		pods, err := s.Kube().CoreV1().Pods("volsync-system").List(ctx, metav1.ListOptions{})
		s.Must(err)
		return len(pods.Items) == int(replicas) &&
			!slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning })
	})
}

// argument sets an argument of the runs that the Sensor starts.
func argument(all []*unstructured.Unstructured, name, value string) {
	resource := trigger(all)["source"].(map[string]any)["resource"].(map[string]any)
	application.SetParam(resource["spec"].(map[string]any)["arguments"].(map[string]any), "parameters", name, value)
}

// quiesceSQL is that of the example.
func (s *site) quiesceSQL() string {
	s.Helper()
	for _, o := range s.File("tasks/examples/postgresql.yaml") {
		if text := application.Text(o, "data", "quiesce.sql"); text != "" {
			return text
		}
	}
	s.Fatalf("the example has no quiesce.sql")
	return ""
}

// quiesce sets what the runs' quiesce step does.
func (s *site) quiesce(sql string) {
	s.Helper()
	s.Patch("ConfigMap", "postgresql-scripts", map[string]any{"data": map[string]any{"quiesce.sql": sql}})
}

// An event that nobody heard is made good: VolSync waits, and the EventSource has told of it,
// before there is a Sensor.
func TestLostEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t, "workflows")
	all := s.shipped()
	s.Replicate("")
	s.AwaitStatus(harness.Waiting)
	s.Apply(only(all, "Sensor", false)...)
	s.awaitSaid(source, "Succeeded to publish an event")
	s.Apply(only(all, "Sensor", true)...)
	if phase, outcome := s.ended(s.First("Workflow")); phase != "Succeeded" || outcome != "ok" {
		t.Fatalf("the run ended with %s, %q", phase, outcome)
	}
	s.CopiedOnce()
}

// No resync comes here. What the EventSource tells while the Sensor is away is not lost, and an
// EventSource that starts anew tells of every claim that waits.
func TestRestarts(t *testing.T) {
	t.Parallel()
	s := newSite(t, "workflows")
	s.quiesce("SELECT 1/0;")
	s.listens(s.shippedWith(24 * time.Hour))
	s.scale(sensor, 0)
	s.Replicate("")
	s.awaitSaid(source, "Succeeded to publish an event")
	s.scale(sensor, 1)
	first := s.First("Workflow")
	if phase, outcome := s.ended(first); phase != "Failed" || outcome != "refused" {
		t.Fatalf("the first run ended with %s, %q", phase, outcome)
	}
	s.quiesce(s.quiesceSQL())
	s.scale(source, 0)
	s.scale(source, 1)
	s.Eventually("a second run", func() bool { return len(s.runs("Workflow")) == 2 })
	if phase, outcome := s.ended(s.runs("Workflow")[1].GetName()); phase != "Succeeded" || outcome != "ok" {
		t.Fatalf("the second run ended with %s, %q", phase, outcome)
	}
	if by := s.Annotations()[resync]; by != "" {
		t.Errorf("there was a resync at %s: this test shows nothing", by)
	}
}

// With Tekton: docs/argo.md says what of the Sensor is to be changed.
func TestPipelineRunBegins(t *testing.T) {
	t.Parallel()
	s := newSite(t, "tasks")
	all := s.shipped()
	k8s := trigger(all)
	k8s["source"] = map[string]any{"resource": s.File("tasks/examples/pipelinerun.yaml")[0].Object}
	k8s["parameters"].([]any)[0].(map[string]any)["dest"] = "spec.params.0.value.0"
	for _, o := range all {
		if o.GetKind() == "Role" && o.GetName() == "volsync-waiting-sensor" {
			rules := o.Object["rules"].([]any)
			rules[0] = map[string]any{
				"apiGroups": []any{"tekton.dev"},
				"resources": []any{"pipelineruns"},
				"verbs":     []any{"create"},
			}
		}
	}
	s.listens(all)
	s.Replicate("")
	name := s.First("PipelineRun")
	o := s.Await(application.Kinds["PipelineRun"], name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "completionTime") != ""
	})
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	if len(conditions) != 1 || conditions[0].(map[string]any)["status"] != "True" {
		t.Fatalf("the run ended with %v", conditions)
	}
	s.CopiedOnce()
}
