package tasks

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// notParameters are the flags that a StepAction, or a Task of one step, does not offer.
var notParameters = []yamltest.Exception{
	{Step: "*/*", Flag: "kubeconfig", Why: "a pod uses its service account"},
	{Step: "*/*", Flag: "context", Why: "a pod uses its service account"},
	{Step: "*/*", Flag: "results-dir", Why: "Tekton says where it reads results"},
	{Step: "*/*", Flag: "metrics-file", Why: "the file of a pod goes with it: the claim says the same"},
	{Step: "*/*", Flag: "log-format", Why: "an overlay sets COPYTRIGGER_LOG_FORMAT in stepTemplate.env"},
	{Step: "*/*", Flag: "results-limit", Why: "a Task of many steps sets COPYTRIGGER_RESULTS_LIMIT in stepTemplate.env"},

	{Step: "*/fire-trigger", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "*/disarm", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "*/quiesced-copy-run-cleanup", Flag: "run-ended", Why: "it waits for the end of the pod"},
	{Step: "*/disarm", Flag: "cleanup-id", Why: "a cleanup waits for the pods of the one before"},
	{Step: "*/unlock", Flag: "cleanup-id", Why: "a cleanup waits for the pods of the one before"},
	{Step: "*/unlock", Flag: "all", Why: "only somebody who has looked knows that nothing of the run lives"},
	{
		Step: "*/quiesced-copy-run", Flag: "one-at-a-time",
		Why: "Tekton makes a pod again when the one before is gone: it is always so",
	},
	{Step: "*/quiesced-copy-run", Flag: "state-file", Why: "Tekton does not restart a container"},
	{Step: "*/quiesced-copy-run", Flag: "await-synced", Why: "the Pipeline has a task for it, with a limit of its own"},
	{Step: "*/quiesced-copy-run", Flag: "sync-timeout", Why: "the Pipeline has a task for it, with a limit of its own"},
	{Step: "*/unlock", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "*/await-pods-ended", Flag: "namespace", Why: "the pods are those of the run, in its own namespace"},

	{Step: "Task/fire-trigger", Flag: "after", Why: "the order of the Tasks is the gate"},
	{Step: "Task/fire-and-await", Flag: "after", Why: "the order of the Tasks is the gate"},

	{Step: "*/fire-and-await", Flag: "fire", Why: "it always fires"},
	{Step: "*/fire-and-await", Flag: "until", Why: "after --fire it can only be completed"},
	{Step: "*/fire-and-await", Flag: "copy", Why: "there is no cut before it has fired"},
	{Step: "*/await-cut", Flag: "until", Why: "it is always cut"},
	{Step: "*/await-cut", Flag: "copy", Why: "it is where the copy is found"},
	{Step: "*/await-cut", Flag: "pvc-only", Why: "the cut is seen on the VolumeSnapshot alone"},
	{Step: "*/await-cut", Flag: "fire", Why: "copytrigger-fire-trigger does it"},
	{Step: "*/await-cut", Flag: "after", Why: "only what fires has the gate"},
	{Step: "*/await-completed", Flag: "until", Why: "copytrigger-await-cut is that with cut"},
	{Step: "*/await-completed", Flag: "fire", Why: "copytrigger-fire-and-await is that with --fire"},
	{Step: "*/await-completed", Flag: "after", Why: "only what fires has the gate"},
}

// parameter is a flag that gets the value of a parameter, list is an array parameter that
// gives whole arguments.
var (
	parameter = regexp.MustCompile(`^--([a-z-]+)=\$\(params\.`)
	list      = regexp.MustCompile(`^\$\(params\.([a-z-]+)\[\*\]\)$`)
)

// passed returns the flags of a step whose value is a parameter.
func passed(step v1.Step) []string {
	var flags []string
	for _, arg := range step.Args {
		if m := parameter.FindStringSubmatch(arg); m != nil {
			flags = append(flags, m[1])
		}
		if m := list.FindStringSubmatch(arg); m != nil {
			flags = append(flags, strings.TrimSuffix(m[1], "s")) // pvcs, steps
		}
	}
	for _, e := range step.Env {
		if name, is := strings.CutPrefix(e.Name, "COPYTRIGGER_"); is && strings.Contains(e.Value, "$(params.") {
			flags = append(flags, strings.ReplaceAll(strings.ToLower(name), "_", "-"))
		}
	}
	return flags
}

