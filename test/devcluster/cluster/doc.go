// Package cluster is a Kubernetes cluster to throw away: the real control plane, the
// real snapshot controllers and the real VolSync, as ordinary processes of an ordinary
// user on 127.0.0.1. No containers, no root, no node; pods stay Pending.
//
// [Build] makes the programs from their modules, [Up] starts a cluster of them that
// lives no longer than the calling process, and [Attach] finds the cluster of another
// process. Everything a cluster has is in one folder, and goes with it.
package cluster
