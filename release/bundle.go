package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"sigs.k8s.io/yaml"
)

// Tekton takes no bundle with more objects than this.
const most = 20

// bundles makes Tekton bundles of a catalogue: images whose layers are StepActions, Tasks and
// Pipelines, which Tekton fetches by its resolver instead of having them applied. It writes each as
// an OCI layout to dir/NAME. https://tekton.dev/docs/pipelines/tekton-bundle-contracts/
//
// What an object refers to is in a bundle that was made before, and is named by its digest: so
// nothing comes together that was not released together.
func bundles(catalogue, dir string, i image) error {
	made := map[string]string{} // kind to bundle
	for _, kind := range []string{"stepaction", "task", "pipeline"} {
		packed, err := bundleOf(filepath.Join(catalogue, kind), kind, made)
		if err != nil {
			return err
		}
		digest, err := packed.Digest()
		if err != nil {
			return err
		}
		name := "tekton-" + kind + "s"
		made[kind] = i.name + "/" + name + "@" + digest.String()
		path, err := layout.Write(filepath.Join(dir, name), empty.Index)
		if err != nil {
			return err
		}
		tag := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": i.tag})
		if err := path.AppendImage(packed, tag); err != nil {
			return err
		}
	}
	return nil
}

// bundleOf is the image of all objects of a kind in a directory.
func bundleOf(dir, kind string, made map[string]string) (v1.Image, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(files) == 0 || len(files) > most {
		return nil, fmt.Errorf("%s has %d objects, want 1 to %d: %w", dir, len(files), most, err)
	}
	slices.Sort(files)
	var layers []mutate.Addendum
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var object map[string]any
		if err := yaml.Unmarshal(text, &object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		refer(object, made)
		if text, err = yaml.Marshal(object); err != nil {
			return nil, err
		}
		metadata, _ := object["metadata"].(map[string]any)
		layer, err := packed(fmt.Sprint(metadata["name"]), text)
		if err != nil {
			return nil, err
		}
		layers = append(layers, mutate.Addendum{Layer: layer, Annotations: map[string]string{
			"dev.tekton.image.apiVersion": fmt.Sprint(object["apiVersion"]),
			"dev.tekton.image.kind":       kind,
			"dev.tekton.image.name":       fmt.Sprint(metadata["name"]),
		}})
	}
	return mutate.Append(empty.Image, layers...)
}

// refer makes references to objects of the namespace such to the bundles that were made.
func refer(value any, made map[string]string) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			refer(one, made)
		}
	case map[string]any:
		for key, kind := range map[string]string{"ref": "stepaction", "taskRef": "task"} {
			ref, is := v[key].(map[string]any)
			if name, named := ref["name"].(string); is && named {
				v[key] = map[string]any{"resolver": "bundles", "params": []any{
					map[string]any{"name": "bundle", "value": made[kind]},
					map[string]any{"name": "name", "value": name},
					map[string]any{"name": "kind", "value": kind},
				}}
			}
		}
		for _, one := range v {
			refer(one, made)
		}
	}
}

// packed is a layer with one file, which is the same whenever it is made.
func packed(name string, text []byte) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
