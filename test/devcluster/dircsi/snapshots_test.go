package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// newTestDriver has a volume "v" with one file in it.
func newTestDriver(t *testing.T) *driver {
	t.Helper()
	d, err := newDriver(t.Context(), t.TempDir(), "node1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateVolume(t.Context(), &csi.CreateVolumeRequest{Name: "v"}); err != nil {
		t.Fatal(err)
	}
	fill(t, d.volume("v"), map[string]string{"file": "text"})
	return d
}

func (d *driver) setPace(t *testing.T, p pace.Pace) {
	t.Helper()
	if err := p.Save(filepath.Join(d.root, "pace.json")); err != nil {
		t.Fatal(err)
	}
}

// soon is the patience of a caller that gives up: less than the margin, so at once.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestHeldCutIsAbortedAndThenMade(t *testing.T) {
	d := newTestDriver(t)
	d.setPace(t, pace.Pace{CutDelay: time.Hour})
	q := &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v"}
	if _, err := d.CreateSnapshot(soon(t), q); status.Code(err) != codes.Aborted {
		t.Fatalf("got %v, want ABORTED", err)
	}
	if exists(d.snapshot("s")) {
		t.Error("the snapshot is there before the cut")
	}
	// What is written while the cut is held is in it.
	fill(t, d.volume("v"), map[string]string{"file": "later"})
	d.setPace(t, pace.Pace{})
	r, err := d.CreateSnapshot(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Snapshot.ReadyToUse || r.Snapshot.CreationTime == nil {
		t.Errorf("got %v", r.Snapshot)
	}
	if got, _ := os.ReadFile(filepath.Join(d.snapshot("s"), "file")); string(got) != "later" {
		t.Errorf("got %q", got)
	}
}

func TestLateReadinessKeepsTheCut(t *testing.T) {
	d := newTestDriver(t)
	q := &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v", Parameters: map[string]string{"readyDelay": "1h"}}
	first, err := d.CreateSnapshot(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if first.Snapshot.ReadyToUse {
		t.Error("ready too early")
	}
	fill(t, d.volume("v"), map[string]string{"file": "after the cut"})
	q.Parameters = nil
	second, err := d.CreateSnapshot(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Snapshot.ReadyToUse || !second.Snapshot.CreationTime.AsTime().Equal(first.Snapshot.CreationTime.AsTime()) {
		t.Errorf("got %v, first %v", second.Snapshot, first.Snapshot)
	}
	if got, _ := os.ReadFile(filepath.Join(d.snapshot("s"), "file")); string(got) != "text" {
		t.Errorf("got %q", got)
	}
}

func TestDeletingEndsAHeldCut(t *testing.T) {
	d := newTestDriver(t)
	d.setPace(t, pace.Pace{CutDelay: time.Hour})
	if _, err := d.CreateSnapshot(soon(t), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v"}); err == nil {
		t.Fatal("no error")
	}
	if _, err := d.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: "s"}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(d.root, "snapshots"))
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestSnapshotAnswers(t *testing.T) {
	d := newTestDriver(t)
	if _, err := d.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		q    *csi.CreateSnapshotRequest
		want codes.Code
	}{
		{"no such volume", &csi.CreateSnapshotRequest{Name: "n", SourceVolumeId: "none"}, codes.NotFound},
		{"the name of another's", &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "w"}, codes.AlreadyExists},
		{"nonsense in the class", &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v",
			Parameters: map[string]string{"readyDelay": "soon"}}, codes.InvalidArgument},
	} {
		if _, err := d.CreateSnapshot(t.Context(), c.q); status.Code(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.what, err, c.want)
		}
	}
}

func TestCloneIsPacedAndRestoreIsNot(t *testing.T) {
	d := newTestDriver(t)
	if _, err := d.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: "v"}); err != nil {
		t.Fatal(err)
	}
	d.setPace(t, pace.Pace{CutDelay: time.Hour})
	clone := &csi.CreateVolumeRequest{Name: "clone", VolumeContentSource: &csi.VolumeContentSource{
		Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: "v"}}}}
	restore := &csi.CreateVolumeRequest{Name: "restore", VolumeContentSource: &csi.VolumeContentSource{
		Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: "s"}}}}
	if _, err := d.CreateVolume(soon(t), clone); status.Code(err) != codes.Aborted {
		t.Errorf("clone: got %v, want ABORTED", err)
	}
	if _, err := d.CreateVolume(t.Context(), restore); err != nil {
		t.Errorf("restore: %v", err)
	}
	d.setPace(t, pace.Pace{})
	if _, err := d.CreateVolume(t.Context(), clone); err != nil {
		t.Errorf("clone: %v", err)
	}
	for _, id := range []string{"clone", "restore"} {
		if got, _ := os.ReadFile(filepath.Join(d.volume(id), "file")); string(got) != "text" {
			t.Errorf("%s: got %q", id, got)
		}
	}
}
