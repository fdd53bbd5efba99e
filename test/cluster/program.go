package cluster

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// The versions of what is not a module's main package say themselves: their programs
// report what the linker was told.
const (
	kubernetesVersion  = "1.34.4"
	volsyncModule      = "github.com/backube/volsync"
	volsyncVersion     = "v0.14.0"
	snapshotterModule  = "github.com/kubernetes-csi/external-snapshotter/v8"
	snapshotterVersion = "v8.2.0"
	snapshotClient     = "github.com/kubernetes-csi/external-snapshotter/client/v8"
	tektonModule       = "github.com/tektoncd/pipeline"
)

// program is one binary and what it is made of.
type program struct {
	name    string
	module  string   // directory of the module it is built in, below test/
	pkg     string   // package to build
	ldflags string   // besides -s -w
	local   []string // directories of our own sources, below test/
	// prepare makes what cannot be built as it is fit to be, and gives the -modfile to
	// build with; nil for nothing.
	prepare func(context.Context, Options, program) (modfile string, err error)
}

// programs are what the options ask for, in the order of building: the ones everything
// waits for first.
func programs(o Options) []program {
	all := []program{
		{
			name: "kubeall", module: "upstream/kubernetes", pkg: ".",
			ldflags: kubernetesFlags(), local: []string{"upstream/kubernetes"},
		},
		{
			name: "volsync-manager", module: "upstream/volsync", pkg: volsyncModule + "/cmd",
			ldflags: "-X main.volsyncVersion=" + volsyncVersion,
		},
		snapshotter("snapshot-controller"),
		snapshotter("csi-snapshotter"),
		{name: "dircsi", module: ".", pkg: "./dircsi", local: []string{"dircsi", "pace"}},
	}
	if o.Node {
		all = append(all,
			program{name: "nodeinit", module: ".", pkg: "./nodeinit", local: []string{"nodeinit"}},
			program{
				name: "kubectl", module: "upstream/kubernetes", pkg: "k8s.io/kubernetes/cmd/kubectl",
				ldflags: kubernetesFlags(),
			},
			// VolSync's mover is restic with changes of its own, in no module; its script needs
			// what 0.18 can do.
			program{name: "restic", module: "upstream/restic", pkg: "github.com/restic/restic/cmd/restic"},
		)
	}
	if o.Tekton {
		for _, name := range tektonPrograms() {
			all = append(all, program{name: "tekton-" + name, module: "upstream/tekton", pkg: path.Join(tektonModule, "cmd", name)})
		}
	}
	if o.Argo {
		all = append(all, argoPrograms()...)
	}
	return all
}

// tektonPrograms are those that run in a cluster; the first has the manifests.
func tektonPrograms() []string {
	return []string{"controller", "webhook", "entrypoint", "nop", "workingdirinit", "sidecarlogresults"}
}

func snapshotter(name string) program {
	return program{
		name: name, module: "upstream/snapshotter", pkg: path.Join(snapshotterModule, "cmd", name),
		ldflags: "-X main.version=" + snapshotterVersion,
	}
}

// kubernetesFlags do what Kubernetes' own build does: without them it calls itself
// v0.0.0-master, which fails everybody's check of a minimum version.
func kubernetesFlags() string {
	major, rest, _ := strings.Cut(kubernetesVersion, ".")
	minor, _, _ := strings.Cut(rest, ".")
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{
			"gitVersion=v" + kubernetesVersion,
			"gitMajor=" + major,
			"gitMinor=" + minor,
			"gitTreeState=clean",
			"gitCommit=" + strings.Repeat("0", 40),
			"buildDate=2026-01-01T00:00:00Z",
		} {
			flags = append(flags, fmt.Sprintf("-X %s.%s", pkg, set))
		}
	}
	return strings.Join(flags, " ")
}

// buildArgs are go's arguments to build p as file.
func (p program) buildArgs(file string) []string {
	ldflags := strings.TrimSpace("-s -w " + p.ldflags)
	return []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", file, p.pkg}
}
