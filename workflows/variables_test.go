package workflows

import (
	"maps"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// usersContainers are those that run a command of the user's and are not a process of ours, which
// gives it the variables itself. What is asked beforehand whether it could run is none.
func usersContainers(tmpl *wfv1.Template) []*corev1.Container {
	var all []*corev1.Container
	if tmpl.Container != nil {
		all = append(all, tmpl.Container)
	}
	if tmpl.ContainerSet != nil {
		for i := range tmpl.ContainerSet.Containers {
			all = append(all, &tmpl.ContainerSet.Containers[i].Container)
		}
	}
	return slices.DeleteFunc(all, func(c *corev1.Container) bool {
		words := slices.Concat(c.Command, c.Args)
		recorded := len(words) > 1 && words[1] == "record" && !slices.Contains(words, "--")
		ours := strings.HasSuffix(words[0], "/copytrigger") && !recorded
		return ours || slices.Contains(words, "--dry-run")
	})
}

// ungiven is what the commands of such containers do not find: whose freeze it is, and of which claims.
func ungiven(name string, templates []wfv1.Template, runID string) []string {
	var problems []string
	for i := range templates {
		for _, c := range usersContainers(&templates[i]) {
			say := func(ok bool, what string) {
				if !ok {
					problems = append(problems, name+": "+templates[i].Name+" "+c.Name+": "+what)
				}
			}
			env := map[string]string{}
			for _, e := range c.Env {
				env[e.Name] = e.Value
			}
			say(env["COPYTRIGGER_RUN_ID"] == runID, "has no COPYTRIGGER_RUN_ID")
			say(env["COPYTRIGGER_NAMESPACE"] == "{{workflow.namespace}}", "has no COPYTRIGGER_NAMESPACE")
			_, limited := env["COPYTRIGGER_MAX_FREEZE_SECONDS"]
			say(!limited, "has a limit of the freeze, and nothing keeps it")
			made := env["COPYTRIGGER_PVCS"] == "{{=sprig.replace(',', ' ', workflow.parameters.pvcs)}}"
			n := len(c.Args)
			recorded := slices.Contains(c.Args, "--with-pvcs") &&
				slices.Equal(c.Args[n-2:], []string{"{{inputs.parameters.pvcs}}", "@" + stateDir + "pvcs"})
			say(made || recorded, "has no COPYTRIGGER_PVCS")
		}
	}
	return problems
}

// Each command of the user's that is a container of its own finds the id of the run that has the claims
// locked, and their names: it ends the freeze of its own run alone.
func TestVariablesOfUsersContainers(t *testing.T) {
	const own = "{{workflow.uid}}"
	specs := map[string][]wfv1.Template{}
	for _, file := range files(t) {
		s := read(t, file)
		for name, o := range s.templates {
			specs[name] = o.Spec.Templates
		}
		for _, o := range s.workflows {
			specs[file] = o.Spec.Templates
		}
	}
	users := 0
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		runID := own
		if name == "examples/cleanup.yaml" { // by hand, after another workflow
			runID = "{{workflow.parameters.run-id}}"
		}
		yamltest.None(t, ungiven(name, specs[name], runID))
		for i := range specs[name] {
			users += len(usersContainers(&specs[name][i]))
		}
	}
	want := len([]string{"quiesce", "unquiesce", "quiesce of dag", "unquiesce of dag", "cleanup by hand"})
	if users != want {
		t.Errorf("there are %d containers of the user's, want %d", users, want)
	}
	for says, change := range map[string]func(*corev1.Container){
		"has no COPYTRIGGER_RUN_ID":    func(c *corev1.Container) { c.Env[1].Value = "{{pod.name}}" },
		"has no COPYTRIGGER_NAMESPACE": func(c *corev1.Container) { c.Env = c.Env[:2] },
		"has a limit of the freeze":    func(c *corev1.Container) { c.Env[2].Name = "COPYTRIGGER_MAX_FREEZE_SECONDS" },
		"has no COPYTRIGGER_PVCS":      func(c *corev1.Container) { c.Args = without(c.Args, "--with-pvcs") },
	} {
		o := applied(t).templates["quiesced-copy"]
		change(usersContainers(named(o, "freeze"))[1])
		yamltest.Some(t, ungiven(o.Name, o.Spec.Templates, own), "freeze unquiesce: "+says)
	}
}
