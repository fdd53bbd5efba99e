package cluster

import (
	"fmt"

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
			"--restic-container-image=" + imageName("volsync-mover"),
		},
		env: []string{
			"VOLSYNC_NAMESPACE=" + volsyncNamespace,
			"KUBECONFIG=" + p.state.path("volsync.kubeconfig"),
		},
		address: local(p.ports.volsync),
		ready:   p.probe.get("http://" + local(p.ports.volsync) + "/readyz"),
	}
}

// volsyncDeployment turns upstream's Deployment to the images of the node. As with the
// process, it elects no leader, and has no metrics.
func volsyncDeployment(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "Namespace":
		return false // is there
	case "Deployment":
		container := containerOf(o)
		container["image"] = imageName("volsync")
		container["args"] = []any{
			"--health-probe-bind-address=:8081", "--metrics-bind-address=0",
			"--restic-container-image=" + imageName("volsync-mover"),
		}
		quickProbe(container)
	}
	return true
}

// containerOf is the first container of a Deployment's pods.
func containerOf(o *unstructured.Unstructured) map[string]any {
	containers, _, err := unstructured.NestedFieldNoCopy(o.Object, "spec", "template", "spec", "containers")
	list, ok := containers.([]any)
	if err != nil || !ok || len(list) == 0 {
		panic(fmt.Sprintf("Deployment %s has no containers", o.GetName()))
	}
	return list[0].(map[string]any)
}

// quickProbe looks every second whether a pod is ready: upstream's first look is after
// five seconds, and the next one ten seconds later. As there, half a minute without an answer
// is too long.
func quickProbe(container map[string]any) {
	if probe, ok := container["readinessProbe"].(map[string]any); ok {
		probe["initialDelaySeconds"], probe["periodSeconds"] = int64(0), int64(1)
		probe["failureThreshold"] = int64(30)
	}
}

// intoNamespace does what VolSync's kustomization does: its manifests name the namespace
// "system", or none at all, and mean the one it is installed in.
func intoNamespace(o *unstructured.Unstructured, namespace string) {
	switch o.GetKind() {
	case "ServiceAccount", "Role", "RoleBinding", "Deployment":
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
