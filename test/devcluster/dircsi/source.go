package main

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// source is what a claim wants its volume filled from: nothing, a claim or a snapshot.
func (p *provisioner) source(
	ctx context.Context,
	claim *corev1.PersistentVolumeClaim,
) (*csi.VolumeContentSource, error) {
	from := claim.Spec.DataSource
	if from == nil {
		// The API server copies what it knows from dataSourceRef to dataSource.
		if ref := claim.Spec.DataSourceRef; ref != nil {
			return nil, fmt.Errorf("filling a volume from a %s: not supported", ref.Kind)
		}
		return nil, nil
	}
	switch from.Kind {
	case "PersistentVolumeClaim":
		return p.claimSource(ctx, claim.Namespace, from.Name)
	case "VolumeSnapshot":
		return p.snapshotSource(ctx, claim.Namespace, from.Name)
	default:
		return nil, fmt.Errorf("filling a volume from a %s: not supported", from.Kind)
	}
}

func (p *provisioner) claimSource(ctx context.Context, namespace, name string) (*csi.VolumeContentSource, error) {
	claim, err := p.kube.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the claim to clone: %w", err)
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("cloning claim %s: it is not bound", name)
	}
	pv, err := p.kube.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the volume to clone: %w", err)
	}
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != driverName {
		return nil, fmt.Errorf("cloning claim %s: its volume is not this driver's", name)
	}
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
		Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: pv.Spec.CSI.VolumeHandle},
	}}, nil
}

func (p *provisioner) snapshotSource(ctx context.Context, namespace, name string) (*csi.VolumeContentSource, error) {
	group := schema.GroupVersion{Group: "snapshot.storage.k8s.io", Version: "v1"}
	snapshot, err := p.dyn.Resource(group.WithResource("volumesnapshots")).
		Namespace(namespace).
		Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot to restore: %w", err)
	}
	if ready, _, _ := unstructured.NestedBool(snapshot.Object, "status", "readyToUse"); !ready {
		return nil, fmt.Errorf("restoring snapshot %s: it is not ready to use", name)
	}
	bound, _, _ := unstructured.NestedString(snapshot.Object, "status", "boundVolumeSnapshotContentName")
	content, err := p.dyn.Resource(group.WithResource("volumesnapshotcontents")).Get(ctx, bound, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot's content: %w", err)
	}
	handle, _, _ := unstructured.NestedString(content.Object, "status", "snapshotHandle")
	if handle == "" {
		return nil, fmt.Errorf("restoring snapshot %s: its content has no handle", name)
	}
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{
		Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: handle},
	}}, nil
}
