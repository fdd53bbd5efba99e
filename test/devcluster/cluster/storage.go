package cluster

// csiSocket is where dircsi serves.
func (p *plan) csiSocket() string { return p.state.path("csi.sock") }

func (p *plan) dircsi() spec {
	args := []string{
		"--kubeconfig=" + p.state.path(componentsKubeconfig),
		"--root=" + p.state.path("csi"), "--socket=" + p.csiSocket(),
	}
	if p.node != nil {
		args = append(args, "--kubelet-dir="+p.kubeletDir(), "--node="+nodeName)
	}
	return spec{
		name:    "dircsi",
		program: p.programs["dircsi"],
		args:    args,
		address: p.csiSocket(),
		ready:   dial(p.csiSocket()),
	}
}

func (p *plan) snapshotController() spec {
	return spec{
		name:    "snapshot-controller",
		program: p.programs["snapshot-controller"],
		args: append(briskness(),
			"--kubeconfig="+p.state.path(componentsKubeconfig),
			"--leader-election=false", "--http-endpoint=",
			"--retry-interval-start=50ms", "--retry-interval-max=500ms"),
	}
}

// csiSnapshotter gives a cut an hour: one that is answered "still at it" shows as an
// error in the VolumeSnapshot's status, and tests mean a slow disk, not a failing one.
// A worker waits with each of them, so there are more workers.
//
// It looks again at a snapshot that is not ready. If its cache is older than what it wrote
// itself last, it drops that look and all that would follow (pkg/sidecar-controller,
// syncContentByKey): a busy machine does that to looks that follow soon. So they follow later
// and later, as by default. And what was dropped is made up for, by a look at everything; by
// default that comes after 15 minutes, and does not help before v8.3.0 (pkg/utils,
// ShouldEnqueueContentChange).
func (p *plan) csiSnapshotter() spec {
	return spec{
		name:    "csi-snapshotter",
		program: p.programs["csi-snapshotter"],
		args: append(briskness(),
			"--kubeconfig="+p.state.path(componentsKubeconfig), "--csi-address="+p.csiSocket(),
			"--timeout=1h", "--worker-threads=50",
			"--retry-interval-max=8s", "--resync-period=2s",
			"--leader-election=false", "--http-endpoint="),
		// It exits when its driver does.
		needs: "dircsi",
	}
}

// briskness of both snapshot controllers: by default they ask the API server five things a
// second; and from v8.7.0 on the one makes nothing for half a minute, while it looks for the
// definitions of group snapshots, which are not there.
func briskness() []string {
	return []string{"--kube-api-qps=200", "--kube-api-burst=400", "--feature-gates=CSIVolumeGroupSnapshot=false"}
}
