// Command release makes YAML that names one image: overlays for a registry of one's own, and what
// a release has beside the image and the archives. It changes no file of the repository.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const usage = `usage: release [-C REPOSITORY] deploy|files IMAGE DIR, in the repository
  deploy  overlays of tasks, workflows, jobs and the recipes in DIR
  files   what is published with a release in DIR: YAML to apply, catalogues, notes
IMAGE is NAME:TAG or NAME:TAG@DIGEST`

func main() {
	args := os.Args[1:]
	if len(args) > 1 && args[0] == "-C" { // as go and git have it: go run wants to be in the module
		if err := os.Chdir(args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "release:", err)
			os.Exit(1)
		}
		args = args[2:]
	}
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New(usage)
	}
	i, err := parse(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "deploy":
		return overlays(".", args[2], i, os.Getenv("OPENSHIFT") != "")
	case "files":
		return files(".", args[2], i)
	}
	return errors.New(usage)
}

// ours is the name of the image in images/kustomization.yaml.
const ours = "ghcr.io/copytrigger/copytrigger"

// image is a reference to the image.
type image struct{ name, tag, digest string }

var reference = regexp.MustCompile(
	`^([a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+):([\w][\w.-]*)(?:@(sha256:[0-9a-f]{64}))?$`)

func parse(text string) (image, error) {
	m := reference.FindStringSubmatch(text)
	switch {
	case m == nil:
		return image{}, fmt.Errorf("IMAGE=%q is not NAME:TAG or NAME:TAG@DIGEST, "+
			"such as registry.example.com/copytrigger:v0.1.0", text)
	case m[3] != "" && strings.Trim(strings.TrimPrefix(m[3], "sha256:"), "0") == "":
		return image{}, fmt.Errorf("IMAGE=%q has a digest of zeros: no registry has such an image", text)
	}
	return image{m[1], m[2], m[3]}, nil
}

func (i image) String() string {
	if i.digest == "" {
		return i.name + ":" + i.tag
	}
	return i.name + ":" + i.tag + "@" + i.digest
}

// forms are what can be applied as a whole.
func forms() []string { return []string{"tasks", "workflows", "jobs"} }

// overlays writes a kustomization for each form and for each recipe to dir, which names the image.
func overlays(root, dir string, i image, openshift bool) error {
	for _, form := range forms() {
		if err := overlay(root, filepath.Join(dir, form), filepath.Join(root, form), i, openshift); err != nil {
			return err
		}
	}
	recipes, err := filepath.Glob(filepath.Join(root, "docs/recipes/*.yaml"))
	if err != nil || len(recipes) == 0 {
		return fmt.Errorf("there are no recipes in %s: %w", root, err)
	}
	for _, recipe := range recipes {
		name := strings.TrimSuffix(filepath.Base(recipe), ".yaml")
		at := filepath.Join(dir, "recipes", name)
		if err := copyTo(recipe, filepath.Join(at, "recipe.yaml")); err != nil {
			return err
		}
		// kustomize reads no file that is not below its directory.
		if err := overlay(root, at, filepath.Join(at, "recipe.yaml"), i, openshift); err != nil {
			return err
		}
	}
	short, err := filepath.Glob(filepath.Join(root, "docs/recipes/*/kustomization.yaml"))
	if err != nil {
		return err
	}
	for _, recipe := range short {
		from := filepath.Dir(recipe)
		name := filepath.Base(from)
		if name == "in-pod" {
			continue // a component, which the others have
		}
		if err := overlay(root, filepath.Join(dir, "recipes", name+"-in-pod"), from, i, openshift); err != nil {
			return err
		}
	}
	return nil
}

// overlay writes dir/kustomization.yaml, of a resource.
func overlay(root, dir, resource string, i image, openshift bool) error {
	if err := copyTo(
		filepath.Join(root, "images/kustomizeconfig.yaml"),
		filepath.Join(dir, "kustomizeconfig.yaml"),
	); err != nil {
		return err
	}
	resource, err := relative(dir, resource)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`# Made by release/ for the image %s.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - %s
images:
  - name: %s
    newName: %s
    newTag: %q
`, i, resource, ours, i.name, i.tag)
	if i.digest != "" {
		text += "    digest: " + i.digest + "\n"
	}
	text += "configurations:\n  - kustomizeconfig.yaml\n"
	if filepath.Base(dir) == "tasks" {
		if err := copyTo(
			filepath.Join(root, "tasks/kustomizereplacements.yaml"),
			filepath.Join(dir, "kustomizereplacements.yaml"),
		); err != nil {
			return err
		}
		text += "replacements:\n  - path: kustomizereplacements.yaml\n"
	}
	if openshift {
		component, err := relative(dir, filepath.Join(root, "openshift"))
		if err != nil {
			return err
		}
		text += "components:\n  - " + component + "\n"
	}
	return write(filepath.Join(dir, "kustomization.yaml"), text)
}

func relative(from, to string) (string, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	if to, err = filepath.Abs(to); err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}

func copyTo(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return write(to, string(text))
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
