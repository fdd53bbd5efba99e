package harness

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// BeginDeletingClaim deletes the claim, which stays for as long as the test lasts.
func (s *Site) BeginDeletingClaim() { s.Helper(); s.beginDeleting(claims, s.claim) }

// BeginDeletingSource deletes the ReplicationSource, which stays as well.
func (s *Site) BeginDeletingSource() { s.Helper(); s.beginDeleting(sources, s.source) }

func (s *Site) beginDeleting(r schema.GroupVersionResource, name string) {
	s.Helper()
	s.finalizers(r, name, `["`+finalizer+`"]`)
	// Before the namespace is asked to go: cleanups run last in, first out.
	s.Cleanup(func() { s.finalizers(r, name, `null`) })
	s.Must(shared.dynamic.Resource(r).Namespace(s.Namespace).Delete(s.Ctx, name, metav1.DeleteOptions{}))
	s.until(r, name, "being deleted", func(o object) bool { return o.GetDeletionTimestamp() != nil })
}

func (s *Site) finalizers(r schema.GroupVersionResource, name, list string) {
	s.Helper()
	_, err := shared.dynamic.Resource(r).
		Namespace(s.Namespace).
		Patch(context.WithoutCancel(s.Ctx), name, types.MergePatchType,
			[]byte(`{"metadata": {"finalizers": `+list+`}}`), metav1.PatchOptions{})
	if !apierrors.IsNotFound(err) {
		s.Must(err)
	}
}

// RecreateClaim deletes the claim for good and creates one of the same name with the
// same annotations, as a restored backup or a GitOps tool does.
func (s *Site) RecreateClaim() {
	s.Helper()
	annotations := map[string]string{}
	for key, value := range s.Annotations() {
		switch key {
		case Use, Trigger, Latest, Status, Since:
			annotations[key] = value
		}
	}
	s.DeleteClaim()
	s.CreateClaim(annotations)
}

// DeleteClaim deletes the claim for good: what protects one that is in use does not
// protect it from a careless hand.
func (s *Site) DeleteClaim() {
	s.Helper()
	s.finalizers(claims, s.claim, "null")
	s.Must(shared.dynamic.Resource(claims).Namespace(s.Namespace).Delete(s.Ctx, s.claim, metav1.DeleteOptions{}))
	_, err := follow(s.Ctx, shared.dynamic, claims, s.Namespace, s.claim, func(o *object) bool {
		if o != nil && len(o.GetFinalizers()) > 0 {
			s.finalizers(claims, s.claim, "null")
		}
		return o == nil
	})
	s.Must(err)
}

// AwaitSyncing waits until the ReplicationSource is in a sync.
func (s *Site) AwaitSyncing() {
	s.Helper()
	s.until(sources, s.source, "syncing", func(o object) bool { return o.text("status", "lastSyncStartTime") != "" })
}

// DeleteCopy deletes VolSync's copy, as somebody who cleans up might, and returns when
// VolSync has begun another.
func (s *Site) DeleteCopy() {
	s.Helper()
	was := s.until(snapshots, s.copyName(), "there", func(object) bool { return true })
	s.AskToDeleteCopy()
	s.until(snapshots, s.copyName(), "made again", func(o object) bool { return o.GetUID() != was.GetUID() })
}

// AskToDeleteCopy deletes VolSync's snapshot, and waits for nothing.
func (s *Site) AskToDeleteCopy() {
	s.Helper()
	s.Must(shared.dynamic.Resource(snapshots).Namespace(s.Namespace).Delete(s.Ctx, s.copyName(), metav1.DeleteOptions{}))
}
