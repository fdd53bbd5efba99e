package cluster

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	volsyncNamespace = "volsync-system"
	volsyncAccount   = "controller-manager"
)

// volsync is the manager as its own service account, with the rights its own
// manifests give it. It elects no leader: the lease of one that was killed would keep
// the next waiting for 137 s.
func (p *plan) volsync() spec {
	return spec{
		name:    "volsync",
		program: p.programs["volsync-manager"],
		args: []string{
			"--metrics-bind-address=0", // none
			"--health-probe-bind-address=" + local(p.ports.volsync),
			// Any name: without a node nothing is pulled.
			"--restic-container-image=copytrigger.test/volsync-mover:1",
		},
		env: []string{
			"VOLSYNC_NAMESPACE=" + volsyncNamespace,
			"KUBECONFIG=" + p.state.path("volsync.kubeconfig"),
		},
		address: local(p.ports.volsync),
		ready:   p.probe.get("http://" + local(p.ports.volsync) + "/readyz"),
	}
}

// intoNamespace does what VolSync's kustomization does: its manifests name the namespace
// "system", or none at all, and mean the one it is installed in.
func intoNamespace(o *unstructured.Unstructured, namespace string) {
	switch o.GetKind() {
	case "ServiceAccount", "Role", "RoleBinding":
		o.SetNamespace(namespace)
	}
	subjects, found, err := unstructured.NestedSlice(o.Object, "subjects")
	if err != nil || !found {
		return
	}
	for _, subject := range subjects {
		if s, ok := subject.(map[string]any); ok && s["namespace"] == "system" {
			s["namespace"] = namespace
		}
	}
	o.Object["subjects"] = subjects
}
