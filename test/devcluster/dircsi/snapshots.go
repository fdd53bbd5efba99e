package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// cut is what is kept beside a snapshot. It is written last: where there is one, the
// snapshot is whole.
type cut struct {
	Source string    `json:"source"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
}

// CreateSnapshot answers only once the copy is made, for an answer must carry the
// creation time: csi-snapshotter v8.2.0 takes a missing one for 1970
// (pkg/snapshotter/snapshotter.go, CreateSnapshot) and there is none before the cut.
// After that it may be called again and again, until the snapshot is ready to use:
// csi-snapshotter asks so, and not by ListSnapshots, about snapshots it made
// (pkg/sidecar-controller/snapshot_controller.go, checkandUpdateContentStatusOperation).
func (d *driver) CreateSnapshot(
	ctx context.Context,
	q *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	work := paced{
		from: d.volume(q.SourceVolumeId),
		to:   d.snapshot(q.Name),
		pace: func() (pace.Pace, error) { return d.pace(q.Parameters) },
	}
	c, err := readCut(work.to)
	if errors.Is(err, fs.ErrNotExist) {
		if !exists(work.from) {
			return nil, status.Errorf(codes.NotFound, "no volume %s", q.SourceVolumeId)
		}
		made := func() bool { return exists(cutFile(work.to)) }
		err = d.copies.do(ctx, work.to, made, func(ctx context.Context) error {
			c, err := work.copy(ctx)
			if err != nil {
				return err
			}
			if err := work.publish(); err != nil {
				return err
			}
			c.Source = q.SourceVolumeId
			return writeCut(work.to, c)
		})
		if err != nil {
			return nil, err
		}
		c, err = readCut(work.to)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if c.Source != q.SourceVolumeId {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %s is of volume %s", q.Name, c.Source)
	}
	p, err := work.pace()
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &csi.CreateSnapshotResponse{Snapshot: &csi.Snapshot{
		SnapshotId:     q.Name,
		SourceVolumeId: q.SourceVolumeId,
		CreationTime:   timestamppb.New(c.Ended),
		ReadyToUse:     time.Since(c.Ended) >= p.ReadyDelay,
	}}, nil
}

// DeleteSnapshot ends the copy first, if it is still being made.
func (d *driver) DeleteSnapshot(_ context.Context, q *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	dir := d.snapshot(q.SnapshotId)
	d.copies.stop(dir)
	for _, path := range []string{cutFile(dir), dir} {
		if err := os.RemoveAll(path); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

func cutFile(dir string) string { return dir + ".json" }

func readCut(dir string) (cut, error) {
	text, err := os.ReadFile(cutFile(dir))
	if err != nil {
		return cut{}, err
	}
	var c cut
	if err := json.Unmarshal(text, &c); err != nil {
		return cut{}, fmt.Errorf("reading %s: %w", cutFile(dir), err)
	}
	return c, nil
}

func writeCut(dir string, c cut) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing the cut: %w", err)
	}
	next := cutFile(dir) + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return fmt.Errorf("writing the cut: %w", err)
	}
	return os.Rename(next, cutFile(dir))
}
