package recipes

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// These tests have no node, so no pod of the application ever runs: what is tested is what
// the recipe does to the workload, and what it makes of the pods that there are.

// workload makes the Deployment that the recipe names, and waits for its pods.
func (b *bench) workload(replicas int32) {
	b.Helper()
	labels := map[string]string{"app": "app"}
	_, err := b.Kube().AppsV1().Deployments(b.Namespace).Create(b.Ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
			},
		},
	}, metav1.CreateOptions{})
	b.Must(err)
	b.awaitPods(int(replicas))
	// The controllers write to a new one once more, which is no business of ours.
	b.Eventually("the Deployment to be looked at", func() bool {
		d := b.deployment()
		return d.Status.ObservedGeneration == d.Generation && d.Annotations["deployment.kubernetes.io/revision"] != "" &&
			d.Status.Replicas == replicas
	})
}

func (b *bench) deployment() *appsv1.Deployment {
	b.Helper()
	d, err := b.Kube().AppsV1().Deployments(b.Namespace).Get(b.Ctx, "app", metav1.GetOptions{})
	b.Must(err)
	return d
}

func (b *bench) pods() []corev1.Pod {
	b.Helper()
	list, err := b.Kube().CoreV1().Pods(b.Namespace).List(b.Ctx, metav1.ListOptions{LabelSelector: "app=app"})
	b.Must(err)
	return list.Items
}

func (b *bench) awaitPods(n int) {
	b.Helper()
	b.Eventually(fmt.Sprintf("%d pods", n), func() bool { return len(b.pods()) == n })
}

func (b *bench) scale(replicas int) {
	b.Helper()
	_, err := b.Kube().AppsV1().Deployments(b.Namespace).Patch(b.Ctx, "app", types.MergePatchType,
		fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas), metav1.PatchOptions{})
	b.Must(err)
}

// restored asserts that the workload is as it was.
func (b *bench) asBefore(replicas int32) {
	b.Helper()
	d := b.deployment()
	if kept := b.Annotations()[keptReplicas]; *d.Spec.Replicas != replicas || kept != "" {
		b.Fatalf("%d replicas, want %d; %q is kept", *d.Spec.Replicas, replicas, kept)
	}
}

const keptReplicas = "copytrigger/replicas-before"

func newScaling(t *testing.T, replicas int32) (*bench, *recipe) {
	t.Helper()
	b := newBench(t, "kubectl", "bash")
	b.workload(replicas)
	return b, b.recipe("scale-to-zero", nil)
}

func TestScaleToZero(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int32{2, 0} { // none is none afterwards, too
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			b, r := newScaling(t, replicas)
			run, held := r.begin()
			d := b.deployment()
			kept := b.Annotations()[keptReplicas]
			if *d.Spec.Replicas != 0 || kept != fmt.Sprint(replicas, "/", r.uid) || len(b.pods()) != 0 {
				t.Errorf("quiesced with %d replicas, %d pods; %q is kept", *d.Spec.Replicas, len(b.pods()), kept)
			}
			held.Release()
			result := run.End().Ends(harness.OK)
			b.asBefore(replicas)
			b.awaitPods(int(replicas))
			t.Logf("%d pods, frozen %s s", replicas, result.Value("freeze-seconds"))
		})
	}
}

// Labels that no pod has: its pods would not be waited for.
func TestScaleWrongLabels(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 1)
	r.set("SELECTOR", "app=other")
	b.ReplicateAndWait(harness.Source{Name: backup})
	r.start().End().Ends(harness.Refused).Says("no pod has the labels app=other")
	b.asBefore(1)
	b.Copied(0)
}

// A number that an earlier run has left, and somebody has scaled it since.
func TestScaleStaleNumber(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 2)
	b.Annotate(keptReplicas, "0")
	run, held := r.begin()
	held.Release()
	run.End().Ends(harness.OK)
	b.asBefore(2)
}

// A pod that does not go: nothing is copied, and the workload is scaled back.
func TestScalePodStays(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 1)
	pod := b.pods()[0].Name
	finalizers := func(list string) {
		_, err := b.Kube().CoreV1().Pods(b.Namespace).Patch(context.WithoutCancel(b.Ctx), pod, types.MergePatchType,
			[]byte(`{"metadata": {"finalizers": `+list+`}}`), metav1.PatchOptions{})
		b.Must(err)
	}
	finalizers(`["copytrigger.test/hold"]`)
	b.Cleanup(func() { finalizers("null") })
	r.set("STOP_SECONDS", "1")
	b.ReplicateAndWait(harness.Source{Name: backup})
	r.start().End().Ends(harness.Refused).Says("still there: pod/" + pod)
	b.asBefore(1)
	b.Copied(0)
}

// set sets a variable of the container otherwise.
func (r *recipe) set(name, value string) {
	r.Helper()
	for i, e := range r.pod().Containers[0].Env {
		if e.Name == name {
			r.pod().Containers[0].Env[i].Value = value
			return
		}
	}
	r.Fatalf("the example has no variable %s", name)
}

// Somebody scales it up, and even down again, during the copy.
func TestScaledInBetween(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 2)
	run, held := r.begin()
	b.scale(1)
	b.awaitPods(1)
	b.scale(0)
	b.awaitPods(0)
	held.Release()
	run.End().Ends(harness.Unverified).Says("was changed, or had pods")
	b.asBefore(2)
}

// Nothing ends this freeze but the next attempt of the same run, which scales back to what
// the first one found.
func TestScaleKilled(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 2)
	run, _ := r.begin()
	run.Kill()
	if n := *b.deployment().Spec.Replicas; n != 0 {
		t.Errorf("%d replicas, and nobody to scale", n)
	}
	again := r.start().End()
	if again.Code != harness.Tainted && again.Code != harness.Unverified {
		t.Errorf("exit code %d", again.Code)
	}
	b.asBefore(2)
	b.awaitPods(2)
}
