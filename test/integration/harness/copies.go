package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// copies is a record of every copy that VolSync has begun in a namespace, also of those
// that are gone again.
type copies struct {
	mu  sync.Mutex
	ids []string
}

func (c *copies) add(kind string, u *unstructured.Unstructured) {
	// In mode Snapshot VolSync makes a claim out of the snapshot: no copy of its own.
	if kind == "persistentvolumeclaims" {
		from, _, _ := unstructured.NestedString(u.Object, "spec", "dataSource", "kind")
		if from != "PersistentVolumeClaim" {
			return
		}
	}
	id := fmt.Sprintf("%s %s (%s)", kind, u.GetName(), u.GetUID())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.ids, id) {
		c.ids = append(c.ids, id)
	}
}

func (c *copies) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ids)
}

// recordCopies starts the record.
func (s *Site) recordCopies() *copies {
	s.Helper()
	c := &copies{}
	ctx, cancel := context.WithCancel(s.Ctx)
	var running sync.WaitGroup
	for _, r := range []schema.GroupVersionResource{snapshots, claims} {
		running.Go(func() {
			for ctx.Err() == nil {
				w, err := shared.dynamic.Resource(r).Namespace(s.Namespace).Watch(ctx, metav1.ListOptions{})
				if err != nil {
					continue
				}
				for e := range w.ResultChan() {
					if u, ok := e.Object.(*unstructured.Unstructured); ok && u.GetUID() != "" {
						c.add(r.Resource, u)
					}
				}
				w.Stop()
			}
		})
	}
	s.Cleanup(func() { cancel(); running.Wait() })
	return c
}

// Copied asserts how many copies VolSync has begun so far. It says InProgress before it
// begins one, so one that is missing is waited for; one too many is not.
func (s *Site) Copied(want int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for got := s.copiesNow(); len(got) != want; got = s.copiesNow() {
		if len(got) > want || ctx.Err() != nil {
			s.Fatalf("VolSync made %d copies, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

func (s *Site) copiesNow() []string {
	s.Helper()
	for _, r := range []schema.GroupVersionResource{snapshots, claims} {
		list, err := shared.dynamic.Resource(r).Namespace(s.Namespace).List(s.Ctx, metav1.ListOptions{})
		s.Must(err)
		for i := range list.Items {
			s.copies.add(r.Resource, &list.Items[i])
		}
	}
	return s.copies.names()
}
