// Package pvc finds, reads, watches and annotates PersistentVolumeClaims. It knows nothing
// of VolSync.
package pvc

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/copytrigger/copytrigger/internal/kube"
)

const resource = "persistentvolumeclaims"

// Claim is one state of a claim. Only its metadata is read: annotations are all it is about.
type Claim struct {
	Name, UID, Version string // Version: resourceVersion
	Namespace          string
	Deleting           bool
	Labels             map[string]string
	Annotations        map[string]string
	Created            time.Time
	Owner              metav1.OwnerReference // who controls it; the zero one is nobody
}

// Claims are the claims of one namespace.
type Claims struct {
	client    metadata.ResourceInterface
	namespace string
	manager   string
}

// In returns the claims of a namespace; manager is the field manager of our writes, by
// which `kubectl get --show-managed-fields` tells who set an annotation.
func In(client metadata.Interface, namespace, manager string) Claims {
	gvr := schema.GroupVersionResource{Version: "v1", Resource: resource}
	return Claims{client.Resource(gvr).Namespace(namespace), namespace, manager}
}

func (c Claims) request(verb, name string) kube.Request {
	return kube.Request{Verb: verb, Resource: resource, Namespace: c.namespace, Name: name}
}

// Get reads a claim as it is now.
func (c Claims) Get(ctx context.Context, name string) (Claim, error) {
	o, err := c.client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Claim{}, &kube.Error{Request: c.request("get", name), Err: err}
	}
	return read(o), nil
}

// List lists the claims of the namespace with these labels; of "" those of all namespaces.
func (c Claims) List(ctx context.Context, selector string) ([]Claim, error) {
	var found []Claim
	opts := metav1.ListOptions{LabelSelector: selector, Limit: kube.PageSize}
	for {
		list, err := c.client.List(ctx, opts)
		if err != nil {
			return nil, &kube.Error{Request: c.request("list", ""), Err: err}
		}
		for i := range list.Items {
			found = append(found, read(&list.Items[i]))
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			return found, nil
		}
	}
}

// FollowAll calls changed whenever a claim of the namespace may have changed; see [kube.Follow].
func (c Claims) FollowAll(ctx context.Context, changed func(), trouble kube.Trouble) error {
	return kube.Follow(ctx, c.request("watch", ""), c.client.Watch, kube.Any(changed), trouble)
}

// Follow calls changed whenever the claim may have changed; see [kube.Follow].
func (c Claims) Follow(ctx context.Context, name string, changed func(), trouble kube.Trouble) error {
	return kube.Follow(ctx, c.request("watch", name), c.client.Watch, kube.Any(changed), trouble)
}

// Annotate sets annotations, or removes those with the value "", if the claim still is
// what was read: after any change since, also by deletion and re-creation, the error is
// a conflict and nothing was written.
func (c Claims) Annotate(ctx context.Context, was Claim, values map[string]string) (Claim, error) {
	annotations := map[string]any{}
	for key, value := range values {
		if annotations[key] = value; value == "" {
			annotations[key] = nil // a merge patch removes what is null
		}
	}
	return c.patch(ctx, was.Name, map[string]any{
		"uid": was.UID, "resourceVersion": was.Version, "annotations": annotations,
	}, metav1.PatchOptions{FieldManager: c.manager})
}

// MayAnnotate returns what the claim would be with the annotations set. The server tries the
// write without keeping it: a policy, or a webhook, that is about these very annotations is
// better met now than when the application is frozen.
func (c Claims) MayAnnotate(ctx context.Context, name string, values map[string]string) (Claim, error) {
	return c.patch(ctx, name, map[string]any{"annotations": values}, metav1.PatchOptions{
		FieldManager: c.manager, DryRun: []string{metav1.DryRunAll},
	})
}

func (c Claims) patch(ctx context.Context, name string, meta map[string]any, opts metav1.PatchOptions) (Claim, error) {
	body, err := json.Marshal(map[string]any{"metadata": meta})
	if err != nil {
		return Claim{}, fmt.Errorf("encoding a patch: %w", err)
	}
	o, err := c.client.Patch(ctx, name, types.MergePatchType, body, opts)
	if err != nil {
		return Claim{}, &kube.Error{Request: c.request("patch", name), Err: err}
	}
	return read(o), nil
}

func read(o *metav1.PartialObjectMetadata) Claim {
	c := Claim{
		Name: o.Name, UID: string(o.UID), Version: o.ResourceVersion, Namespace: o.Namespace,
		Deleting: o.DeletionTimestamp != nil, Labels: o.Labels, Annotations: o.Annotations, Created: o.CreationTimestamp.Time,
	}
	if owner := metav1.GetControllerOf(o); owner != nil {
		c.Owner = *owner
	}
	return c
}
