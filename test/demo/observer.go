package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// VolSync's annotations on the claim (github.com/backube/volsync api/v1alpha1/common_types.go).
const (
	useCopyTrigger = "volsync.backube/use-copy-trigger"
	copyTrigger    = "volsync.backube/copy-trigger"
	latestTrigger  = "volsync.backube/latest-copy-trigger"
	latestStatus   = "volsync.backube/latest-copy-status"
)

// resource is a kind of object the demo looks at.
type resource string

const (
	claims    resource = "claim"
	sources   resource = "ReplicationSource"
	snapshots resource = "snapshot"
)

func (r resource) gvr() schema.GroupVersionResource {
	switch r {
	case sources:
		return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
	case snapshots:
		return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
	}
	return schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
}

// observer sees every change in the namespace.
type observer struct {
	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured // by kind and name
	changed chan struct{}                         // closed and replaced at each change
	listen  []func(r resource, o *unstructured.Unstructured)
}

// observe looks on until ctx ends.
func observe(ctx context.Context, client dynamic.Interface, namespace string) (*observer, error) {
	w := &observer{objects: map[string]*unstructured.Unstructured{}, changed: make(chan struct{})}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, nil)
	for _, r := range []resource{claims, sources, snapshots} {
		_, err := factory.ForResource(r.gvr()).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { w.see(r, o, false) },
			UpdateFunc: func(_, o any) { w.see(r, o, false) },
			DeleteFunc: func(o any) { w.see(r, o, true) },
		})
		if err != nil {
			return nil, fmt.Errorf("watching every %s: %w", r, err)
		}
	}
	factory.Start(ctx.Done())
	return w, nil
}

func (w *observer) see(r resource, what any, gone bool) {
	if late, ok := what.(cache.DeletedFinalStateUnknown); ok {
		what = late.Obj
	}
	o, ok := what.(*unstructured.Unstructured)
	if !ok {
		return
	}
	w.mu.Lock()
	key := string(r) + "/" + o.GetName()
	if w.objects[key] = o; gone {
		delete(w.objects, key)
	}
	close(w.changed)
	w.changed = make(chan struct{})
	listeners := w.listen
	w.mu.Unlock()
	if gone {
		return
	}
	for _, f := range listeners {
		f(r, o)
	}
}

// until waits for an object to be as wanted. Nothing here takes longer than ten minutes.
func (w *observer) until(
	ctx context.Context,
	what string,
	r resource,
	name string,
	as func(*unstructured.Unstructured) bool,
) (*unstructured.Unstructured, error) {
	limit := time.NewTimer(10 * time.Minute)
	defer limit.Stop()
	for {
		w.mu.Lock()
		o, changed := w.objects[string(r)+"/"+name], w.changed
		w.mu.Unlock()
		if o != nil && as(o) {
			return o, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-limit.C:
			return nil, fmt.Errorf("waiting for %s: not within ten minutes", what)
		}
	}
}

// also has f told of every further change, as it is seen.
func (w *observer) also(f func(r resource, o *unstructured.Unstructured)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listen = append(w.listen[:len(w.listen):len(w.listen)], f)
}
