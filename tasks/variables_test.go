package tasks

import (
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// usersSteps are the steps that run a command of the user's and are not a process of ours, which
// gives it the variables itself. What is asked beforehand whether it could run is none.
func usersSteps(spec *v1.TaskSpec) []v1.Step {
	return slices.DeleteFunc(slices.Clone(spec.Steps), func(step v1.Step) bool {
		words := slices.Concat(step.Command, step.Args)
		ours := len(words) > 1 && words[0] == inUsersImage && words[1] != "record"
		return step.Ref != nil || ours || slices.Contains(words, "--dry-run")
	})
}

// ungiven is what the commands of such steps do not find: whose freeze it is, and of which claims.
func ungiven(name string, spec *v1.TaskSpec) []string {
	var problems []string
	for _, step := range usersSteps(spec) {
		say := func(ok bool, what string) {
			if !ok {
				problems = append(problems, name+": step "+step.Name+": "+what)
			}
		}
		env := map[string]string{}
		for _, e := range step.Env {
			env[e.Name] = e.Value
		}
		say(env["COPYTRIGGER_RUN_ID"] == "$(params.run-id)", "has no COPYTRIGGER_RUN_ID")
		namespace := env["COPYTRIGGER_NAMESPACE"]
		say(namespace == "$(params.namespace)" || namespace == "$(context.taskRun.namespace)", "has no COPYTRIGGER_NAMESPACE")
		_, limited := env["COPYTRIGGER_MAX_FREEZE_SECONDS"]
		say(!limited, "has a limit of the freeze, and nothing keeps it")

		words := slices.Concat(step.Command, step.Args)
		all := slices.Index(words, "$(params.pvcs[*])")
		recorded := slices.Index(words, "--with-pvcs")
		shell := len(words) > 2 && words[0] == "sh" && strings.HasPrefix(words[2], `export COPYTRIGGER_PVCS="$*";`)
		say(all > 0 && (shell || recorded > 0 && recorded < all && all < slices.Index(words, "--")),
			"has no COPYTRIGGER_PVCS")
		if recorded > 0 { // which a shell does not know
			say(strings.HasPrefix(words[all+1], "$(steps.") && strings.HasSuffix(words[all+1], ".results.pvcs[*])"),
				"has no COPYTRIGGER_PVCS of claims that are selected")
		}
	}
	return problems
}

// commandsOf are the TaskSpecs of all YAML here, with the names that they have in it.
func commandsOf(t *testing.T) map[string]*v1.TaskSpec {
	t.Helper()
	specs := map[string]*v1.TaskSpec{}
	pipeline := func(name string, spec *v1.PipelineSpec) {
		for _, task := range slices.Concat(spec.Tasks, spec.Finally) {
			if task.TaskSpec != nil {
				specs[name+"/"+task.Name] = &task.TaskSpec.TaskSpec
			}
		}
	}
	for _, file := range files(t) {
		s := read(t, file)
		for name, task := range s.tasks {
			specs[name] = &task.Spec
		}
		for name, p := range s.pipelines {
			pipeline(name, &p.Spec)
		}
		for _, run := range s.runs {
			if run.Spec.PipelineSpec != nil {
				pipeline(file, run.Spec.PipelineSpec)
			}
		}
		for _, run := range s.taskRuns {
			if run.Spec.TaskSpec != nil {
				specs[file] = run.Spec.TaskSpec
			}
		}
	}
	return specs
}

// Each command of the user's that is a step of its own finds the id of the run that has the claims
// locked, and their names: it ends the freeze of its own run alone.
func TestVariablesOfUsersSteps(t *testing.T) {
	specs := commandsOf(t)
	steps := 0
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		yamltest.None(t, ungiven(name, specs[name]))
		steps += len(usersSteps(specs[name]))
	}
	if want := len([]string{"quiesce", "unquiesce", "cleanup", "separate quiesce", "separate unquiesce"}); steps != want {
		t.Errorf("there are %d steps of the user's, want %d", steps, want)
	}
	for says, change := range map[string]func(*v1.Step){
		"has no COPYTRIGGER_RUN_ID":    func(s *v1.Step) { s.Env[0].Value = "$(context.taskRun.name)" },
		"has no COPYTRIGGER_NAMESPACE": func(s *v1.Step) { s.Env = s.Env[:1] },
		"has a limit of the freeze":    func(s *v1.Step) { s.Env[1].Name = "COPYTRIGGER_MAX_FREEZE_SECONDS" },
		"has no COPYTRIGGER_PVCS":      func(s *v1.Step) { s.Args = without(s.Args, "--with-pvcs") },
		"has no COPYTRIGGER_PVCS of": func(s *v1.Step) {
			s.Args = without(s.Args, "$(steps.await-waiting.results.pvcs[*])")
		},
	} {
		spec := applied(t).tasks["quiesced-copy"].Spec
		i := slices.IndexFunc(spec.Steps, func(s v1.Step) bool { return s.Name == "unquiesce" })
		change(&spec.Steps[i])
		yamltest.Some(t, ungiven("quiesced-copy", &spec), "step unquiesce: "+says)
	}
	separate := specs["separate-tasks/quiesce"].DeepCopy()
	separate.Steps[0].Command = separate.Steps[0].Command[:4]
	yamltest.Some(t, ungiven("separate", separate), "has no COPYTRIGGER_PVCS")
}

func without(words []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == word })
}

// In the Pipelines it is the same id for the step that locks the claims, the user's and finally.
func TestOneRunIDOfAPipeline(t *testing.T) {
	_, all := pipelines(t)
	other := func(p *v1.Pipeline) (problems []string) {
		for _, task := range slices.Concat(p.Spec.Tasks, p.Spec.Finally) {
			for _, param := range task.Params {
				if param.Name == "run-id" && param.Value.StringVal != "$(context.pipelineRun.uid)" {
					problems = append(problems, task.Name+": run-id is "+param.Value.StringVal)
				}
			}
		}
		return problems
	}
	for _, p := range all {
		yamltest.None(t, other(p))
	}
	quiesce := &all["separate-tasks"].Spec.Tasks[1]
	i := slices.IndexFunc(quiesce.Params, func(p v1.Param) bool { return p.Name == "run-id" })
	quiesce.Params[i] = param("run-id", "$(context.taskRun.uid)")
	yamltest.Some(t, other(all["separate-tasks"]), "quiesce: run-id is")
}
