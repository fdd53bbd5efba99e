// Package storage reads what the cluster can copy a claim by: its volume, storage classes and snapshot
// classes. It writes nothing that is kept.
package storage

import (
	"context"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// Storage is that of the claims of one namespace.
type Storage struct {
	client    dynamic.Interface
	namespace string
}

// In returns the storage of a namespace.
func In(client dynamic.Interface, namespace string) Storage { return Storage{client, namespace} }

const (
	snapshotGroup = "snapshot.storage.k8s.io"

	// annProvisioner names the driver where the volume cannot be read, and is set by Kubernetes.
	annProvisioner  = "volume.kubernetes.io/storage-provisioner"
	annDefaultClass = "snapshot.storage.kubernetes.io/is-default-class"
)

func gvr(group, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
}

func text(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

// get reads an object of the cluster, or with a namespace of that.
func (s Storage) get(ctx context.Context, r schema.GroupVersionResource, namespace, name string) (
	*unstructured.Unstructured, error,
) {
	u, err := s.client.Resource(r).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, &kube.Error{Request: kube.Request{
			Verb: "get", Group: r.Group, Resource: r.Resource, Namespace: namespace, Name: name,
		}, Err: err}
	}
	return u, nil
}

// Of reads what there is for copies of a claim by a ReplicationSource. What the account may not read
// is not known, and no error.
func (s Storage) Of(ctx context.Context, claim string, by handshake.Source) (handshake.Storage, error) {
	var st handshake.Storage
	c, err := s.get(ctx, gvr("", "persistentvolumeclaims"), s.namespace, claim)
	if err != nil {
		return st, err
	}
	if err := s.volume(ctx, c, &st); err != nil {
		return st, err
	}
	if method, _ := handshake.CopyMethodOf(by.Method); method.Snapshot {
		return st, s.snapshotClasses(ctx, &st)
	}
	if st.Class = by.StorageClass; st.Class == "" {
		st.Class = text(c, "spec", "storageClassName")
	}
	if st.Class == "" {
		return st, nil
	}
	class, err := s.get(ctx, gvr("storage.k8s.io", "storageclasses"), "", st.Class)
	if err == nil {
		st.Binding = text(class, "volumeBindingMode")
	}
	if err != nil {
		return st, unread(&st, err)
	}
	return st, nil
}

// volume finds out whose volume the claim has.
func (s Storage) volume(ctx context.Context, claim *unstructured.Unstructured, st *handshake.Storage) error {
	name := text(claim, "spec", "volumeName")
	if name == "" {
		return nil
	}
	v, err := s.get(ctx, gvr("", "persistentvolumes"), "", name)
	if err != nil {
		if st.Driver = claim.GetAnnotations()[annProvisioner]; st.Driver != "" && kube.IsDenied(err) {
			return nil
		}
		return unread(st, err)
	}
	spec, _, _ := unstructured.NestedMap(v.Object, "spec")
	if st.Driver = text(v, "spec", "csi", "driver"); st.Driver != "" {
		return nil
	}
	for _, kind := range slices.Sorted(maps.Keys(spec)) {
		// Beside these and plain values there is the kind of the volume, and nothing else.
		if _, is := spec[kind].(map[string]any); is && !slices.Contains([]string{"capacity", "claimRef", "nodeAffinity"},
			kind) {
			st.NotCSI = "of kind " + kind
		}
	}
	return nil
}

func (s Storage) snapshotClasses(ctx context.Context, st *handshake.Storage) error {
	r := gvr(snapshotGroup, "volumesnapshotclasses")
	list, err := s.client.Resource(r).List(ctx, metav1.ListOptions{Limit: kube.PageSize})
	if kube.IsNotFound(err) {
		st.NoSnapshots = true
		return nil
	}
	if err != nil {
		return unread(st, &kube.Error{Request: kube.Request{Verb: "list", Group: r.Group, Resource: r.Resource}, Err: err})
	}
	st.Classes = []handshake.SnapshotClass{}
	for _, item := range list.Items {
		st.Classes = append(st.Classes, handshake.SnapshotClass{
			Name: item.GetName(), Driver: text(&item, "driver"), Default: item.GetAnnotations()[annDefaultClass] == "true",
		})
	}
	return nil
}

// unread keeps why something is not known; any other error than a refusal it returns.
func unread(st *handshake.Storage, err error) error {
	if !kube.IsDenied(err) && !kube.IsNotFound(err) {
		return err
	}
	st.Unread = append(st.Unread, err.Error())
	return nil
}

// TryCopy makes the copy of a ReplicationSource without keeping it, so that a quota or a policy that is
// against it shows.
func (s Storage) TryCopy(ctx context.Context, claim string, by handshake.Source) error {
	r, spec := gvr(snapshotGroup,
		"volumesnapshots"), map[string]any{"source": map[string]any{"persistentVolumeClaimName": claim}}
	if by.SnapshotClass != "" {
		spec["volumeSnapshotClassName"] = by.SnapshotClass
	}
	kind, version := "VolumeSnapshot", snapshotGroup+"/v1"
	if method, _ := handshake.CopyMethodOf(by.Method); !method.Snapshot {
		var err error
		if spec, err = s.clone(ctx, claim, by); err != nil {
			return err
		}
		r, kind, version = gvr("", "persistentvolumeclaims"), "PersistentVolumeClaim", "v1"
	}
	name := handshake.CopyName(by)
	_, err := s.client.Resource(r).Namespace(s.namespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil {
		return nil
	}
	return &kube.Error{Request: kube.Request{
		Verb: "create", Group: r.Group, Resource: r.Resource, Namespace: s.namespace, Name: name,
	}, Err: err}
}

// clone is what VolSync asks for where it clones the claim.
func (s Storage) clone(ctx context.Context, claim string, by handshake.Source) (map[string]any, error) {
	c, err := s.get(ctx, gvr("", "persistentvolumeclaims"), s.namespace, claim)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{"dataSource": map[string]any{"kind": "PersistentVolumeClaim", "name": claim}}
	of, _, _ := unstructured.NestedMap(c.Object, "spec")
	for _, field := range []string{"accessModes", "resources", "storageClassName", "volumeMode"} {
		if of[field] != nil {
			spec[field] = of[field]
		}
	}
	if by.StorageClass != "" {
		spec["storageClassName"] = by.StorageClass
	}
	return spec, nil
}
