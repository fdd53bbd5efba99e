package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	argoModule    = "github.com/argoproj/argo-workflows/v3"
	argoVersion   = "v3.7.4"
	argoNamespace = "argo"
)

// argoPrograms are those that run in a cluster; the first has the manifests.
func argoPrograms() []program {
	make := func(name string) program {
		return program{
			name: name, module: "upstream/argo", pkg: argoModule + "/cmd/" + name,
			ldflags: "-X " + argoModule + ".version=" + argoVersion, prepare: mendArgo,
		}
	}
	return []program{make("workflow-controller"), make("argoexec")}
}

// mendArgo makes argoexec compile. In upstream's repository one of its files is a symbolic
// link to another, and a module has no links. So it is built from a copy of the module, in
// the cache, where the file is what the link points to; nothing else is different.
func mendArgo(ctx context.Context, o Options, p program) (modfile string, err error) {
	module := filepath.Join(o.Source, "test", p.module)
	dir, err := moduleDir(ctx, module, argoModule)
	if err != nil {
		return "", err
	}
	mended := filepath.Join(o.Cache, "src", "argo-workflows@"+argoVersion)
	if err := os.RemoveAll(mended); err != nil {
		return "", fmt.Errorf("copying %s: %w", argoModule, err)
	}
	if err := os.CopyFS(mended, os.DirFS(dir)); err != nil {
		return "", fmt.Errorf("copying %s: %w", argoModule, err)
	}
	signals := filepath.Join(mended, "workflow", "executor", "osspecific", "signal_")
	text, err := os.ReadFile(signals + "darwin.go")
	if err != nil {
		return "", fmt.Errorf("copying %s: %w", argoModule, err)
	}
	if err := os.WriteFile(signals+"linux.go", text, 0o644); err != nil {
		return "", fmt.Errorf("copying %s: %w", argoModule, err)
	}
	// The same requirements, with the copy in the module's place.
	modfile = filepath.Join(o.Cache, "src", "argo.mod")
	for _, suffix := range []string{"mod", "sum"} {
		text, err := os.ReadFile(filepath.Join(module, "go."+suffix))
		if err != nil {
			return "", fmt.Errorf("copying %s: %w", argoModule, err)
		}
		if suffix == "mod" {
			text = fmt.Appendf(text, "\nreplace %s => %s\n", argoModule, mended)
		}
		if err := os.WriteFile(strings.TrimSuffix(modfile, "mod")+suffix, text, 0o644); err != nil {
			return "", fmt.Errorf("copying %s: %w", argoModule, err)
		}
	}
	return modfile, nil
}

// bringArgo applies upstream's manifests, with the images of the node, and waits for the
// controller. There is no argo-server: nothing here needs one.
func (c *Cluster) bringArgo(up starter, p *plan) error {
	if err := apply(up.ctx, c.dynamic, []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": argoNamespace},
	}}}); err != nil {
		return err
	}
	if err := c.applyUpstream(up.ctx, p.programs["workflow-controller"], argoObject); err != nil {
		return err
	}
	up.say.done("Argo definitions and rights")
	return c.deployed(up, argoNamespace, "workflow-controller")
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
		container["env"] = append(container["env"].([]any), map[string]any{"name": "LEADER_ELECTION_DISABLE", "value": "true"})
		container["args"] = []any{"--executor-image", imageName("argoexec"), "--executor-image-pull-policy", "IfNotPresent"}
	}
	return true
}
