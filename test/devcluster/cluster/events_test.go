package cluster

import (
	"slices"
	"testing"
)

// The controller has the node's image, and gives it to EventSources and Sensors.
func TestEventsObject(t *testing.T) {
	objects, err := documents([]byte(`
kind: Deployment
metadata: {name: controller-manager}
spec: {template: {spec: {containers: [{image: upstream, imagePullPolicy: Always, args: [controller],
  env: [{name: NAMESPACE}, {name: ARGO_EVENTS_IMAGE, value: upstream}]}]}}}
---
kind: ClusterRole
metadata: {name: argo-events-role}
---
kind: Kustomization
`))
	if err != nil {
		t.Fatal(err)
	}
	var applied []string
	for _, o := range objects {
		if eventsObject(o) {
			applied = append(applied, o.GetNamespace()+"/"+o.GetName())
		}
	}
	if want := []string{"argo-events/controller-manager", "/argo-events-role"}; !slices.Equal(applied, want) {
		t.Errorf("got %q, want %q", applied, want)
	}
	container := containerOf(objects[0])
	env := map[any]any{}
	for _, v := range container["env"].([]any) {
		env[v.(map[string]any)["name"]] = v.(map[string]any)["value"]
	}
	const image = "copytrigger.test/argo-events:1"
	if container["image"] != image || env["ARGO_EVENTS_IMAGE"] != image || env["IMAGE_PULL_POLICY"] != "IfNotPresent" ||
		container["imagePullPolicy"] != "IfNotPresent" {
		t.Errorf("got %v", container)
	}
}
