package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// VolumeDir is the directory on disk that is a bound claim's volume.
func (c *Cluster) VolumeDir(ctx context.Context, namespace, claim string) (string, error) {
	if !c.Ours() {
		return "", fmt.Errorf("finding the volume of claim %s/%s: %w", namespace, claim, ErrNotOurs)
	}
	pvc, err := c.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, claim, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading claim %s/%s: %w", namespace, claim, err)
	}
	if pvc.Spec.VolumeName == "" {
		return "", fmt.Errorf("finding the volume of claim %s/%s: it is not bound", namespace, claim)
	}
	pv, err := c.client.CoreV1().PersistentVolumes().Get(ctx, pvc.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading volume %s: %w", pvc.Spec.VolumeName, err)
	}
	if pv.Spec.CSI == nil {
		return "", fmt.Errorf("finding the volume of claim %s/%s: it is not a CSI volume", namespace, claim)
	}
	return filepath.Join(c.dir, "csi", "volumes", pv.Spec.CSI.VolumeHandle), nil
}

// SnapshotDir is the directory on disk that is a VolumeSnapshot's contents. There is
// none before the snapshot is cut.
func (c *Cluster) SnapshotDir(ctx context.Context, namespace, name string) (string, error) {
	if !c.Ours() {
		return "", fmt.Errorf("finding the contents of snapshot %s/%s: %w", namespace, name, ErrNotOurs)
	}
	group := schema.GroupVersion{Group: "snapshot.storage.k8s.io", Version: "v1"}
	snapshot, err := c.dynamic.Resource(group.WithResource("volumesnapshots")).
		Namespace(namespace).
		Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading snapshot %s/%s: %w", namespace, name, err)
	}
	bound, _, _ := unstructured.NestedString(snapshot.Object, "status", "boundVolumeSnapshotContentName")
	if bound == "" {
		return "", fmt.Errorf("finding the contents of snapshot %s/%s: it is not bound", namespace, name)
	}
	content, err := c.dynamic.Resource(group.WithResource("volumesnapshotcontents")).Get(ctx, bound, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading snapshot content %s: %w", bound, err)
	}
	handle, _, _ := unstructured.NestedString(content.Object, "status", "snapshotHandle")
	if handle == "" {
		return "", fmt.Errorf("finding the contents of snapshot %s/%s: it is not cut yet", namespace, name)
	}
	return filepath.Join(c.dir, "csi", "snapshots", handle), nil
}

// SnapshotCut tells when the first and the last file of a snapshot were copied: an
// application that was quiet from one to the other was quiet for the copy.
func (c *Cluster) SnapshotCut(ctx context.Context, namespace, name string) (began, ended time.Time, err error) {
	dir, err := c.SnapshotDir(ctx, namespace, name)
	if err != nil {
		return began, ended, err
	}
	text, err := os.ReadFile(dir + ".json")
	if err != nil {
		return began, ended, fmt.Errorf("reading when snapshot %s/%s was cut: %w", namespace, name, err)
	}
	var cut struct{ Began, Ended time.Time }
	if err := json.Unmarshal(text, &cut); err != nil {
		return began, ended, fmt.Errorf("reading when snapshot %s/%s was cut: %w", namespace, name, err)
	}
	return cut.Began, cut.Ended, nil
}

// SetPace says how slowly snapshots and clones are made from now on, and how slowly
// those go on that are being made. A class's own parameters go before it.
func (c *Cluster) SetPace(p pace.Pace) error {
	if !c.Ours() {
		return fmt.Errorf("setting the pace of copies: %w", ErrNotOurs)
	}
	return p.Save(filepath.Join(c.dir, "csi", "pace.json"))
}
