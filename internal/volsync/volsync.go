// Package volsync reads and watches what VolSync makes of a claim: the ReplicationSource
// that copies it, and the copy. It knows no step, and writes nothing but manual triggers.
package volsync

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// Objects are VolSync's objects in one namespace.
type Objects struct {
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	namespace string
	manager   string
	newest    *version
}

// In returns the objects of a namespace; manager is the field manager of our writes.
func In(dyn dynamic.Interface, md metadata.Interface, namespace, manager string) Objects {
	return Objects{dyn, md, namespace, manager, &version{}}
}

func sources() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
}

func snapshots() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}

func claims() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
}

func (o Objects) request(verb string, gvr schema.GroupVersionResource, name string) kube.Request {
	return kube.Request{Verb: verb, Group: gvr.Group, Resource: gvr.Resource, Namespace: o.namespace, Name: name}
}

// version is the newest resourceVersion of the ReplicationSources that this process has seen.
type version struct {
	mu   sync.Mutex
	seen string
}

func (v *version) get() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen
}

func (v *version) note(version string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if order, err := resourceversion.CompareResourceVersion(version, v.seen); err == nil && order < 0 {
		return
	}
	v.seen = version
}

// Sources lists the ReplicationSources of the namespace.
//
// The API server answers when its cache is known to be up to date. It asks etcd for that ten times
// a second at most (progressRequestPeriod in its watch_progress.go), so the second of two such lists
// takes 100 ms.
func (o Objects) Sources(ctx context.Context) ([]handshake.Source, error) {
	return o.list(ctx, metav1.ListOptions{})
}

// SourcesNotOlder is Sources for while an application is frozen: the API server answers at once, from
// a cache that is not older (resourceVersionMatch NotOlderThan) than what this process has seen before,
// in a list or by a watch.
func (o Objects) SourcesNotOlder(ctx context.Context) ([]handshake.Source, error) {
	opts := metav1.ListOptions{ResourceVersion: o.newest.get()}
	if opts.ResourceVersion != "" {
		opts.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
	}
	found, err := o.list(ctx, opts)
	if err != nil {
		o.newest.note("") // a cluster that was restored has forgotten versions
	}
	return found, err
}

func (o Objects) list(ctx context.Context, opts metav1.ListOptions) ([]handshake.Source, error) {
	list, err := o.dynamic.Resource(sources()).Namespace(o.namespace).List(ctx, opts)
	if err != nil {
		return nil, &kube.Error{Request: o.request("list", sources(), ""), Err: err}
	}
	o.newest.note(list.GetResourceVersion())
	var found []handshake.Source
	for _, item := range list.Items {
		found = append(found, readSource(item))
	}
	return found, nil
}

// SetManual writes Manual and Started of a ReplicationSource, "" for none, if it still is what was
// read: after any change since, the error is a conflict and nothing was written.
func (o Objects) SetManual(ctx context.Context, to handshake.Source) (handshake.Source, error) {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"uid": to.UID, "resourceVersion": to.Version,
			"annotations": map[string]any{handshake.StartedAnnotation: orNull(to.Started)},
		},
		"spec": map[string]any{"trigger": map[string]any{"manual": orNull(to.Manual)}},
	})
	if err != nil {
		return handshake.Source{}, fmt.Errorf("encoding a patch: %w", err)
	}
	u, err := o.dynamic.Resource(sources()).Namespace(o.namespace).
		Patch(ctx, to.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: o.manager})
	if err != nil {
		return handshake.Source{}, &kube.Error{Request: o.request("patch", sources(), to.Name), Err: err}
	}
	o.newest.note(u.GetResourceVersion())
	return readSource(*u), nil
}

// orNull is a value of a merge patch, which removes what is null.
func orNull(value string) any {
	if value == "" {
		return nil
	}
	return value
}

// Of is an object with its namespace.
type Of[T any] struct {
	Namespace string
	Object    T
}

// AllSources lists the ReplicationSources of the namespace; of "" those of all namespaces.
func (o Objects) AllSources(ctx context.Context) ([]Of[handshake.Source], error) {
	return all(ctx, o, sources(), func(u unstructured.Unstructured) handshake.Source { return readSource(u) })
}

