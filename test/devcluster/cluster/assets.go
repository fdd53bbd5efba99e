package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// assets is the folder that KUBEBUILDER_ASSETS names, as envtest has it, if the API server in
// it is of the version that the set pins: then it and the etcd beside it are used, and not
// built. It is empty, with the reason told, if they cannot be used.
func assets(o Options) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		return ""
	}
	if err := checkAssets(dir, o.versions.Of("kubernetes")); err != nil {
		fmt.Fprintf(o.Progress, "KUBEBUILDER_ASSETS is not used: %v\n", err)
		return ""
	}
	return dir
}

func checkAssets(dir, version string) error {
	if _, err := exec.LookPath(filepath.Join(dir, "etcd")); err != nil {
		return err
	}
	said, err := exec.Command(filepath.Join(dir, "kube-apiserver"), "--version").Output()
	if err != nil {
		return fmt.Errorf("asking its kube-apiserver for its version: %w", err)
	}
	if got, want := strings.TrimSpace(string(said)), "Kubernetes v"+version; got != want {
		return fmt.Errorf("its kube-apiserver is %s, and not %s", got, want)
	}
	return nil
}
