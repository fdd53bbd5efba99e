package harness

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// theirs is a cluster with two namespaces of a run, one of another run, and one of nobody's.
func theirs() (*guest, *kubefake.Clientset) {
	var all []runtime.Object
	for name, run := range map[string]string{
		"copytrigger-test-1": "mine",
		"copytrigger-test-2": "mine",
		"copytrigger-test-3": "yours",
	} {
		all = append(
			all,
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{runLabel: run}}},
		)
	}
	all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "production"}})
	client := kubefake.NewClientset(all...)
	claim := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim"}}
	claim.SetNamespace("copytrigger-test-2")
	claim.SetName(Claim)
	claim.SetFinalizers([]string{"kubernetes.io/pvc-protection", finalizer})
	kinds := map[schema.GroupVersionResource]string{claims: "PersistentVolumeClaimList", sources: "ReplicationSourceList"}
	return &guest{
		client: client, dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, claim),
		context: "prod's", run: "mine",
	}, client
}

func TestLeave(t *testing.T) {
	t.Setenv(kubeconfigEnv, "/a:/b")
	g, client := theirs()
	if err := g.leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ns := range list.Items {
		names = append(names, ns.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"copytrigger-test-3", "production"}) {
		t.Errorf("there are still %v", names)
	}
	claim, err := g.dynamic.Resource(claims).Namespace("copytrigger-test-2").Get(t.Context(), Claim, metav1.GetOptions{})
	if err != nil || !slices.Equal(claim.GetFinalizers(), []string{"kubernetes.io/pvc-protection"}) {
		t.Errorf("the claim has the finalizers %v, %v", claim.GetFinalizers(), err)
	}
	if g.making.TryRLock() {
		t.Error("a test can still make a namespace")
	}
}

// What a cluster does not delete is told, with a command that does.
func TestLeaveWhatStays(t *testing.T) {
	t.Setenv(kubeconfigEnv, "/a:/b")
	g, client := theirs()
	client.PrependReactor(
		"delete",
		"namespaces",
		func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil },
	)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := g.leave(ctx)
	for _, want := range []string{
		"copytrigger-test-1, copytrigger-test-2 (",
		`KUBECONFIG='/a:/b' kubectl --context='prod'\''s' delete namespace --selector=copytrigger.test/run=mine`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
