package cluster

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

const (
	volsyncModule     = "github.com/backube/volsync"
	snapshotterModule = "github.com/kubernetes-csi/external-snapshotter/v8"
	snapshotClient    = "github.com/kubernetes-csi/external-snapshotter/client/v8"
	tektonModule      = "github.com/tektoncd/pipeline"
	resticModule      = "github.com/restic/restic"
	eventsModule      = "github.com/argoproj/argo-events"
	natsModule        = "github.com/nats-io/nats-server/v2"
)

// program is one binary and what it is made of.
type program struct {
	name    string
	module  string   // directory of the module it is built in, below test/
	modfile string   // what the module requires, below test/; its go.mod if empty
	pkg     string   // package to build
	ldflags string   // besides -s -w
	tags    string   // build tags; none if empty
	local   []string // directories of our own sources, below test/
	// prepare makes what cannot be built as it is fit to be, and gives the -modfile to
	// build with; nil for nothing.
	prepare func(context.Context, Options, program) (modfile string, err error)
}

// programs are what the options ask for, in the order of building: the ones everything
// waits for first.
func programs(o Options) []program {
	// upstream is a program of an upstream project that the set of versions pins.
	upstream := func(project, name, pkg, ldflags string) program {
		return program{
			name: name, module: "devcluster/upstream", modfile: o.versions.modfile(o.Source, project),
			pkg: pkg, ldflags: ldflags,
		}
	}
	snapshotter := func(name string) program {
		return upstream("snapshotter", name, path.Join(snapshotterModule, "cmd", name),
			"-X main.version=v"+o.versions.Of("snapshotter"))
	}
	kubernetes := kubernetesFlags(o.versions.Of("kubernetes"))
	kubeall := upstream("kubernetes", "kubeall", ".", kubernetes)
	kubeall.local = []string{"devcluster/upstream"}
	if o.assets != "" {
		kubeall.tags = "assets"
	}
	all := []program{
		kubeall,
		upstream("volsync", "volsync-manager", volsyncModule+"/cmd",
			"-X main.volsyncVersion=v"+o.versions.Of("volsync")),
		snapshotter("snapshot-controller"),
		snapshotter("csi-snapshotter"),
		{name: "dircsi", module: ".", pkg: "./devcluster/dircsi", local: []string{"devcluster/dircsi", "devcluster/pace"}},
	}
	if o.Node {
		all = append(all,
			program{name: "nodeinit", module: ".", pkg: "./devcluster/nodeinit", local: []string{"devcluster/nodeinit"}},
			upstream("kubernetes", "kubectl", "k8s.io/kubernetes/cmd/kubectl", kubernetes),
			// VolSync's mover is restic with changes of its own, in no module; its script needs
			// what 0.18 can do.
			upstream("restic", "restic", resticModule+"/cmd/restic", ""),
		)
	}
	if o.Tekton {
		for _, name := range tektonPrograms() {
			all = append(all, upstream("tekton", "tekton-"+name, path.Join(tektonModule, "cmd", name), ""))
		}
	}
	if o.Argo {
		argo := o.versions.argoModule()
		for _, name := range argoPrograms() {
			p := upstream("argo-workflows", name, argo+"/cmd/"+name, "-X "+argo+".version=v"+o.versions.Of("argo-workflows"))
			p.prepare = mendArgo
			all = append(all, p)
		}
	}
	if o.Events {
		all = append(
			all,
			upstream(
				"argo-events",
				"argo-events",
				eventsModule+"/cmd",
				"-X "+eventsModule+".version=v"+o.versions.Of("argo-events"),
			),
			upstream("nats-server", "nats-server", natsModule, ""),
		)
	}
	return all
}

// tektonPrograms are those that run in a cluster; the first has the manifests.
func tektonPrograms() []string {
	return []string{"controller", "webhook", "entrypoint", "nop", "workingdirinit", "sidecarlogresults"}
}

// kubernetesFlags do what Kubernetes' own build does: without them it calls itself
// v0.0.0-master, which fails everybody's check of a minimum version.
func kubernetesFlags(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{
			"gitVersion=v" + version,
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

// buildArgs are go's arguments to build p as file, in the directory of its module and with the
// requirements in modfile; its go.mod's if that is empty.
func (p program) buildArgs(file, modfile string) []string {
	args := []string{"build", "-trimpath", "-buildvcs=false"}
	if modfile != "" {
		args = append(args, "-modfile="+modfile)
	}
	if p.tags != "" {
		args = append(args, "-tags="+p.tags)
	}
	return append(args, "-ldflags", strings.TrimSpace("-s -w "+p.ldflags), "-o", file, p.pkg)
}

// requirements are the files that pin what p is built of: go.mod, or what takes its place, and
// the sums.
func (p program) requirements(testDir string) (mod, sum string) {
	mod = filepath.Join(testDir, p.module, "go.mod")
	if p.modfile != "" {
		mod = filepath.Join(testDir, p.modfile)
	}
	return mod, strings.TrimSuffix(mod, ".mod") + ".sum"
}
