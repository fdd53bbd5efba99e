// Package events writes Kubernetes Events about claims, beside whatever else happens: nothing waits
// for them, and that they cannot be written is no error.
package events

import (
	"context"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/copytrigger/copytrigger/internal/kube"
)

const (
	waiting      = 64              // Events that wait to be written; what comes then is dropped
	requestLimit = 2 * time.Second // for each of the two requests of an Event
	messageLimit = 1024            // bytes, of the API server
)

// Event is one, about a claim.
type Event struct {
	Claim           string
	Warning         bool // of type Warning; else Normal
	Reason, Message string
}

// Recorder writes Events. Its methods may be called at the same time; a nil Recorder writes none.
type Recorder struct {
	events    dynamic.ResourceInterface
	claims    metadata.ResourceInterface
	namespace string
	trouble   func(error)

	mu     sync.Mutex
	begun  bool
	closed bool
	queue  chan Event
	ended  chan struct{} // closed when the last one is written
}

// In returns the recorder of a namespace. trouble is called for an Event that cannot be written,
// unless the account may not write any.
func In(dyn dynamic.Interface, md metadata.Interface, namespace string, trouble func(error)) *Recorder {
	core := schema.GroupVersion{Version: "v1"}
	return &Recorder{
		events:    dyn.Resource(core.WithResource("events")).Namespace(namespace),
		claims:    md.Resource(core.WithResource("persistentvolumeclaims")).Namespace(namespace),
		namespace: namespace, trouble: trouble,
		queue: make(chan Event, waiting), ended: make(chan struct{}),
	}
}

// Tell has the Event written soon. It never waits.
func (r *Recorder) Tell(e Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if !r.begun {
		r.begun = true
		go r.write()
	}
	select {
	case r.queue <- e:
	default: // the API server is away, or slow
	}
}

// Close waits until what was told is written, but no longer than limit. What is told later is dropped.
func (r *Recorder) Close(limit time.Duration) {
	if r == nil {
		return
	}
	r.mu.Lock()
	begun := r.begun && !r.closed
	r.closed = true
	r.mu.Unlock()
	if !begun {
		return
	}
	close(r.queue) // nothing is told any more
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
	}
}

func (r *Recorder) write() {
	defer close(r.ended)
	forbidden := false
	for e := range r.queue {
		if forbidden {
			continue
		}
		err := r.create(e)
		if forbidden = kube.IsForbidden(err); err != nil && !forbidden {
			r.trouble(err)
		}
	}
}

// create writes one. kubectl describe shows an Event only under the uid of what it is about.
func (r *Recorder) create(e Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	claim, err := r.claims.Get(ctx, e.Claim, metav1.GetOptions{})
	if err != nil {
		return &kube.Error{Request: kube.Request{
			Verb: "get", Resource: "persistentvolumeclaims", Namespace: r.namespace, Name: e.Claim}, Err: err}
	}
	kind := "Normal"
	if e.Warning {
		kind = "Warning"
	}
	at := time.Now().UTC().Format(time.RFC3339)
	_, err = r.events.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": e.Claim + ".", "namespace": r.namespace},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": e.Claim, "namespace": r.namespace,
			"uid": string(claim.UID), "resourceVersion": claim.ResourceVersion,
		},
		"type": kind, "reason": e.Reason, "message": cut(e.Message), "count": int64(1),
		"firstTimestamp": at, "lastTimestamp": at,
		"source": map[string]any{"component": "copytrigger"}, "reportingComponent": "copytrigger",
	}}, metav1.CreateOptions{FieldManager: "copytrigger"})
	if err != nil {
		return &kube.Error{Request: kube.Request{Verb: "create", Resource: "events", Namespace: r.namespace}, Err: err}
	}
	return nil
}

// cut returns as much of a message as the API server takes.
func cut(message string) string {
	const mark = " …"
	if len(message) <= messageLimit {
		return message
	}
	return strings.ToValidUTF8(message[:messageLimit-len(mark)], "") + mark
}
