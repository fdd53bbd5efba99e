package tasks

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// described is one object of the catalog.
type described struct {
	object      metav1.Object
	description string
	params      v1.ParamSpecs
	results     map[string]string
}

func catalog(s *shipped) []described {
	var all []described
	for _, o := range s.actions {
		d := described{o, o.Spec.Description, o.Spec.Params, map[string]string{}}
		for _, r := range o.Spec.Results {
			d.results[r.Name] = r.Description
		}
		all = append(all, d)
	}
	for _, o := range s.tasks {
		d := described{o, o.Spec.Description, o.Spec.Params, map[string]string{}}
		for _, r := range o.Spec.Results {
			d.results[r.Name] = r.Description
		}
		all = append(all, d)
	}
	for _, o := range s.pipelines {
		d := described{o, o.Spec.Description, o.Spec.Params, map[string]string{}}
		for _, r := range o.Spec.Results {
			d.results[r.Name] = r.Description
		}
		all = append(all, d)
	}
	return all
}

// undescribed is what a catalog (catlin, Artifact Hub) or the README misses.
func undescribed(s *shipped, readme string) []string {
	var problems []string
	for _, d := range catalog(s) {
		say := func(ok bool, what string) {
			if !ok {
				problems = append(problems, d.object.GetName()+": "+what)
			}
		}
		a := d.object.GetAnnotations()
		say(
			regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(d.object.GetLabels()["app.kubernetes.io/version"]),
			"no version",
		)
		for key, form := range map[string]string{
			"tekton.dev/pipelines.minVersion": `^1\.0\.0$`,
			"tekton.dev/categories":           `^Kubernetes, Storage$`,
			"tekton.dev/tags":                 `volsync`,
			"tekton.dev/displayName":          `.`,
			"tekton.dev/platforms":            `^linux/[a-z0-9]+(,linux/[a-z0-9]+)*$`,
			"artifacthub.io/category":         `^storage$`,
			"artifacthub.io/license":          `^Apache-2.0$`,
			"artifacthub.io/provider":         `.`,
			"artifacthub.io/links":            `url: https://`,
		} {
			say(regexp.MustCompile(form).MatchString(a[key]), key+" is "+a[key])
		}
		say(d.description != "", "no description")
		say(strings.Contains(readme, "`"+d.object.GetName()+"`"), "is not in the README")
		for _, p := range d.params {
			say(p.Description != "", "parameter "+p.Name+" has no description")
			say(strings.Contains(readme, "`"+p.Name+"`"), "parameter "+p.Name+" is not in the README")
		}
		for name, description := range d.results {
			say(description != "", "result "+name+" has no description")
			say(strings.Contains(readme, "`"+name+"`"), "result "+name+" is not in the README")
		}
	}
	return problems
}

func TestDescriptions(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	yamltest.Must(t, err)
	yamltest.None(t, undescribed(applied(t), string(readme)))

	s := applied(t)
	task := s.tasks["quiesced-copy"]
	task.Labels, task.Annotations, task.Spec.Description = nil, nil, ""
	task.Spec.Params[0].Description = ""
	task.Spec.Params[1].Name = "not-documented"
	got := undescribed(s, string(readme))
	for _, says := range []string{
		"no version", "minVersion is", "platforms is", "no description", "pvcs has no", "not-documented is not",
	} {
		yamltest.Some(t, got, says)
	}
	yamltest.Some(t, undescribed(s, ""), "copytrigger-disarm: is not in the README")
}

// Every example and file that the README names is there.
func TestReadmeNamesFiles(t *testing.T) { yamltest.FilesAreThere(t, "README.md") }

// What these tests need never reaches the program.
func TestProgramHasNoTekton(t *testing.T) {
	yamltest.None(t, reaches(t, "../cmd/copytrigger"))
	yamltest.Some(t, reaches(t, "-test", "."), "knative.dev/")
}

func reaches(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps"}, args...)...).Output()
	yamltest.Must(t, err)
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("too few: %q", deps)
	}
	var problems []string
	for _, d := range deps {
		if d == "k8s.io/api/core/v1" { // of commands in a pod
			continue
		}
		if slices.ContainsFunc(
			[]string{"github.com/tektoncd/", "knative.dev/", "sigs.k8s.io/kustomize/", "k8s.io/api/"},
			func(never string) bool { return strings.HasPrefix(d, never) },
		) {
			problems = append(problems, fmt.Sprintf("%s reaches %s", args, d))
		}
	}
	return problems
}
