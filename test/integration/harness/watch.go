package harness

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

var (
	claims    = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	sources   = schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
	snapshots = schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
	classes   = schema.GroupVersionResource{
		Group:    "snapshot.storage.k8s.io",
		Version:  "v1",
		Resource: "volumesnapshotclasses",
	}
)

// object is any object of the API.
type object struct{ *unstructured.Unstructured }

func (o object) text(path ...string) string {
	found, _, _ := unstructured.NestedString(o.Object, path...)
	return found
}

// GetAnnotations also answers for an object that is not there.
func (o object) GetAnnotations() map[string]string {
	if o.Unstructured == nil {
		return nil
	}
	return o.Unstructured.GetAnnotations()
}

// until waits for an object to be as wanted.
func (s *Site) until(r schema.GroupVersionResource, name, what string, as func(object) bool) object {
	s.Helper()
	last, err := follow(s.Ctx, shared.dynamic, r, s.Namespace, name, func(o *object) bool { return o != nil && as(*o) })
	if err != nil {
		s.Fatalf("waiting for %s %s/%s to be %s: %v", r.Resource, s.Namespace, name, what, err)
	}
	return last
}

// Await waits for any object of the namespace to be as wanted; what says how, for the
// message of one that never is.
func (s *Site) Await(
	r schema.GroupVersionResource,
	name, what string,
	as func(*unstructured.Unstructured) bool,
) *unstructured.Unstructured {
	s.Helper()
	return s.until(r, name, what, func(o object) bool { return as(o.Unstructured) }).Unstructured
}

// Eventually looks again and again until something holds that no watch tells of.
func (s *Site) Eventually(what string, holds func() bool) {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-s.Ctx.Done():
			s.Fatalf("waiting for %s: %v", what, s.Ctx.Err())
		case <-tick.C:
		}
	}
}

// untilGone waits for an object to be deleted.
func (s *Site) untilGone(r schema.GroupVersionResource, name string) {
	s.Helper()
	gone := func(o *object) bool { return o == nil }
	if _, err := follow(s.Ctx, shared.dynamic, r, s.Namespace, name, gone); err != nil {
		s.Fatalf("waiting for %s %s/%s to be gone: %v", r.Resource, s.Namespace, name, err)
	}
}

// follow shows every state of an object to as, nil where there is none, until it says
// true. It goes on through whatever happens to the API server.
func follow(
	ctx context.Context,
	client dynamic.Interface,
	r schema.GroupVersionResource,
	namespace, name string,
	as func(*object) bool,
) (object, error) {
	var last object
	for {
		done, err := followOnce(ctx, client.Resource(r).Namespace(namespace), name, func(o *object) bool {
			last = object{}
			if o != nil {
				last = *o
			}
			return as(o)
		})
		if done {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("%w (%v)", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond): // the API server may be starting
		}
	}
}

func followOnce(
	ctx context.Context,
	client dynamic.ResourceInterface,
	name string,
	as func(*object) bool,
) (bool, error) {
	w, err := client.Watch(
		ctx,
		metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()},
	)
	if err != nil {
		return false, err
	}
	defer w.Stop()
	now, err := client.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		if as(nil) {
			return true, nil
		}
	case err != nil:
		return false, err
	case as(&object{now}):
		return true, nil
	}
	for e := range w.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error {
			return false, apierrors.FromObject(e.Object)
		}
		seen := &object{o}
		if e.Type == watch.Deleted {
			seen = nil
		}
		if as(seen) {
			return true, nil
		}
	}
	return false, ctx.Err()
}