// AllSnapshots lists the VolumeSnapshots of the namespace, as copies; of "" those of all namespaces.
func (o Objects) AllSnapshots(ctx context.Context) ([]Of[handshake.Copy], error) {
	return all(ctx, o, snapshots(), func(u unstructured.Unstructured) handshake.Copy { return *readSnapshot(&u) })
}

// all lists the objects of a kind page by page.
func all[T any](
	ctx context.Context, o Objects, gvr schema.GroupVersionResource, read func(unstructured.Unstructured) T,
) ([]Of[T], error) {
	var found []Of[T]
	opts := metav1.ListOptions{Limit: kube.PageSize}
	for {
		list, err := o.dynamic.Resource(gvr).Namespace(o.namespace).List(ctx, opts)
		if err != nil {
			return nil, &kube.Error{Request: o.request("list", gvr, ""), Err: err}
		}
		for _, item := range list.Items {
			found = append(found, Of[T]{item.GetNamespace(), read(item)})
		}
		if opts.Continue = list.GetContinue(); opts.Continue == "" {
			return found, nil
		}
	}
}

// FollowSources calls changed whenever a ReplicationSource of the namespace may have
// changed, with the claim that it copies, and with the one that it has copied before. "" stands
// for any claim. See [kube.Follow].
func (o Objects) FollowSources(ctx context.Context, changed func(claim string), trouble kube.Trouble) error {
	watch := o.dynamic.Resource(sources()).Namespace(o.namespace).Watch
	claims := map[string]string{}
	return kube.Follow(ctx, o.request("watch", sources(), ""), watch, func(object runtime.Object) {
		source, ok := object.(*unstructured.Unstructured)
		if !ok {
			changed("")
			return
		}
		o.newest.note(source.GetResourceVersion())
		name, claim := source.GetName(), text(*source, "spec", "sourcePVC")
		if was := claims[name]; was != "" && was != claim {
			changed(was)
		}
		claims[name] = claim
		changed(claim)
	}, trouble)
}

// FollowSnapshots calls changed whenever a VolumeSnapshot of the namespace may have changed; see
// [kube.Follow].
func (o Objects) FollowSnapshots(ctx context.Context, changed func(), trouble kube.Trouble) error {
	watch := o.dynamic.Resource(snapshots()).Namespace(o.namespace).Watch
	return kube.Follow(ctx, o.request("watch", snapshots(), ""), watch, kube.Any(changed), trouble)
}

// isSnapshot reports whether the copy is a VolumeSnapshot; it is a claim otherwise.
func isSnapshot(s handshake.Source) bool {
	method, known := handshake.CopyMethodOf(s.Method)
	return method.Snapshot || !known
}

// Copy reads the copy as it is now; nil if there is none.
func (o Objects) Copy(ctx context.Context, s handshake.Source) (copied *handshake.Copy, err error) {
	gvr := claims()
	if isSnapshot(s) {
		gvr = snapshots()
		copied, err = o.snapshotCopy(ctx, handshake.CopyName(s))
	} else {
		copied, err = o.cloneCopy(ctx, handshake.CopyName(s))
	}
	if kube.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &kube.Error{Request: o.request("get", gvr, handshake.CopyName(s)), Err: err}
	}
	return copied, nil
}

