package cluster

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const tektonNamespace = "tekton-pipelines"

// bringTekton applies upstream's manifests, with the images of the node, and waits for the
// controller and the webhook.
func (c *Cluster) bringTekton(up starter, p *plan) error {
	if err := c.applyUpstream(up.ctx, p.programs["tekton-controller"], tektonObject); err != nil {
		return err
	}
	up.say.done("Tekton definitions and rights")
	return up.together(
		func(up starter) error { return c.deployed(up, tektonNamespace, "tekton-pipelines-controller") },
		func(up starter) error { return c.deployed(up, tektonNamespace, "tekton-pipelines-webhook") },
	)
}

// tektonObject turns upstream's images to those of the node, and makes the containers
// that Tekton adds to pods fit for namespaces with Pod Security "restricted". That is an
// administrator's setting, without which Tekton runs nothing there.
func tektonObject(o *unstructured.Unstructured) bool {
	switch {
	case o.GetKind() == "Deployment":
		container := containerOf(o)
		container["image"] = tektonImage(container["image"].(string))
		if args, ok := container["args"].([]any); ok {
			for i, arg := range args {
				args[i] = tektonImage(arg.(string))
			}
		}
		quickProbe(container)
	case strings.HasSuffix(o.GetKind(), "WebhookConfiguration"):
		webhooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
		for _, webhook := range webhooks {
			webhook.(map[string]any)["timeoutSeconds"] = int64(30) // it may be a busy machine
		}
		if err := unstructured.SetNestedSlice(o.Object, webhooks, "webhooks"); err != nil {
			panic(err)
		}
	case o.GetKind() == "ConfigMap" && o.GetName() == "feature-flags":
		if err := unstructured.SetNestedField(o.Object, "true", "data", "set-security-context"); err != nil {
			panic(err)
		}
	}
	return true
}

// tektonImage is the node's image for one that upstream builds, or uses as a shell.
func tektonImage(of string) string {
	if program, ok := strings.CutPrefix(of, "ko://"+tektonModule+"/cmd/"); ok {
		return imageName("tekton-" + program)
	}
	if strings.Contains(of, "@sha256:") {
		return DebianImage
	}
	return of
}
