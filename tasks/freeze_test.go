package tasks

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// variable is one of Tekton's, resultOf a result of another task.
var (
	variable = regexp.MustCompile(`\$\(([^()]+)\)`)
	resultOf = regexp.MustCompile(`\$\(tasks\.[^()]+\.results\.`)
)

// the steps of the freeze, and of its cleanup
var (
	freezeOrder = []string{
		"install",
		"unquiesce-check",
		"await-waiting",
		"quiesce",
		"fire-and-await",
		"unquiesce",
		"unlock",
		"verdict",
	}
	cleanupOrder = []string{"await-pods-ended", "disarm", "install", "unquiesce", "unlock", "verdict"}
)

// unsafe is why a Task might not reach its unquiesce step, or hide that something failed.
// Whatever fails from the step named from on, unquiesce must run. Only the cleanup may skip
// it, in another run's freeze.
func unsafe(task *v1.Task, order []string, from string) []string {
	var problems, names []string
	say := func(step v1.Step, what string) { problems = append(problems, "step "+step.Name+": "+what) }
	frozen := false
	for _, step := range task.Spec.Steps {
		names = append(names, step.Name)
		frozen = frozen || step.Name == from
		last := step.Name == "verdict"
		if step.Timeout != nil {
			say(step, "has a timeout, which skips every step after it")
		}
		if frozen && !last && step.OnError != v1.Continue {
			say(step, "does not go on after an error")
		}
		if (!frozen || last) && step.OnError != "" {
			say(step, "hides an error")
		}
		if len(step.When) > 0 &&
			!(from == "await-pods-ended" && (step.Name == "unquiesce" || step.Name == "unlock") &&
				reflect.DeepEqual(step.When, notInAnothers())) {
			say(step, "may be skipped")
		}
		if from == "await-pods-ended" && step.Name == "unlock" && len(step.When) == 0 {
			say(step, "unlocks where unquiesce was skipped")
		}
		if step.Script != "" {
			say(step, "has a script")
		}
		if step.Ref == nil {
			recorded := slices.Concat(
				[]string{"record", "--exit"},
				map[bool][]string{true: {"--dry-run"}}[step.Name == "unquiesce-check"],
				[]string{"--", "$(params." + strings.TrimSuffix(step.Name, "-check") + "-command[*])"},
			)
			args := step.Args
			if i, end := slices.Index(args, "--with-pvcs"), slices.Index(args, "--"); i >= 0 && i < end {
				args = slices.Delete(slices.Clone(args), i, end) // they keep no command from running
			}
			if !slices.Equal(step.Command, []string{inUsersImage}) || !slices.Equal(args, recorded) {
				say(step, "ends all steps if it cannot be started, or runs something else")
			}
		}
	}
	if !slices.Equal(names, order) {
		problems = append(problems, fmt.Sprintf("the order is %q, want %q", names, order))
	}
	return problems
}

// notInAnothers is the one reason to skip an unquiesce: the application may be in the freeze of
// another run, or nobody knows, and the cleanup is tried again.
func notInAnothers() v1.StepWhenExpressions {
	return v1.StepWhenExpressions{
		{Input: "$(steps.disarm.results.lock)", Operator: selection.In, Values: []string{"own", "none"}},
	}
}

func TestFreeze(t *testing.T) {
	s := applied(t)
	yamltest.None(t, unsafe(s.tasks["quiesced-copy"], freezeOrder, "quiesce"))
	yamltest.None(t, unsafe(s.tasks["copytrigger-cleanup"], cleanupOrder, "await-pods-ended"))
}

func TestUnsafeIsSeen(t *testing.T) {
	whole := applied(t).tasks["quiesced-copy"]
	for i, name := range freezeOrder {
		change := func(says string, how func(*v1.Step)) {
			task := whole.DeepCopy()
			how(&task.Spec.Steps[i])
			yamltest.Some(t, unsafe(task, freezeOrder, "quiesce"), "step "+name+": "+says)
		}
		change("has a timeout", func(s *v1.Step) { s.Timeout = &metav1.Duration{Duration: time.Hour} })
		change("has a script", func(s *v1.Step) { s.Script = "#!/bin/sh\necho $(params.trigger)" })
		change("may be skipped", func(s *v1.Step) { s.When = v1.StepWhenExpressions{{}} })
		if step := whole.Spec.Steps[i]; step.Ref == nil {
			change("ends all steps", func(s *v1.Step) { s.Command, s.Args = []string{s.Args[len(s.Args)-1]}, nil })
			change("ends all steps", func(s *v1.Step) { s.Args = slices.Insert(slices.Clone(s.Args), 1, "--dry-run") })
		}
		if slices.Contains([]string{"install", "unquiesce-check", "await-waiting", "verdict"}, name) {
			change("hides an error", func(s *v1.Step) { s.OnError = v1.Continue })
		} else {
			change("does not go on", func(s *v1.Step) { s.OnError = v1.StopAndFail })
			change("does not go on", func(s *v1.Step) { s.OnError = "" })
		}
	}
	cleanup := applied(t).tasks["copytrigger-cleanup"].DeepCopy()
	i := slices.Index(cleanupOrder, "unquiesce")
	cleanup.Spec.Steps[i].When[0].Values = []string{"none"}
	yamltest.Some(t, unsafe(cleanup, cleanupOrder, "await-pods-ended"), "step unquiesce: may be skipped")
	cleanup.Spec.Steps[i+1].When = nil
	yamltest.Some(t, unsafe(cleanup, cleanupOrder, "await-pods-ended"), "step unlock: unlocks where")
	task := whole.DeepCopy()
	task.Spec.Steps[3], task.Spec.Steps[4] = task.Spec.Steps[4], task.Spec.Steps[3]
	yamltest.Some(t, unsafe(task, freezeOrder, "quiesce"), "the order is")
}

