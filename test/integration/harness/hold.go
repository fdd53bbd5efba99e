package harness

import (
	"context"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const driver = "dir.csi.copytrigger.test"

// Hold is a class of copies that does not exist yet. A copy of it stands still, with
// VolSync at InProgress, until the class is there; and it is of one test alone, unlike
// the pace of all copies.
//
// In a cluster that is not ours the class is never there: copies are let go by giving them the
// class of the others.
type Hold struct {
	site  *Site
	class string
}

// Hold makes up a class.
func (s *Site) Hold() Hold { return Hold{s, s.Namespace + "-held"} }

// Source is one whose copies are held; of the zero Hold, one whose copies are not.
func (h Hold) Source(method string) Source {
	if method == "Clone" {
		return Source{Method: method, StorageClass: h.class}
	}
	return Source{Method: method, SnapshotClass: h.class}
}

// Release lets the copies be made from now on.
func (h Hold) Release() { h.site.Helper(); h.release(nil) }

// ReleaseUnready lets the copies be cut, but never get ready to use.
func (h Hold) ReleaseUnready() { h.site.Helper(); h.ReleaseReadyAfter(time.Hour) }

// ReleaseReadyAfter lets the copies be cut at once, and be ready to use some time later, as
// on storage that uploads them.
func (h Hold) ReleaseReadyAfter(d time.Duration) {
	h.site.Helper()
	h.release(map[string]any{"readyDelay": d.String()})
}

// ReleaseSlowly lets the copies be made one file after the other, with a pause in between:
// of an application that writes they are torn.
func (h Hold) ReleaseSlowly(pause time.Duration) {
	h.site.Helper()
	h.release(map[string]any{"filePause": pause.String()})
}

// Class is the name of the class.
func (h Hold) Class() string { return h.class }

func (h Hold) release(parameters map[string]any) {
	s := h.site
	s.Helper()
	if parameters != nil {
		s.Need(SlowStorage)
	}
	if !Ours() {
		s.reclass(h.class)
		return
	}
	class := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
		"metadata": map[string]any{"name": h.class}, "driver": driver, "deletionPolicy": "Delete",
	}}
	if parameters != nil {
		class.Object["parameters"] = parameters
	}
	_, err := shared.dynamic.Resource(classes).Create(s.Ctx, class, metav1.CreateOptions{})
	s.Must(err)
	_, err = shared.client.StorageV1().StorageClasses().Create(s.Ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: h.class}, Provisioner: driver,
	}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() {
		ctx := context.Background()
		_ = shared.dynamic.Resource(classes).Delete(ctx, h.class, metav1.DeleteOptions{})
		_ = shared.client.StorageV1().StorageClasses().Delete(ctx, h.class, metav1.DeleteOptions{})
	})
}
