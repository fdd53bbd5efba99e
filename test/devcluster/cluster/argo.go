package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const argoNamespace = "argo"

// argoPrograms are those that run in a cluster; the first has the manifests.
func argoPrograms() []string { return []string{"workflow-controller", "argoexec"} }

// mendArgo makes argoexec compile. In upstream's repository one of its files is a symbolic
// link to another, and a module has no links. So it is built from a copy of the module, in
// the cache, where the file is what the link points to; nothing else is different.
func mendArgo(ctx context.Context, o Options, p program) (modfile string, err error) {
	module := o.versions.argoModule()
	modfile, err = mendedModule(ctx, o, p, module, func(dir string) error {
		signals := filepath.Join(dir, "workflow", "executor", "osspecific", "signal_")
		text, err := os.ReadFile(signals + "darwin.go")
		if err != nil {
			return err
		}
		return os.WriteFile(signals+"linux.go", text, 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("copying %s: %w", module, err)
	}
	return modfile, nil
}

// mendedModule copies a module into the cache, mends the copy, and gives the requirements of p
// with the copy in the module's place.
func mendedModule(
	ctx context.Context,
	o Options,
	p program,
	module string,
	mend func(dir string) error,
) (modfile string, err error) {
	dir, err := p.moduleDir(ctx, o, module)
	if err != nil {
		return "", err
	}
	mended := filepath.Join(o.Cache, "src", filepath.Base(dir))
	if err := os.RemoveAll(mended); err != nil {
		return "", err
	}
	if err := os.CopyFS(mended, os.DirFS(dir)); err != nil {
		return "", err
	}
	if err := mend(mended); err != nil {
		return "", err
	}
	mod, sum := p.requirements(filepath.Join(o.Source, "test"))
	modfile = mended + ".mod"
	if err := copyAppend(mod, modfile, fmt.Sprintf("\nreplace %s => %s\n", module, mended)); err != nil {
		return "", err
	}
	return modfile, copyAppend(sum, mended+".sum", "")
}

// copyAppend copies a file with a text at its end.
func copyAppend(from, to, end string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, end...), 0o644)
}

// bringArgo applies upstream's manifests, with the images of the node, and waits for the
// controller. There is no argo-server: nothing here needs one.
func (c *Cluster) bringArgo(up starter, p *plan) error {
	if err := apply(up.ctx, c.dynamic, []*unstructured.Unstructured{namespaceObject(argoNamespace)}); err != nil {
		return err
	}
	if err := c.applyUpstream(up.ctx, p.programs["workflow-controller"], argoObject); err != nil {
		return err
	}
	up.say.done("Argo definitions and rights")
	return c.deployed(up, argoNamespace, "workflow-controller")
}

func namespaceObject(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}

// argoExecutor makes the containers that Argo adds to pods fit for namespaces with Pod
// Security "restricted". That is an administrator's setting, without which Argo runs
// nothing there.
const argoExecutor = `
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
`

// argoObject does what upstream's kustomization does, with the images of the node and the
// settings of a careful administrator.
func argoObject(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "Kustomization":
		return false
	case "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Deployment":
		o.SetNamespace(argoNamespace)
	}
	if subjects, ok, _ := unstructured.NestedSlice(o.Object, "subjects"); ok {
		for _, s := range subjects {
			s.(map[string]any)["namespace"] = argoNamespace
		}
		o.Object["subjects"] = subjects
	}
	switch o.GetKind() {
	case "ConfigMap":
		if err := unstructured.SetNestedField(o.Object, argoExecutor, "data", "executor"); err != nil {
			panic(err)
		}
	case "Deployment":
		container := containerOf(o)
		container["image"] = imageName("workflow-controller")
		// There is one. On a slow machine it would lose the lease, end, and forget its metrics.
		container["env"] = append(
			container["env"].([]any),
			map[string]any{"name": "LEADER_ELECTION_DISABLE", "value": "true"},
		)
		container["args"] = []any{"--executor-image", imageName("argoexec"), "--executor-image-pull-policy", "IfNotPresent"}
	}
	return true
}
