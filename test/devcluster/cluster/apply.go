package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

//go:embed manifests/*.yaml
var ownManifests embed.FS

// documents are the objects in a YAML text.
func documents(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var all []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

func embedded(name string) ([]*unstructured.Unstructured, error) {
	text, err := ownManifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return documents(text)
}

// upstream reads the manifests kept beside a program.
func upstream(program string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(manifestsOf(program), "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		some, err := documents(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// apply applies the objects on the server's side. The resource is guessed from the kind,
// which is right for every kind here and needs no discovery.
func apply(ctx context.Context, client dynamic.Interface, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		_, err := client.Resource(resource).Namespace(o.GetNamespace()).Apply(ctx, o.GetName(), o,
			metav1.ApplyOptions{FieldManager: "devcluster", Force: true})
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// served waits until the API server offers what the definitions among the objects
// define. Discovery is asked, as it is the last to know and the first that clients ask.
func (c *Cluster) served(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(o.Object, "spec", "names", "plural")
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
		for _, version := range versions {
			v, ok := version.(map[string]any)
			if !ok || v["served"] != true {
				continue
			}
			if err := c.offered(ctx, fmt.Sprintf("%s/%s", group, v["name"]), plural); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) offered(ctx context.Context, groupVersion, plural string) error {
	for {
		list, err := c.client.Discovery().ServerResourcesForGroupVersion(groupVersion)
		if err == nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s of %s to be served: %w", plural, groupVersion, ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
}