func (o Objects) snapshotCopy(ctx context.Context, name string) (*handshake.Copy, error) {
	u, err := o.dynamic.Resource(snapshots()).Namespace(o.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return readSnapshot(u), nil
}

func readSnapshot(u *unstructured.Unstructured) *handshake.Copy {
	c := readCopy(u)
	c.Of = text(*u, "spec", "source", "persistentVolumeClaimName")
	c.Bound = text(*u, "status", "boundVolumeSnapshotContentName") != ""
	c.Cut = text(*u, "status", "creationTime")
	c.Problem = handshake.Line(text(*u, "status", "error", "message"))
	return c
}

func (o Objects) cloneCopy(ctx context.Context, name string) (*handshake.Copy, error) {
	u, err := o.dynamic.Resource(claims()).Namespace(o.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	c := readCopy(u)
	c.Bound = text(*u, "status", "phase") == "Bound"
	return c, nil
}

// FollowCopy calls changed whenever the copy may have changed; see [kube.Follow].
func (o Objects) FollowCopy(ctx context.Context, s handshake.Source, changed func(), trouble kube.Trouble) error {
	gvr, watch := claims(), o.metadata.Resource(claims()).Namespace(o.namespace).Watch
	if isSnapshot(s) {
		gvr, watch = snapshots(), o.dynamic.Resource(snapshots()).Namespace(o.namespace).Watch
	}
	return kube.Follow(ctx, o.request("watch", gvr, handshake.CopyName(s)), watch, kube.Any(changed), trouble)
}

func readCopy(m metav1.Object) *handshake.Copy {
	c := &handshake.Copy{Name: m.GetName(), UID: string(m.GetUID()), Deleting: m.GetDeletionTimestamp() != nil}
	if at := m.GetCreationTimestamp(); !at.IsZero() {
		c.Created = at.UTC().Format(time.RFC3339)
	}
	if owner := metav1.GetControllerOf(m); owner != nil {
		c.Owner, c.OwnerName = string(owner.UID), handshake.Line(owner.Kind+"/"+owner.Name)
	}
	return c
}

func readSource(u unstructured.Unstructured) handshake.Source {
	s := handshake.Source{
		Name: u.GetName(), UID: string(u.GetUID()), Version: u.GetResourceVersion(),
		Deleting: u.GetDeletionTimestamp() != nil,
		Claim:    text(u, "spec", "sourcePVC"), SyncStart: text(u, "status", "lastSyncStartTime"),
		LastSyncStart: lastSyncStart(text(u, "status", "lastSyncTime"), text(u, "status", "lastSyncDuration")),
	}
	s.LastSync, s.Schedule = text(u, "status", "lastSyncTime"), text(u, "spec", "trigger", "schedule")
	s.Started = u.GetAnnotations()[handshake.StartedAnnotation]
	s.NextSync = handshake.Line(text(u, "status", "nextSyncTime"))
	s.Manual, s.LastManual = text(u, "spec", "trigger", "manual"), text(u, "status", "lastManualSync")
	s.MoverResult = text(u, "status", "latestMoverStatus", "result")
	s.MoverLog = handshake.Line(lastLines(text(u, "status", "latestMoverStatus", "logs")))
	s.Trouble = trouble(u)
	s.Paused, _, _ = unstructured.NestedBool(u.Object, "spec", "paused")
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	for _, field := range slices.Sorted(maps.Keys(spec)) {
		// Whatever has a copyMethod is the mover, also one that this program has never heard
		// of; and syncthing and external, which have none.
		method, is, _ := unstructured.NestedString(spec, field, "copyMethod")
		if !is && field != "syncthing" && field != "external" && !handshake.Honours(field) {
			continue
		}
		if s.Mover != "" {
			s.Mover = s.Mover + " and " + field // VolSync refuses two
			continue
		}
		s.Mover, s.Method = field, method
		s.SnapshotClass, _, _ = unstructured.NestedString(spec, field, "volumeSnapshotClassName")
		s.StorageClass, _, _ = unstructured.NestedString(spec, field, "storageClassName")
	}
	return s
}

// trouble is what the condition Synchronizing says while a sync meets an error; "" while it does not.
func trouble(u unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		fields, _ := c.(map[string]any)
		condition := unstructured.Unstructured{Object: fields}
		if text(condition, "type") == "Synchronizing" && text(condition, "reason") == "Error" {
			return handshake.Line(text(condition, "message"))
		}
	}
	return ""
}

// lastLines are the end of a mover's log, where it says what went wrong.
func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}

// lastSyncStart is when the last sync began that has ended; "" if that is not known. VolSync
// deletes lastSyncStartTime then, and keeps the end in whole seconds and the duration exactly.
func lastSyncStart(end, took string) string {
	t, err := time.Parse(time.RFC3339, end)
	d, derr := time.ParseDuration(took)
	if err != nil || derr != nil {
		return ""
	}
	start := t.Add(-d)
	if whole := start.Truncate(time.Second); whole != start {
		start = whole.Add(time.Second)
	}
	return start.UTC().Format(time.RFC3339)
}

func text(u unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}
