package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// manifest is a set of files out of an upstream module.
type manifest struct {
	module string // module path
	glob   string
}

// moverScript is what VolSync's own image of its restic mover runs.
const moverScript = "mover-restic/entry.sh"

// manifests are upstream's own files, of the very version that is built. They are kept
// beside the program, so that starting a cluster needs no module cache.
func (p program) manifests() []manifest {
	switch p.name {
	case "volsync-manager":
		return []manifest{
			{volsyncModule, "config/crd/bases/*.yaml"},
			{volsyncModule, "config/rbac/role.yaml"},
			{volsyncModule, "config/rbac/role_binding.yaml"},
			{volsyncModule, "config/rbac/service_account.yaml"},
			{volsyncModule, "config/rbac/leader_election_role.yaml"},
			{volsyncModule, "config/rbac/leader_election_role_binding.yaml"},
			{volsyncModule, "config/manager/manager.yaml"},
			{volsyncModule, moverScript},
		}
	case "workflow-controller":
		argo, _, _ := strings.Cut(p.pkg, "/cmd/")
		return []manifest{
			{argo, "manifests/base/crds/full/*.yaml"},
			{argo, "manifests/base/workflow-controller/*.yaml"},
			{argo, "manifests/cluster-install-no-crds/workflow-controller-rbac/*.yaml"},
		}
	case "argo-events":
		return []manifest{
			{eventsModule, "manifests/base/crds/*.yaml"},
			{eventsModule, "manifests/base/controller-manager/*.yaml"},
			{eventsModule, "manifests/base/argo-events-sa.yaml"},
			{eventsModule, "manifests/cluster-install/rbac/argo-events-*.yaml"},
		}
	case "tekton-controller":
		return []manifest{
			{tektonModule, "config/100-namespace/*.yaml"},
			{tektonModule, "config/2*.yaml"},
			{tektonModule, "config/300-crds/*.yaml"},
			{tektonModule, "config/config-*.yaml"},
			{tektonModule, "config/500-webhooks.yaml"},
			{tektonModule, "config/controller.yaml"},
			{tektonModule, "config/webhook.yaml"},
		}
	case "snapshot-controller":
		// Group snapshots are not needed and off by default.
		return []manifest{{snapshotClient, "config/crd/snapshot.*.yaml"}}
	}
	return nil
}

func manifestsOf(program string) string { return program + ".manifests" }

func copyManifests(ctx context.Context, o Options, p program, program string) error {
	target := manifestsOf(program)
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("removing old manifests: %w", err)
	}
	for _, m := range p.manifests() {
		dir, err := p.moduleDir(ctx, o, m.module)
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(dir, m.glob))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("looking for %s in %s: none (%v)", m.glob, m.module, err)
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("copying manifests: %w", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("copying manifests: %w", err)
			}
			if err := os.WriteFile(filepath.Join(target, filepath.Base(file)), text, 0o644); err != nil {
				return fmt.Errorf("copying manifests: %w", err)
			}
		}
	}
	return nil
}

// moduleDir is where a module's files are, at the version that p requires.
func (p program) moduleDir(ctx context.Context, o Options, module string) (string, error) {
	mod, _ := p.requirements(filepath.Join(o.Source, "test"))
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-modfile="+mod, "-json", module)
	cmd.Dir = filepath.Join(o.Source, "test", p.module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("downloading %s: %w: %s", module, err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", module, err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("downloading %s: %w", module, err)
	}
	return found.Dir, nil
}
