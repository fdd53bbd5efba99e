package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// driverName is the name CSIDriver, StorageClass and VolumeSnapshotClass give.
const driverName = "dir.csi.copytrigger.test"

// driver keeps its state in the file system alone, so a killed driver goes on where it
// was: a volume or snapshot exists exactly when its directory does.
type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	root   string
	node   string
	copies *copies
}

func newDriver(ctx context.Context, root, node string) (*driver, error) {
	d := &driver{root: root, node: node, copies: newCopies(ctx)}
	for _, dir := range []string{"volumes", "snapshots"} {
		// Others may pass: a pod's user is not the driver's.
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, fmt.Errorf("making the storage: %w", err)
		}
	}
	return d, nil
}

func (d *driver) register(s *grpc.Server) {
	csi.RegisterIdentityServer(s, d)
	csi.RegisterControllerServer(s, d)
	csi.RegisterNodeServer(s, d)
}

// Base keeps a name from leading out of the storage.
func (d *driver) volume(id string) string {
	return filepath.Join(d.root, "volumes", filepath.Base(id))
}

func (d *driver) snapshot(id string) string {
	return filepath.Join(d.root, "snapshots", filepath.Base(id))
}

// pace is the cluster's pace with the class's over it, as of now.
func (d *driver) pace(class map[string]string) (pace.Pace, error) {
	p, err := pace.Load(filepath.Join(d.root, "pace.json"))
	if err != nil {
		return pace.Pace{}, err
	}
	return p.With(class)
}
