package application

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// Kinds are those of the objects that tests apply or look at.
var Kinds = map[string]schema.GroupVersionResource{
	"ServiceAccount": {Version: "v1", Resource: "serviceaccounts"},
	"Secret":         {Version: "v1", Resource: "secrets"},
	"ConfigMap":      {Version: "v1", Resource: "configmaps"},
	"Role":           {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":    {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"Job":            {Group: "batch", Version: "v1", Resource: "jobs"},
	"CronJob":        {Group: "batch", Version: "v1", Resource: "cronjobs"},

	"PodDisruptionBudget": {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},

	"StepAction":  {Group: "tekton.dev", Version: "v1beta1", Resource: "stepactions"},
	"Task":        {Group: "tekton.dev", Version: "v1", Resource: "tasks"},
	"TaskRun":     {Group: "tekton.dev", Version: "v1", Resource: "taskruns"},
	"Pipeline":    {Group: "tekton.dev", Version: "v1", Resource: "pipelines"},
	"PipelineRun": {Group: "tekton.dev", Version: "v1", Resource: "pipelineruns"},

	"Workflow":         {Group: "argoproj.io", Version: "v1alpha1", Resource: "workflows"},
	"WorkflowTemplate": {Group: "argoproj.io", Version: "v1alpha1", Resource: "workflowtemplates"},
	"CronWorkflow":     {Group: "argoproj.io", Version: "v1alpha1", Resource: "cronworkflows"},

	"EventBus":    {Group: "argoproj.io", Version: "v1alpha1", Resource: "eventbus"},
	"EventSource": {Group: "argoproj.io", Version: "v1alpha1", Resource: "eventsources"},
	"Sensor":      {Group: "argoproj.io", Version: "v1alpha1", Resource: "sensors"},

	"ReplicationSource":      {Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"},
	"ReplicationDestination": {Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationdestinations"},
	"PersistentVolumeClaim":  {Version: "v1", Resource: "persistentvolumeclaims"},
	"Pod":                    {Version: "v1", Resource: "pods"},
	"Deployment":             {Group: "apps", Version: "v1", Resource: "deployments"},
}

// Shipped is what `kubectl apply -k` of a folder of the repository applies.
func (s *Site) Shipped(dir string) []*unstructured.Unstructured {
	s.Helper()
	all, err := shipped(dir)
	s.Must(err)
	return all
}

func shipped(dir string) ([]*unstructured.Unstructured, error) {
	root, err := cluster.FindSource()
	if err != nil {
		return nil, err
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", dir, err)
	}
	text, err := made.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", dir, err)
	}
	return objects(text)
}

func objects(text []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, document := range strings.Split(string(text), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			return nil, fmt.Errorf("reading YAML: %w", err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
	return all, nil
}

// loadImages gives the node the program's image, as it is built for release, and those
// that the examples name: there is no registry to pull them from. dir is the folder of
// what is applied.
func loadImages(ctx context.Context, c *cluster.Cluster, dir string) error {
	archive := os.Getenv("COPYTRIGGER_IMAGE")
	if archive == "" {
		return errors.New("COPYTRIGGER_IMAGE is not set: it names the archive that make image builds")
	}
	image, err := shippedImage(dir)
	if err != nil {
		return err
	}
	if err := c.LoadImage(ctx, archive, image); err != nil {
		return err
	}
	for _, name := range exampleImages {
		if err := c.TagImage(ctx, cluster.DebianImage, name); err != nil {
			return fmt.Errorf("naming an image %s: %w", name, err)
		}
	}
	return nil
}

// exampleImages are users' own in the examples. Here all of them are one.
var exampleImages = []string{
	"docker.io/library/postgres:17",
	"registry.k8s.io/kubectl:v1.37.2",
	"docker.io/alpine/k8s:1.34.1",
}

// shippedImage is the one image that what is shipped runs, besides the user's own.
func shippedImage(dir string) (string, error) {
	all, err := shipped(dir)
	if err != nil {
		return "", err
	}
	found := map[string]bool{}
	for _, o := range all {
		images(o.Object, found)
	}
	maps.DeleteFunc(found, func(image string, _ bool) bool { return slices.Contains(exampleImages, image) })
	if len(found) != 1 {
		return "", fmt.Errorf("%s has %d images, and is to have one: %v", dir, len(found), found)
	}
	for image := range found {
		return image, nil
	}
	panic("not reached")
}

// images collects the images that a manifest names; not those that are parameters.
func images(value any, found map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		if image, ok := value["image"].(string); ok && !strings.ContainsAny(image, "${") {
			found[image] = true
		}
		for _, v := range value {
			images(v, found)
		}
	case []any:
		for _, v := range value {
			images(v, found)
		}
	}
}

// Apply applies objects in the site's namespace.
func (s *Site) Apply(all ...*unstructured.Unstructured) {
	s.Helper()
	for _, o := range all {
		o = o.DeepCopy()
		o.SetNamespace(s.Namespace)
		if subjects, ok, _ := unstructured.NestedSlice(o.Object, "subjects"); ok {
			for _, subject := range subjects {
				subject.(map[string]any)["namespace"] = s.Namespace
			}
			o.Object["subjects"] = subjects
		}
		s.replaceImages(o)
		_, err := s.Client(o.GetKind()).
			Apply(s.Ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		s.Must(err)
	}
}

// File is what stands in a file of the repository.
func (s *Site) File(path string) []*unstructured.Unstructured {
	s.Helper()
	root, err := cluster.FindSource()
	s.Must(err)
	text, err := os.ReadFile(filepath.Join(root, path))
	s.Must(err)
	all, err := objects(text)
	s.Must(err)
	return all
}

// Create creates an object that has only a generateName, and returns it.
func (s *Site) Create(o *unstructured.Unstructured) *unstructured.Unstructured {
	s.Helper()
	o = o.DeepCopy()
	o.SetNamespace(s.Namespace)
	s.replaceImages(o)
	made, err := s.Client(o.GetKind()).
		Create(s.Ctx, o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	s.Must(err)
	return made
}

// Text is a string in an object; "" if it is not there.
func Text(o *unstructured.Unstructured, path ...string) string {
	found, _, _ := unstructured.NestedString(o.Object, path...)
	return found
}

// SetParam sets a parameter in a list of them, field of an object, or adds it.
func SetParam(object map[string]any, field, name string, value any) {
	list := object[field].([]any)
	for _, p := range list {
		if p := p.(map[string]any); p["name"] == name {
			p["value"] = value
			return
		}
	}
	object[field] = append(list, map[string]any{"name": name, "value": value})
}