// The gate is quiesce; the trigger is that of await-waiting, and so is there even where
// fire-and-await has failed; the verdict hears of every step.
func TestStepsAreConnected(t *testing.T) {
	s := applied(t)
	spec, problems := merge(s, s.tasks["quiesced-copy"])
	yamltest.None(t, problems)
	for name, wanted := range map[string][]string{
		"await-waiting": {
			"--run-id=$(params.run-id)",
			"--copy-timeout=$(params.copy-timeout)",
			"--ack-timeout=$(params.ack-timeout)",
		},
		"fire-and-await": {
			"--fire",
			"--after=$(steps.step-quiesce.exitCode.path)",
			"--trigger=$(steps.await-waiting.results.trigger)",
		},
		"unlock":  {"--run-id=$(params.run-id)", "--after=$(steps.step-unquiesce.exitCode.path)"},
		"verdict": judged("await-waiting", "quiesce", "fire-and-await", "unquiesce", "unlock"),
	} {
		contains(t, stepOf(t, spec, name), wanted)
	}
	spec, problems = merge(s, s.tasks["copytrigger-cleanup"])
	yamltest.None(t, problems)
	contains(t, stepOf(t, spec, "verdict"), judged("await-pods-ended", "disarm", "unquiesce", "unlock"))
	contains(t, stepOf(t, spec, "disarm"), []string{"--run-id=$(params.run-id)"})
	for _, name := range []string{"copytrigger-fire-trigger", "copytrigger-fire-and-await"} {
		spec, problems = merge(s, s.tasks[name])
		yamltest.None(t, problems)
		for _, arg := range spec.Steps[0].Args {
			if arg == "" || regexp.MustCompile(`after`).MatchString(arg) {
				t.Errorf("the Task %s has a gate: %q", name, spec.Steps[0].Args)
			}
		}
	}
}

func stepOf(t *testing.T, spec *v1.TaskSpec, name string) v1.Step {
	t.Helper()
	i := slices.IndexFunc(spec.Steps, func(s v1.Step) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no step %s", name)
	}
	return spec.Steps[i]
}

func judged(steps ...string) []string {
	var args []string
	for _, step := range steps {
		args = append(args, fmt.Sprintf("--step=%s=$(steps.step-%s.exitCode.path)", step, step))
	}
	return args
}

func contains(t *testing.T, step v1.Step, wanted []string) {
	t.Helper()
	for _, arg := range wanted {
		if !slices.Contains(step.Args, arg) {
			t.Errorf("step %s: %q is not in %q", step.Name, arg, step.Args)
		}
	}
}

// Every result of a Task is one of its steps' results. (Tekton says so of none.)
func TestResultsAreThere(t *testing.T) {
	s := applied(t)
	for name, task := range s.tasks {
		spec, problems := merge(s, task)
		yamltest.None(t, problems)
		yamltest.None(t, unknownResults(spec))
		if len(task.Spec.Results) == 0 {
			t.Errorf("Task %s has no results", name)
		}
	}
	spec, _ := merge(s, s.tasks["quiesced-copy"])
	spec.Results[0].Value.StringVal = "$(steps.verdict.results.none)"
	yamltest.Some(t, unknownResults(spec), "verdict.none")
}

func unknownResults(spec *v1.TaskSpec) []string {
	var problems []string
	there := map[string]bool{}
	for _, step := range spec.Steps {
		for _, r := range step.Results {
			there[step.Name+"."+r.Name] = true
		}
	}
	for _, r := range spec.Results {
		step, name, err := v1.ExtractStepResultName(r.Value.StringVal)
		if err != nil || !there[step+"."+name] {
			problems = append(problems, fmt.Sprintf("result %s: there is no %s.%s (%v)", r.Name, step, name, err))
		}
	}
	return problems
}
