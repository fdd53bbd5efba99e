package cluster

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestIntoNamespace(t *testing.T) {
	objects, err := documents([]byte(`
kind: RoleBinding
metadata: {name: a}
subjects: [{kind: ServiceAccount, namespace: system}, {kind: ServiceAccount, namespace: other}]
---
kind: ClusterRoleBinding
metadata: {name: b}
subjects: [{kind: ServiceAccount, namespace: system}]
---
# nothing
`))
	if err != nil || len(objects) != 2 {
		t.Fatalf("got %d objects, %v", len(objects), err)
	}
	for i, want := range []struct {
		namespace string
		subjects  []string
	}{{"volsync-system", []string{"volsync-system", "other"}}, {"", []string{"volsync-system"}}} {
		intoNamespace(objects[i], "volsync-system")
		if got := objects[i].GetNamespace(); got != want.namespace {
			t.Errorf("%s: got namespace %q, want %q", objects[i].GetName(), got, want.namespace)
		}
		subjects, _, _ := unstructured.NestedSlice(objects[i].Object, "subjects")
		for j, subject := range subjects {
			if got := subject.(map[string]any)["namespace"]; got != want.subjects[j] {
				t.Errorf("%s: got subject in %v, want %s", objects[i].GetName(), got, want.subjects[j])
			}
		}
	}
}

func TestOwnManifestsAreWhole(t *testing.T) {
	for _, name := range []string{"storage.yaml", "snapshotclass.yaml", "volsync.yaml"} {
		objects, err := embedded(name)
		if err != nil || len(objects) == 0 {
			t.Errorf("%s: got %d objects, %v", name, len(objects), err)
		}
	}
}
