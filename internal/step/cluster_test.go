package step

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// cluster is an API server with one claim, its ReplicationSources and its copy. As the
// real one it refuses a write to an old version, and tells watchers of every change. It
// fails the test for whatever it does not know.
type cluster struct {
	t    *testing.T
	name string // of the claim
	mu   sync.Mutex

	claim   *pvc.Claim // nil: deleted
	version int
	sources []handshake.Source
	copied  *handshake.Copy
	pods    []pods.Pod // that have not ended

	strip   bool                           // a webhook removes handshake.StartedAnnotation
	webhook map[string]func(string) string // by annotation: what becomes of a value that is written

	before   func(request string) error // a fault: the request is not done
	after    func(request string) error // a fault: it is done, and the reply is lost
	watchers map[*watcher]bool
	silent   bool // watches say nothing
	requests []string
	notOlder int // of the lists: how many did not have to be up to date
}

type watcher struct {
	kind    string
	changed func()
	end     chan error
}

const (
	namespace = "app"
	name      = "data"
)

// waiting is a cluster in which VolSync waits for a trigger.
func waiting(t *testing.T) *cluster {
	return &cluster{t: t, name: name, version: 1, watchers: map[*watcher]bool{},
		claim: &pvc.Claim{Name: name, UID: "claim-1", Version: "1", Annotations: map[string]string{
			handshake.UseAnnotation: "true", handshake.StatusAnnotation: handshake.StatusWaiting,
			handshake.SinceAnnotation: "2000-01-01T00:00:00Z", handshake.LatestAnnotation: "before",
			handshake.BoundAnnotation: "yes"}},
		sources: []handshake.Source{
			{Name: "rs", UID: "rs-1", Mover: "restic", Method: "Snapshot", SyncStart: "2000-01-01T00:00:00Z"},
		},
	}
}

// change lets somebody else change the cluster, and tells who watches.
func (c *cluster) change(kind string, f func()) {
	c.mu.Lock()
	told := c.apply(kind, f)
	c.mu.Unlock()
	told()
}

// apply is a change under the lock; the caller tells the watchers without it.
func (c *cluster) apply(kind string, f func()) (told func()) {
	f()
	c.version++
	if kind == "pvc" && c.claim != nil {
		c.claim.Version = fmt.Sprint(c.version)
	}
	watchers := slices.Collect(maps.Keys(c.watchers))
	return func() {
		for _, w := range watchers {
			if w.kind == kind && !c.silent {
				w.changed()
			}
		}
	}
}

// set sets annotations of the claim; "" removes one.
func (c *cluster) set(pairs ...string) func() {
	return func() {
		c.claim.Annotations = maps.Clone(c.claim.Annotations)
		for i := 0; i < len(pairs); i += 2 {
			if c.claim.Annotations[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
				delete(c.claim.Annotations, pairs[i])
			}
		}
	}
}

// annotate lets somebody else set annotations of the claim.
func (c *cluster) annotate(pairs ...string) { c.change("pvc", c.set(pairs...)) }

// What VolSync writes at each turn.
func (c *cluster) waits(since string) {
	c.annotate(handshake.StatusAnnotation, handshake.StatusWaiting, handshake.SinceAnnotation, since)
}
func (c *cluster) takes() {
	c.annotate(handshake.StatusAnnotation, handshake.StatusInProgress, handshake.SinceAnnotation, "")
	c.change("copy", func() {
		source := c.sources[0]
		c.copied = &handshake.Copy{Name: "volsync-rs-src", UID: "copy-1", Owner: source.UID, Of: c.name}
	})
}

// cuts is the storage's part.
func (c *cluster) cuts(at string) {
	c.change("copy", func() { c.copied.Bound, c.copied.Cut = true, at })
}
func (c *cluster) completes() {
	c.mu.Lock()
	uncut := c.copied != nil && c.copied.Cut == ""
	c.mu.Unlock()
	if uncut {
		c.cuts("2000-01-01T00:00:09Z")
	}
	c.records()
}
func (c *cluster) records() {
	c.annotate(
		handshake.StatusAnnotation,
		handshake.StatusCompleted,
		handshake.SinceAnnotation,
		"",
		handshake.LatestAnnotation,
		c.trigger(),
	)
}

func (c *cluster) get(annotation string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.claim == nil {
		return ""
	}
	return c.claim.Annotations[annotation]
}
func (c *cluster) trigger() string { return c.get(handshake.TriggerAnnotation) }

// faults sets what goes wrong from now on.
func (c *cluster) faults(before, after func(request string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before, c.after = before, after
}

// endWatches ends the watches of a kind with an error that does not pass.
func (c *cluster) endWatches(kind string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watchers {
		if w.kind == kind {
			w.end <- err
		}
	}
}

func (c *cluster) count(request string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		if r == request {
			n++
		}
	}
	return n
}

var resources = map[string]schema.GroupResource{
	"pvc":  {Resource: "persistentvolumeclaims"},
	"rs":   {Group: "volsync.backube", Resource: "replicationsources"},
	"copy": {Group: "snapshot.storage.k8s.io", Resource: "volumesnapshots"},
	"pods": {Resource: "pods"},
}

// do is one request: f under the lock, between the faults.
func (c *cluster) do(ctx context.Context, verb, kind string, f func() error) error {
	called := verb + " " + kind
	c.mu.Lock()
	before, after := c.before, c.after
	c.requests = append(c.requests, called)
	c.mu.Unlock()
	fault := func(hook func(string) error) error {
		if hook == nil {
			return nil
		}
		return hook(called)
	}
	err := fault(before)
	if err == nil {
		if err = ctx.Err(); err == nil {
			c.mu.Lock()
			err = f()
			c.mu.Unlock()
		}
		if err == nil {
			err = fault(after)
		}
	}
	if err == nil {
		return nil
	}
	if verb == "try" {
		verb = "patch"
	}
	r := resources[kind]
	request := kube.Request{Verb: verb, Group: r.Group, Resource: r.Resource, Namespace: namespace, Name: c.name}
	if kind == "pods" {
		request.Name = ""
	}
	return &kube.Error{Request: request, Err: err}
}
