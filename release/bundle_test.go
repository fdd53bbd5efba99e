package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	"github.com/tektoncd/pipeline/pkg/remote/oci"
)

// bundled is a registry with the bundles of a release.
type bundled struct {
	t    *testing.T
	repo string // the image's name, which those of the bundles begin with
}

func push(t *testing.T) bundled {
	t.Helper()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	b := bundled{t, strings.TrimPrefix(server.URL, "http://") + "/copytrigger"}
	dir, _ := made(t, image{b.repo, "v0.9.0", digest})
	layouts, err := filepath.Glob(dir + "/bundles/*")
	if err != nil || len(layouts) != 3 {
		t.Fatalf("the bundles are %q, %v", layouts, err)
	}
	for _, at := range layouts {
		index, err := layout.ImageIndexFromPath(at)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		one, err := index.Image(manifest.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.ParseReference(b.repo + "/" + filepath.Base(at) + ":v0.9.0")
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, one); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// get fetches an object with Tekton's own code.
func get[T any](b bundled, from, kind, entry string) T {
	b.t.Helper()
	object, _, err := oci.NewResolver(from, authn.DefaultKeychain).Get(context.Background(), kind, entry)
	if err != nil {
		b.t.Fatalf("%s %s of %s: %v", kind, entry, from, err)
	}
	found, is := object.(T)
	if !is {
		b.t.Fatalf("%s %s of %s is a %T", kind, entry, from, object)
	}
	return found
}

// follow fetches what a reference names, which has to be a bundle by its digest.
func follow[T any](b bundled, ref tekton.ResolverRef) T {
	b.t.Helper()
	params := map[string]string{}
	for _, p := range ref.Params {
		params[p.Name] = p.Value.StringVal
	}
	if ref.Resolver != "bundles" || !strings.Contains(params["bundle"], "@sha256:") {
		b.t.Fatalf("the reference is %+v", ref)
	}
	return get[T](b, params["bundle"], params["kind"], params["name"])
}

// From a Pipeline in its bundle Tekton finds every Task and StepAction, by digest, and all of them
// are valid.
func TestBundles(t *testing.T) {
	b := push(t)
	ctx := context.Background()
	pipelines, err := filepath.Glob(filepath.Join(root, "tasks/pipeline/*.yaml"))
	if err != nil || len(pipelines) == 0 {
		t.Fatal(err)
	}
	steps := 0
	for _, file := range pipelines {
		pipeline := strings.TrimSuffix(filepath.Base(file), ".yaml")
		p := get[*tekton.Pipeline](b, b.repo+"/tekton-pipelines:v0.9.0", "pipeline", pipeline)
		p.SetDefaults(ctx)
		if err := p.Validate(ctx); err != nil {
			t.Errorf("Pipeline %s: %v", p.Name, err)
		}
		for _, one := range append(p.Spec.Tasks, p.Spec.Finally...) {
			task := follow[*tekton.Task](b, one.TaskRef.ResolverRef)
			task.SetDefaults(ctx)
			if err := task.Validate(ctx); err != nil {
				t.Errorf("Task %s: %v", task.Name, err)
			}
			for _, step := range task.Spec.Steps {
				if step.Ref == nil {
					continue
				}
				steps++
				action := follow[*v1beta1.StepAction](b, step.Ref.ResolverRef)
				action.SetDefaults(ctx)
				if err := action.Validate(ctx); err != nil {
					t.Errorf("StepAction %s: %v", action.Name, err)
				}
			}
		}
	}
	if steps < 5 {
		t.Errorf("only %d steps were followed", steps)
	}
}

// More objects than Tekton takes in a bundle are refused before they are released.
func TestBundleTooLarge(t *testing.T) {
	dir := t.TempDir()
	for n := range most + 1 {
		if _, err := bundleOf(dir, "task", nil); (err == nil) != (n > 0) {
			t.Fatalf("%d objects: %v", n, err)
		}
		text := fmt.Sprintf("apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: n%d}\n", n)
		if err := write(filepath.Join(dir, fmt.Sprint(n), "task.yaml"), text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bundleOf(dir, "task", nil); err == nil {
		t.Errorf("%d objects are in a bundle", most+1)
	}
}
