package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// site is a namespace with a claim "data" in it that VolSync copies by copy trigger.
type site struct {
	*Cluster
	t         *testing.T
	ctx       context.Context
	namespace string
}

// requireCluster skips tests that need built programs, unless they are asked for.
func requireCluster(t *testing.T) {
	t.Helper()
	if os.Getenv("COPYTRIGGER_CLUSTER_TESTS") == "" {
		t.Skip("starts a cluster; set COPYTRIGGER_CLUSTER_TESTS=1 (and run devcluster build)")
	}
}

func newSite(t *testing.T, c *Cluster, namespace string) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &site{Cluster: c, t: t, ctx: ctx, namespace: namespace}
	s.must(s.createNamespace(nil))
	_, err := c.client.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "repository"},
		StringData: map[string]string{"RESTIC_REPOSITORY": "/repository", "RESTIC_PASSWORD": "x"},
	}, metav1.CreateOptions{})
	s.must(err)
	_, err = c.client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Annotations: map[string]string{"volsync.backube/use-copy-trigger": ""}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceStorage: resource.MustParse("1Gi"),
			}},
		},
	}, metav1.CreateOptions{})
	s.must(err)
	s.until(
		claims(),
		"data",
		"bound",
		func(o *unstructured.Unstructured) bool { return text(o, "status", "phase") == "Bound" },
	)
	return s
}

func (s *site) createNamespace(labels map[string]string) error {
	_, err := s.client.CoreV1().Namespaces().Create(s.ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: labels}}, metav1.CreateOptions{})
	return err
}

// replicate creates the ReplicationSource "nightly".
func (s *site) replicate(copyMethod string) {
	s.t.Helper()
	source := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
		"metadata": map[string]any{"name": "nightly"},
		"spec": map[string]any{
			"sourcePVC": "data",
			"trigger":   map[string]any{"manual": "first"},
			"restic":    map[string]any{"repository": "repository", "copyMethod": copyMethod},
		},
	}}
	_, err := s.dynamic.Resource(sources()).Namespace(s.namespace).Create(s.ctx, source, metav1.CreateOptions{})
	s.must(err)
}

func (s *site) fire(trigger string) {
	s.t.Helper()
	patch, err := json.Marshal(
		map[string]any{"metadata": map[string]any{"annotations": map[string]string{"volsync.backube/copy-trigger": trigger}}},
	)
	s.must(err)
	_, err = s.client.CoreV1().
		PersistentVolumeClaims(s.namespace).
		Patch(s.ctx, "data", types.MergePatchType, patch, metav1.PatchOptions{})
	s.must(err)
}

// copyStatus waits for latest-copy-status.
func (s *site) copyStatus(want string) {
	s.t.Helper()
	s.until(claims(), "data", want, func(o *unstructured.Unstructured) bool {
		return o.GetAnnotations()["volsync.backube/latest-copy-status"] == want
	})
}

// until waits for an object, by name or any if empty, to be as wanted.
func (s *site) until(
	r schema.GroupVersionResource,
	name, what string,
	as func(*unstructured.Unstructured) bool,
) *unstructured.Unstructured {
	s.t.Helper()
	client := s.dynamic.Resource(r).Namespace(s.namespace)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}
	last, err := watchtools.UntilWithSync(s.ctx, lw, &unstructured.Unstructured{}, nil, func(e watch.Event) (bool, error) {
		o, ok := e.Object.(*unstructured.Unstructured)
		return ok && e.Type != watch.Deleted && (name == "" || o.GetName() == name) && as(o), nil
	})
	if err != nil {
		s.t.Fatalf("waiting for %s %s/%s to be %s: %v", r.Resource, s.namespace, name, what, err)
	}
	return last.Object.(*unstructured.Unstructured)
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) write(files map[string]string) {
	s.t.Helper()
	dir, err := s.VolumeDir(s.ctx, s.namespace, "data")
	s.must(err)
	for name, text := range files {
		s.must(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		s.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640))
	}
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var all string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		var text []byte
		if info.Mode().IsRegular() {
			text, err = os.ReadFile(path)
		}
		all += fmt.Sprintf("%s %s %s %q\n", info.Mode(), info.ModTime().UTC(), name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func text(o *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(o.Object, path...)
	return found
}

func claims() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
}

func sources() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
}

func snapshots() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}
