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
		args: append(patience(),
			"--kubeconfig="+p.state.path(componentsKubeconfig),
			"--leader-election=false", "--http-endpoint="),
	}
}

// csiSnapshotter gives a cut an hour: one that is answered "still at it" shows as an
// error in the VolumeSnapshot's status, and tests mean a slow disk, not a failing one.
// A worker waits with each of them, so there are more workers.
func (p *plan) csiSnapshotter() spec {
	return spec{
		name:    "csi-snapshotter",
		program: p.programs["csi-snapshotter"],
		args: append(patience(),
			"--kubeconfig="+p.state.path(componentsKubeconfig), "--csi-address="+p.csiSocket(),
			"--timeout=1h", "--worker-threads=50",
			"--leader-election=false", "--http-endpoint="),
		// It exits when its driver does.
		needs: "dircsi",
	}
}

// patience of both snapshot controllers: by default they look again after a second,
// then two, and ask the API server five things a second.
func patience() []string {
	return []string{
		"--retry-interval-start=50ms", "--retry-interval-max=500ms",
		"--kube-api-qps=200", "--kube-api-burst=400",
	}
}
