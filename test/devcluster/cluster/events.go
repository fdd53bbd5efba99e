package cluster

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const eventsNamespace = "argo-events"

// bringEvents applies upstream's manifests, with the image of the node, and waits for the
// controller. An EventBus is for each namespace to bring, as it is for users.
func (c *Cluster) bringEvents(up starter, p *plan) error {
	if err := apply(up.ctx, c.dynamic, []*unstructured.Unstructured{namespaceObject(eventsNamespace)}); err != nil {
		return err
	}
	if err := c.applyUpstream(up.ctx, p.programs["argo-events"], eventsObject); err != nil {
		return err
	}
	up.say.done("Argo Events definitions and rights")
	return c.deployed(up, eventsNamespace, eventsController)
}

const eventsController = "controller-manager"

// eventsObject does what upstream's kustomization does, with the image of the node: the
// controller runs EventSources and Sensors with the image that its environment names.
func eventsObject(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "Kustomization":
		return false
	case "ServiceAccount", "ConfigMap", "Deployment":
		o.SetNamespace(eventsNamespace)
	}
	if o.GetKind() != "Deployment" {
		return true
	}
	image := imageName("argo-events")
	container := containerOf(o)
	container["image"], container["imagePullPolicy"] = image, "IfNotPresent"
	env := container["env"].([]any)
	for _, v := range env {
		if v := v.(map[string]any); v["name"] == "ARGO_EVENTS_IMAGE" {
			v["value"] = image
		}
	}
	container["env"] = append(env, map[string]any{"name": "IMAGE_PULL_POLICY", "value": "IfNotPresent"})
	// There is one. On a slow machine it would lose the lease, and end.
	container["args"] = append(container["args"].([]any), "--leader-election=false")
	quickProbe(container)
	return true
}
