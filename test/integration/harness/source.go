package harness

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Source is a ReplicationSource of the claim. The zero value is one that copies by
// snapshot, ships by restic and syncs at once.
type Source struct {
	Name   string // that of the site
	Mover  string // restic
	Method string // Snapshot
	Cron   string // a schedule; without one the trigger is manual
	Paused bool

	// SnapshotClass and StorageClass of the copy. A class that does not exist holds the
	// copy back until it does: see Site.Hold.
	SnapshotClass, StorageClass string
}

// Replicate creates the ReplicationSource, which begins a sync at once.
func (s *Site) Replicate(of Source) {
	s.Helper()
	of.Name = or(of.Name, s.source)
	of.Mover = or(of.Mover, "restic")
	of.Method = or(of.Method, "Snapshot")
	s.secret()
	mover := moverSpec(of.Mover)
	if mover == nil {
		s.Fatalf("no mover %q", of.Mover)
	}
	if of.Mover != "external" && of.Mover != "rsync" { // they have no such field
		mover["moverAffinity"] = nowhere()
	}
	if of.Mover != "syncthing" && of.Mover != "external" {
		mover["copyMethod"] = of.Method
	}
	if class := StorageClass(); class != nil && of.Mover == "restic" {
		mover["cacheStorageClassName"] = *class
	}
	if of.SnapshotClass = or(of.SnapshotClass, SnapshotClass()); of.SnapshotClass != "" {
		mover["volumeSnapshotClassName"] = of.SnapshotClass
	}
	if of.StorageClass != "" {
		mover["storageClassName"] = of.StorageClass
	}
	trigger := map[string]any{"manual": "first"}
	if of.Cron != "" {
		trigger = map[string]any{"schedule": of.Cron}
	}
	_, err := shared.dynamic.Resource(sources).
		Namespace(s.Namespace).
		Create(s.Ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
			"metadata": map[string]any{"name": of.Name},
			"spec":     map[string]any{"sourcePVC": s.claim, "trigger": trigger, "paused": of.Paused, of.Mover: mover},
		}}, metav1.CreateOptions{})
	s.Must(err)
}

// moverSpec is what VolSync asks for before it copies, and no more: no mover ever runs.
func moverSpec(mover string) map[string]any {
	return maps.Clone(map[string]map[string]any{
		"restic":    {"repository": "mover"},
		"rclone":    {"rcloneConfig": "mover", "rcloneConfigSection": "remote", "rcloneDestPath": "bucket"},
		"rsyncTLS":  {"keySecret": "mover", "address": "192.0.2.1"},
		"rsync":     {"sshKeys": "mover", "address": "192.0.2.1"},
		"syncthing": {"serviceType": "ClusterIP"},
		"external":  {"provider": "copytrigger.test/none"},
	}[mover])
}

// secret is what any of the movers asks for.
func (s *Site) secret() {
	s.Helper()
	_, err := shared.client.CoreV1().Secrets(s.Namespace).Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "mover"},
		StringData: map[string]string{
			"RESTIC_REPOSITORY": "/repository", "RESTIC_PASSWORD": "x",
			"rclone.conf": "[remote]\ntype = local\n",
			"psk.txt":     "volsync:0123456789abcdef0123456789abcdef",
			"source":      "x", "source.pub": "x", "destination": "x", "destination.pub": "x",
		},
	}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		s.Must(err)
	}
}

// ReplicateAndWait is Replicate, and returns when VolSync waits for the trigger.
func (s *Site) ReplicateAndWait(of Source) {
	s.Helper()
	s.Replicate(of)
	s.AwaitStatus(Waiting)
}

// SyncAgain asks for one more sync, as `kubectl patch` of spec.trigger.manual does.
func (s *Site) SyncAgain(manual string) {
	s.Helper()
	s.PatchSource(map[string]any{"trigger": map[string]any{"manual": manual}})
}

// PatchSource changes the ReplicationSource's spec.
func (s *Site) PatchSource(spec map[string]any) {
	s.Helper()
	patch, err := json.Marshal(map[string]any{"spec": spec})
	s.Must(err)
	_, err = shared.dynamic.Resource(sources).
		Namespace(s.Namespace).
		Patch(s.Ctx, s.source, types.MergePatchType, patch, metav1.PatchOptions{})
	s.Must(err)
}

// DeleteSource deletes the ReplicationSource. What it said on the claim stays: a
// WaitingForTrigger that nobody waits behind any more.
func (s *Site) DeleteSource() {
	s.Helper()
	s.Must(shared.dynamic.Resource(sources).Namespace(s.Namespace).Delete(s.Ctx, s.source, metav1.DeleteOptions{}))
	s.untilGone(sources, s.source)
}

// FinishSync lets the mover succeed, and returns when VolSync has ended the sync and
// removed the copy.
func (s *Site) FinishSync() {
	s.Helper()
	s.Must(shared.cluster.CompleteJob(s.Ctx, s.Namespace, s.moverJob()))
	s.until(sources, s.source, "idle", func(o object) bool { return o.text("status", "lastSyncStartTime") == "" })
	s.untilGone(snapshots, s.copyName())
}

// AwaitRest waits until VolSync has synced the source's manual trigger, and rests.
func (s *Site) AwaitRest() {
	s.Helper()
	s.until(sources, s.source, "at rest", func(o object) bool {
		return o.text("status", "lastManualSync") == o.text("spec", "trigger", "manual")
	})
}

// moverJob waits for the Job of the site's ReplicationSource and gives its name.
func (s *Site) moverJob() string {
	s.Helper()
	w, err := shared.client.BatchV1().Jobs(s.Namespace).Watch(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		o, ok := e.Object.(metav1.Object)
		if ok && o.GetDeletionTimestamp() == nil && strings.HasSuffix(o.GetName(), "-"+s.source) {
			return o.GetName()
		}
	}
	s.Fatalf("waiting for a mover: %v", s.Ctx.Err())
	return ""
}

// AwaitMover waits until VolSync has started the mover: the copy is made, and is held.
func (s *Site) AwaitMover() { s.Helper(); s.moverJob() }

func or(given, otherwise string) string {
	if given == "" {
		return otherwise
	}
	return given
}

// String names a source in the names of subtests.
func (f Source) String() string {
	trigger := "manual"
	if f.Cron != "" {
		trigger = "scheduled"
	}
	return fmt.Sprintf("%s/%s/%s", or(f.Mover, "restic"), or(f.Method, "Snapshot"), trigger)
}
