package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// The names in the manifests, and those VolSync makes of them.
const (
	namespace = "demo"
	claim     = "data"
	source    = "nightly"
	copyName  = "volsync-nightly-src" // of the VolumeSnapshot, and of the claim made from it
	moverJob  = "volsync-src-nightly"
)

//go:embed *.yaml
var manifests embed.FS

// site is the cluster with what a user of VolSync has in it.
type site struct {
	*cluster.Cluster
	client  dynamic.Interface
	watcher *observer
}

// copied is one copy that VolSync has made; the zero value is none.
type copied struct {
	snapshot, claim types.UID
	dir             string    // contents of the claim that VolSync hands to its mover
	began, ended    time.Time // when the storage copied the first and the last file
}

func newSite(ctx context.Context, c *cluster.Cluster) (*site, error) {
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	s := &site{Cluster: c, client: client}
	if err := s.create(ctx, "manifest.yaml"); err != nil {
		return nil, err
	}
	if s.watcher, err = observe(ctx, client, namespace); err != nil {
		return nil, err
	}
	_, err = s.watcher.until(ctx, "claim demo/data to be bound", claims, claim, bound)
	return s, err
}

// create makes the objects of a manifest.
func (s *site) create(ctx context.Context, file string) error {
	text, err := manifests.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		_, err := s.client.Resource(resource).Namespace(o.GetNamespace()).Create(ctx, o, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("creating %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
}

// backup makes the ReplicationSource.
func (s *site) backup(ctx context.Context) error { return s.create(ctx, "backup.yaml") }

// withoutTrigger takes the annotation away that makes VolSync wait.
func (s *site) withoutTrigger(ctx context.Context) error {
	return s.patch(ctx, claims, claim, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{useCopyTrigger: nil}},
	})
}

// endSync lets the running sync come to its end, as if its mover had done its work.
func (s *site) endSync(ctx context.Context, manual string) error {
	if err := s.CompleteJob(ctx, namespace, moverJob); err != nil {
		return err
	}
	_, err := s.watcher.until(
		ctx,
		"the sync "+manual+" of demo/nightly to end",
		sources,
		source,
		func(o *unstructured.Unstructured) bool {
			return field(o, "status", "lastManualSync") == manual && field(o, "status", "lastSyncStartTime") == ""
		},
	)
	return err
}

// startSync asks for another sync.
func (s *site) startSync(ctx context.Context, manual string) error {
	return s.patch(ctx, sources, source, map[string]any{
		"spec": map[string]any{"trigger": map[string]any{"manual": manual}},
	})
}

func (s *site) patch(ctx context.Context, of resource, name string, change map[string]any) error {
	patch, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("patching %s: %w", name, err)
	}
	_, err = s.client.Resource(of.gvr()).
		Namespace(namespace).
		Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("patching %s %s/%s: %w", of, namespace, name, err)
	}
	return nil
}

// copy waits for a copy other than the earlier one, until its contents are in the claim
// that the mover would upload.
func (s *site) copy(ctx context.Context, earlier copied) (c copied, err error) {
	snapshot, err := s.watcher.until(
		ctx,
		"snapshot demo/"+copyName+" to be ready",
		snapshots,
		copyName,
		func(o *unstructured.Unstructured) bool {
			ready, _, _ := unstructured.NestedBool(o.Object, "status", "readyToUse")
			return ready && o.GetUID() != earlier.snapshot
		},
	)
	if err != nil {
		return c, err
	}
	made, err := s.watcher.until(
		ctx,
		"claim demo/"+copyName+" to be bound",
		claims,
		copyName,
		func(o *unstructured.Unstructured) bool {
			return bound(o) && o.GetUID() != earlier.claim
		},
	)
	if err != nil {
		return c, err
	}
	c.snapshot, c.claim = snapshot.GetUID(), made.GetUID()
	if c.began, c.ended, err = s.SnapshotCut(ctx, namespace, copyName); err != nil {
		return c, err
	}
	c.dir, err = s.VolumeDir(ctx, namespace, copyName)
	return c, err
}

func bound(o *unstructured.Unstructured) bool { return field(o, "status", "phase") == "Bound" }

func field(o *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(o.Object, path...)
	return text
}
