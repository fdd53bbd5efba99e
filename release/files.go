package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// files writes what is published with a release to dir:
//
//	install/FORM.yaml, install/FORM-openshift.yaml, install/recipe-NAME.yaml   to kubectl apply
//	artifacthub/task/NAME/NAME.yaml, and the same of stepaction and pipeline   Tekton's catalogues
//	artifacthub/argo/NAME/manifests.yaml                                       Argo's
//	bundles/tekton-stepactions, -tasks, -pipelines                             for Tekton's resolver, as OCI layouts
//	notes.md                                                                   of this version
func files(root, dir string, i image) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for suffix, openshift := range map[string]bool{"": false, "-openshift": true} {
		at := filepath.Join(dir, "overlays"+suffix)
		if err := overlays(root, at, i, openshift); err != nil {
			return err
		}
		if err := install(at, filepath.Join(dir, "install"), suffix); err != nil {
			return err
		}
	}
	if err := catalogues(root, dir, i); err != nil {
		return err
	}
	if err := bundles(filepath.Join(dir, "artifacthub"), filepath.Join(dir, "bundles"), i); err != nil {
		return err
	}
	notes, err := notesOf(root, i.tag)
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "notes.md"), notes)
}

// install writes what the overlays make.
func install(overlays, dir, suffix string) error {
	made, err := filepath.Glob(filepath.Join(overlays, "recipes/*"))
	if err != nil {
		return err
	}
	for _, form := range forms() {
		made = append(made, filepath.Join(overlays, form))
	}
	for _, at := range made {
		text, err := render(at)
		if err != nil {
			return err
		}
		name := filepath.Base(at)
		if filepath.Base(filepath.Dir(at)) == "recipes" {
			name = "recipe-" + name
		}
		if err := write(filepath.Join(dir, name+suffix+".yaml"), text); err != nil {
			return err
		}
	}
	return nil
}

// render returns what `kubectl kustomize` makes of a directory.
func render(dir string) (string, error) {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return "", fmt.Errorf("rendering %s: %w", dir, err)
	}
	text, err := made.AsYaml()
	return string(text), err
}

// catalogues writes the objects of Tekton and Argo as Artifact Hub looks for them.
func catalogues(root, dir string, i image) error {
	for _, form := range []string{"tasks", "workflows"} {
		text, err := os.ReadFile(filepath.Join(dir, "install", form+".yaml"))
		if err != nil {
			return err
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			if err := catalogue(root, filepath.Join(dir, "artifacthub"), document, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func catalogue(root, dir, document string, i image) error {
	var o map[string]any
	if err := yaml.Unmarshal([]byte(document), &o); err != nil {
		return err
	}
	metadata := o["metadata"].(map[string]any)
	delete(metadata, "namespace") // the user's
	name := metadata["name"].(string)
	kind := strings.ToLower(o["kind"].(string))
	at := filepath.Join(dir, kind, name)
	version := strings.TrimPrefix(i.tag, "v")
	switch kind {
	case "task", "stepaction", "pipeline":
		metadata["labels"].(map[string]any)["app.kubernetes.io/version"] = version
		imageDefaults(o)
		if err := tektonPage(root, at, name, kind, o); err != nil {
			return err
		}
		name += ".yaml"
	case "workflowtemplate":
		at = filepath.Join(dir, "argo", name)
		if err := argoPage(root, at, name, version, i); err != nil {
			return err
		}
		name = "manifests.yaml"
	default:
		return nil
	}
	text, err := yaml.Marshal(o)
	if err != nil {
		return err
	}
	return write(filepath.Join(at, name), string(text))
}

// imageDefaults gives a default to each parameter that is an image: Artifact Hub refuses an image
// that is not known. It is that of the example.
func imageDefaults(o map[string]any) {
	params, _ := o["spec"].(map[string]any)["params"].([]any)
	for _, p := range params {
		p := p.(map[string]any)
		if name := p["name"].(string); name != "image" && !strings.HasSuffix(name, "-image") {
			continue
		}
		if _, has := p["default"]; !has {
			p["default"] = "docker.io/library/postgres:17"
		}
	}
}

// samples returns the examples of tasks/ that use an object.
func samples(root, name, kind string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(root, "tasks/examples/*.yaml"))
	uses := regexp.MustCompile(`(?m)^ *(?:- )?name: ` + regexp.QuoteMeta(name) + `$`)
	return slices.DeleteFunc(all, func(file string) bool {
		text, rerr := os.ReadFile(file)
		return kind == "stepaction" || rerr != nil || !uses.Match(text)
	}), err
}

func tektonPage(root, at, name, kind string, o map[string]any) error {
	description, _ := o["spec"].(map[string]any)["description"].(string)
	page := fmt.Sprintf("# %s\n\n%s\n\nIt needs the account, and for a Task or a Pipeline the StepActions, of "+
		"[copytrigger](https://github.com/copytrigger/copytrigger): `kubectl apply -f "+
		"https://github.com/copytrigger/copytrigger/releases/latest/download/tasks.yaml`.\n",
		name, strings.TrimSpace(description))
	examples, err := samples(root, name, kind)
	if err != nil {
		return err
	}
	for _, file := range examples {
		if err := copyTo(file, filepath.Join(at, "samples", filepath.Base(file))); err != nil {
			return err
		}
	}
	return write(filepath.Join(at, "README.md"), page)
}

func argoPage(root, at, name, version string, i image) error {
	text, err := os.ReadFile(filepath.Join(root, "workflows/templates", name, "artifacthub-pkg.yml"))
	if err != nil {
		return err
	}
	pkg := regexp.MustCompile(`(?m)^version: .*$`).ReplaceAllString(string(text), "version: "+version)
	pkg += fmt.Sprintf("containersImages:\n  - name: copytrigger\n    image: %s\n"+
		"changes:\n  - description: https://github.com/copytrigger/copytrigger/releases/tag/%s\n", i, i.tag)
	if err := write(filepath.Join(at, "artifacthub-pkg.yml"), pkg); err != nil {
		return err
	}
	return copyTo(filepath.Join(root, "workflows/README.md"), filepath.Join(at, "README.md"))
}

// notesOf returns what CHANGELOG.md says about a version; where it has none, what is unreleased.
func notesOf(root, tag string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	var at []int
	for _, section := range []string{strings.TrimPrefix(tag, "v"), "Unreleased"} {
		if at == nil {
			at = regexp.MustCompile(`(?m)^## \[` + regexp.QuoteMeta(section) + `\].*\n`).FindIndex(text)
		}
	}
	if at == nil {
		return "", fmt.Errorf("CHANGELOG.md says nothing about %s: add a section ## [%s]", tag, strings.TrimPrefix(tag, "v"))
	}
	notes, _, _ := strings.Cut(string(text[at[1]:]), "\n## ")
	return regexp.MustCompile(`(?m)^\[[^\]]+\]: .*\n`).ReplaceAllString(strings.TrimSpace(notes)+"\n", ""), nil
}
