package main

import (
	"context"
	"os"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

func (d *driver) ControllerGetCapabilities(
	context.Context,
	*csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	var r csi.ControllerGetCapabilitiesResponse
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		r.Capabilities = append(r.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}},
		})
	}
	return &r, nil
}

// CreateVolume makes an empty directory, a snapshot's contents or a clone. Only a clone
// is paced: it is the one that copies what somebody may be writing.
func (d *driver) CreateVolume(ctx context.Context, q *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	r := &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:      q.Name,
		CapacityBytes: q.GetCapacityRange().GetRequiredBytes(),
		ContentSource: q.VolumeContentSource,
	}}
	to := d.volume(q.Name)
	if exists(to) {
		return r, nil
	}
	work := paced{to: to}
	switch source := q.VolumeContentSource; {
	case source.GetSnapshot() != nil:
		work.from = d.snapshot(source.GetSnapshot().SnapshotId)
		work.pace = func() (pace.Pace, error) { return pace.Pace{}, nil }
	case source.GetVolume() != nil:
		work.from = d.volume(source.GetVolume().VolumeId)
		work.pace = func() (pace.Pace, error) { return d.pace(q.Parameters) }
	default:
		return r, makeVolume(to)
	}
	if !exists(work.from) {
		return nil, status.Errorf(codes.NotFound, "no source %s", work.from)
	}
	return r, d.copies.do(ctx, to, func() bool { return exists(to) }, func(ctx context.Context) error {
		if _, err := work.copy(ctx); err != nil {
			return err
		}
		// A volume is there or not: it knows no "made but not ready".
		err := work.wait(ctx, func(p pace.Pace) time.Duration { return p.ReadyDelay })
		if err != nil {
			return err
		}
		return work.publish()
	})
}

// makeVolume lets everybody write, umask or not: fsGroup is not applied to a directory
// of the host, and pods run as anybody.
func makeVolume(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil && !os.IsExist(err) {
		return status.Error(codes.Internal, err.Error())
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

// DeleteVolume ends a copy into the volume first, if one is being made.
func (d *driver) DeleteVolume(_ context.Context, q *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	gone := paced{to: d.volume(q.VolumeId)}
	d.copies.stop(gone.to)
	for _, path := range []string{gone.partial(), gone.to} {
		if err := os.RemoveAll(path); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	return &csi.DeleteVolumeResponse{}, nil
}

func (d *driver) ValidateVolumeCapabilities(
	_ context.Context,
	q *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	return &csi.ValidateVolumeCapabilitiesResponse{
		Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: q.VolumeCapabilities},
	}, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