// offered returns the StepActions, and the Tasks that run one step and nothing of the user's
// beside it. Of the others each picks what its run needs.
func offered(t *testing.T, s *shipped) []yamltest.Step {
	t.Helper()
	var steps []yamltest.Step
	add := func(kind, name string, step v1.Step) {
		name = kind + "/" + strings.TrimPrefix(name, "copytrigger-")
		steps = append(steps, yamltest.Step{Name: name, Flags: yamltest.FlagsOf(t, step.Args[0]), Passed: passed(step)})
	}
	for name, action := range s.actions {
		add("StepAction", name, v1.Step{Args: action.Spec.Args, Env: action.Spec.Env})
	}
	for name, task := range s.tasks {
		spec, problems := merge(s, task)
		yamltest.None(t, problems)
		own := slices.DeleteFunc(spec.Steps, func(step v1.Step) bool { return step.Args[0] == "install" })
		if len(own) == 1 {
			add("Task", name, own[0])
		}
	}
	return steps
}

// Every flag of a step is a parameter, or an exception.
func TestFlagsAreParameters(t *testing.T) {
	steps := offered(t, applied(t))
	if len(steps) < 15 {
		t.Errorf("there are only %d steps", len(steps))
	}
	yamltest.None(t, yamltest.Disparities(steps, notParameters))
	steps[0].Flags = append(steps[0].Flags, "new")
	yamltest.Some(t, yamltest.Disparities(steps, notParameters), steps[0].Name+": --new is neither")
}

// notGiven are the parameters of steps and Tasks that what chains them leaves at their defaults.
var notGiven = []yamltest.Exception{
	{Step: "Task/quiesced-copy/await-waiting", Flag: "until",
		Why: "to unquiesce at the cut takes another order of steps, and two more of them: quiesced-copy-run has until"},
	{Step: "Task/*/install", Flag: "volume", Why: "its volume has the name of the default"},
	{Step: "Task/*/unlock", Flag: "outcome", Why: "the steps tell it how the run has ended"},
	{Step: "Task/*/unlock", Flag: "after", Why: "its default is the step unquiesce"},
	{Step: "Task/copytrigger-cleanup/unlock", Flag: "keep-cleanup", Why: "it is the unlock of the cleanup"},
	{Step: "Task/copytrigger-cleanup/unlock", Flag: "steps", Why: "how the run has ended only its own steps know"},
	{Step: "Task/quiesced-copy/verdict", Flag: "steps", Why: "its default has the steps of quiesced-copy"},
	{Step: "Pipeline/*/*", Flag: "namespace", Why: "the claims are in the namespace of the run"},
	{Step: "Pipeline/*/cleanup", Flag: "pods-timeout", Why: "the timeout of finally has room for the default"},
}

// chained are the steps of Tasks of many steps, and the Tasks of Pipelines, with what they could be given
// in place of flags.
func chained(s *shipped) (all []yamltest.Step) {
	add := func(name string, declared v1.ParamSpecs, given v1.Params) {
		one := yamltest.Step{Name: name}
		for _, p := range declared {
			one.Flags = append(one.Flags, p.Name)
		}
		for _, p := range given {
			one.Passed = append(one.Passed, p.Name)
		}
		all = append(all, one)
	}
	for name, task := range s.tasks {
		for _, step := range task.Spec.Steps {
			if step.Ref != nil {
				add("Task/"+name+"/"+step.Name, s.actions[step.Ref.Name].Spec.Params, step.Params)
			}
		}
	}
	for name, p := range s.pipelines {
		for _, task := range slices.Concat(p.Spec.Tasks, p.Spec.Finally) {
			add("Pipeline/"+name+"/"+task.Name, s.tasks[task.TaskRef.Name].Spec.Params, task.Params)
		}
	}
	return all
}

// What chains steps hands on every parameter of theirs, or there is a reason.
func TestParametersAreHandedOn(t *testing.T) {
	s := applied(t)
	all := chained(s)
	yamltest.None(t, yamltest.Disparities(all, notGiven))
	await := s.pipelines["quiesced-copy"].Spec.Tasks[1]
	i := slices.IndexFunc(await.Params, func(p v1.Param) bool { return p.Name == "selector" })
	await.Params[i].Name = "other"
	yamltest.Some(t, yamltest.Disparities(chained(s), notGiven),
		"Pipeline/quiesced-copy/await-synced: --selector is neither")
}
