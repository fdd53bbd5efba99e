// Package pods tells which pods of a namespace can still run something. It reads metadata
// only, and writes nothing.
package pods

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"

	"github.com/copytrigger/copytrigger/internal/kube"
)

// Pod is a pod that has not ended.
type Pod struct {
	Name     string
	Deleting bool
}

// Pods are the pods of one namespace.
type Pods struct {
	client    metadata.ResourceInterface
	namespace string
}

// In returns the pods of a namespace.
func In(client metadata.Interface, namespace string) Pods {
	gvr := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	return Pods{client.Resource(gvr).Namespace(namespace), namespace}
}

// notEnded is what the server filters by, so that metadata is enough: a pod of these two
// phases has no container left, and will never have one again.
const notEnded = "status.phase!=Succeeded,status.phase!=Failed"

func (p Pods) request(verb string) kube.Request {
	return kube.Request{Verb: verb, Resource: "pods", Namespace: p.namespace}
}

// NotEnded lists the pods with these labels that can still run something, by name. A pod
// that is being deleted is one of them until it is gone.
func (p Pods) NotEnded(ctx context.Context, selector string) ([]Pod, error) {
	list, err := p.client.List(ctx, metav1.ListOptions{LabelSelector: selector, FieldSelector: notEnded})
	if err != nil {
		return nil, &kube.Error{Request: p.request("list"), Err: err}
	}
	var found []Pod
	for _, item := range list.Items {
		found = append(found, Pod{item.Name, item.DeletionTimestamp != nil})
	}
	slices.SortFunc(found, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// FollowNotEnded calls changed whenever the answer of NotEnded may have changed; see
// [kube.Follow]. For such a watch a pod that ends is one that is deleted.
func (p Pods) FollowNotEnded(ctx context.Context, selector string, changed func(), trouble kube.Trouble) error {
	open := func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
		opts.LabelSelector, opts.FieldSelector = selector, notEnded
		return p.client.Watch(ctx, opts)
	}
	return kube.Follow(ctx, p.request("watch"), open, kube.Any(changed), trouble)
}

// named is how many pods Names names.
const named = 5

// Names says in one line which pods these are.
func Names(ps []Pod) string {
	var b strings.Builder
	for i, p := range ps {
		switch {
		case i == named:
			return fmt.Sprintf("%s and %d more", &b, len(ps)-named)
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if p.Deleting {
			b.WriteString(" (being deleted)")
		}
	}
	return b.String()
}
