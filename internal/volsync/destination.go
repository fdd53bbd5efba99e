package volsync

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

func destinations() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationdestinations"}
}

// RestoreSources lists the ReplicationSources of the namespace, with what is to be said again to restore from them.
func (o Objects) RestoreSources(ctx context.Context) ([]handshake.RestoreFrom, error) {
	list, err := o.dynamic.Resource(sources()).Namespace(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, &kube.Error{Request: o.request("list", sources(), ""), Err: err}
	}
	var all []handshake.RestoreFrom
	for _, item := range list.Items {
		from := handshake.RestoreFrom{Source: readSource(item)}
		from.Section, _, _ = unstructured.NestedMap(item.Object, "spec", from.Source.Mover)
		all = append(all, from)
	}
	return all, nil
}

// Shape returns what a claim must be like that takes the content of this one.
func (o Objects) Shape(ctx context.Context, claim string) (handshake.Shape, error) {
	u, err := o.dynamic.Resource(claims()).Namespace(o.namespace).Get(ctx, claim, metav1.GetOptions{})
	if err != nil {
		return handshake.Shape{}, &kube.Error{Request: o.request("get", claims(), claim), Err: err}
	}
	shape := handshake.Shape{
		Capacity: text(*u, "status", "capacity", "storage"), Class: text(*u, "spec", "storageClassName"),
	}
	if shape.Capacity == "" {
		shape.Capacity = text(*u, "spec", "resources", "requests", "storage")
	}
	shape.AccessModes, _, _ = unstructured.NestedStringSlice(u.Object, "spec", "accessModes")
	return shape, nil
}

// Destination returns the ReplicationDestination with a name; nil if there is none.
func (o Objects) Destination(ctx context.Context, name string) (*handshake.Destination, error) {
	u, err := o.dynamic.Resource(destinations()).Namespace(o.namespace).Get(ctx, name, metav1.GetOptions{})
	if gone(err, name) {
		return nil, nil
	}
	if err != nil {
		return nil, &kube.Error{Request: o.request("get", destinations(), name), Err: err}
	}
	return readDestination(*u), nil
}

// gone reports whether it is the object that is not there, and not its whole resource.
func gone(err error, name string) bool {
	return kube.IsNotFound(err) && strings.Contains(err.Error(), `"`+name+`"`)
}

// MakeDestination makes a ReplicationDestination, if there is none of the name.
func (o Objects) MakeDestination(
	ctx context.Context, d handshake.Destination, spec map[string]any,
) (*handshake.Destination, error) {
	u, err := o.dynamic.Resource(destinations()).Namespace(o.namespace).Create(ctx, &unstructured.Unstructured{
		Object: map[string]any{
			"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination",
			"metadata": map[string]any{"name": d.Name, "annotations": map[string]any{
				handshake.RestoredByAnnotation: d.Run, handshake.RestoredUntilAnnotation: d.Until,
			}},
			"spec": spec,
		},
	}, metav1.CreateOptions{FieldManager: o.manager, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, &kube.Error{Request: o.request("create", destinations(), d.Name), Err: err}
	}
	return readDestination(*u), nil
}

// DeleteDestination deletes the ReplicationDestination with the name and the uid, and with it all that it
// owns. Where that is not there, or another one is, there is nothing to do.
func (o Objects) DeleteDestination(ctx context.Context, name, uid string) error {
	background, of := metav1.DeletePropagationBackground, types.UID(uid)
	err := o.dynamic.Resource(destinations()).Namespace(o.namespace).Delete(ctx, name, metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &of},
	})
	if err == nil || gone(err, name) || kube.IsConflict(err) {
		return nil
	}
	return &kube.Error{Request: o.request("delete", destinations(), name), Err: err}
}

// FollowDestination calls changed whenever the ReplicationDestination may have changed; see [kube.Follow].
func (o Objects) FollowDestination(ctx context.Context, name string, changed func(), trouble kube.Trouble) error {
	watch := o.dynamic.Resource(destinations()).Namespace(o.namespace).Watch
	return kube.Follow(ctx, o.request("watch", destinations(), name), watch, kube.Any(changed), trouble)
}

// Scratch returns the claim that VolSync restores to; nil if there is none.
func (o Objects) Scratch(ctx context.Context, name string) (*handshake.Owned, error) {
	m, err := o.metadata.Resource(claims()).Namespace(o.namespace).Get(ctx, name, metav1.GetOptions{})
	if kube.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &kube.Error{Request: o.request("get", claims(), name), Err: err}
	}
	found := &handshake.Owned{Kind: "pvc", Name: name, UID: string(m.UID)}
	for _, owner := range m.OwnerReferences {
		if owner.Kind == "ReplicationDestination" {
			found.Owner, found.OwnerName = string(owner.UID), owner.Name
		}
	}
	return found, nil
}

// FollowScratch calls changed whenever that claim may have changed; see [kube.Follow].
func (o Objects) FollowScratch(ctx context.Context, name string, changed func(), trouble kube.Trouble) error {
	watch := o.metadata.Resource(claims()).Namespace(o.namespace).Watch
	return kube.Follow(ctx, o.request("watch", claims(), name), watch, kube.Any(changed), trouble)
}

func readDestination(u unstructured.Unstructured) *handshake.Destination {
	annotations, log := u.GetAnnotations(), text(u, "status", "latestMoverStatus", "logs")
	return &handshake.Destination{
		Name: u.GetName(), UID: string(u.GetUID()), Deleting: u.GetDeletionTimestamp() != nil,
		Run:        annotations[handshake.RestoredByAnnotation],
		Until:      annotations[handshake.RestoredUntilAnnotation],
		LastManual: text(u, "status", "lastManualSync"), LastSync: text(u, "status", "lastSyncTime"),
		Result: text(u, "status", "latestMoverStatus", "result"), Log: handshake.Line(lastLines(log)),
		Proof: proof(u, log), Trouble: trouble(u),
	}
}

// proof returns the line of the log by which the mover says that it has restored something.
func proof(u unstructured.Unstructured, log string) string {
	for _, r := range handshake.Restorers() {
		if _, is, _ := unstructured.NestedMap(u.Object, "spec", r.Mover); !is || r.Proof == "" {
			continue
		}
		for line := range strings.Lines(log) {
			if line = strings.TrimSpace(line); strings.HasPrefix(strings.ToLower(line), r.Proof) {
				return handshake.Line(line)
			}
		}
	}
	return ""
}
