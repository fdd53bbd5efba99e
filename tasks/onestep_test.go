package tasks

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// oneStep are the Tasks in which one process in the user's image does all, by its command.
var oneStep = map[string]string{"run": "quiesced-copy-run", "cleanup": "quiesced-copy-run-cleanup"}

// badOneStep is what is wrong with such a Task.
func badOneStep(s *shipped, task *v1.Task, command string) []string {
	spec, problems := merge(s, task)
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, task.Name+": "+what)
		}
	}
	if len(spec.Steps) != 2 {
		return append(problems, fmt.Sprintf("%s: there are %d steps", task.Name, len(spec.Steps)))
	}
	install, own := spec.Steps[0], spec.Steps[1]
	mount := func(step v1.Step) corev1.VolumeMount {
		i := slices.IndexFunc(
			step.VolumeMounts,
			func(m corev1.VolumeMount) bool { return m.MountPath+"/copytrigger" == inUsersImage },
		)
		if i < 0 {
			return corev1.VolumeMount{}
		}
		return step.VolumeMounts[i]
	}
	say(
		slices.Equal(install.Args, []string{"install", mount(install).MountPath}) && mount(install).Name == "program",
		"install does not put the program into the volume",
	)
	say(
		slices.Equal(own.Command, []string{inUsersImage}) && mount(own).Name == "program" && mount(own).ReadOnly,
		"the program is not that of the volume",
	)
	say(
		slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == "program" && v.EmptyDir != nil }),
		"the volume is no emptyDir",
	)
	for _, step := range spec.Steps {
		// SIGTERM, which lets it end well, comes from Tekton's timeout of the Task, and not of a step.
		say(
			step.Timeout == nil && step.OnError == "" && step.Script == "" && len(step.When) == 0,
			step.Name+" may be skipped, killed or overlooked",
		)
	}
	say(own.Args[0] == command, "does "+own.Args[0])
	say(slices.Contains(own.Args, "--run-id=$(params.run-id)"), "has no run id")
	for _, e := range own.Env {
		param := strings.ToLower(strings.TrimPrefix(e.Name, "COPYTRIGGER_")) + "-command"
		say(e.Value == "$(params."+param+")", e.Name+" is "+e.Value)
	}
	say(len(own.Env) == map[string]int{"run": 3, "cleanup": 1}[command], fmt.Sprintf("the environment is %v", own.Env))
	for _, p := range task.Spec.Params {
		if strings.HasSuffix(p.Name, "-command") {
			say(
				p.Type == v1.ParamTypeString && p.Default != nil && p.Default.StringVal == "",
				p.Name+" is not a string that may be left out",
			)
		}
	}
	return problems
}

func TestOneStep(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	for command, name := range oneStep {
		yamltest.None(t, badOneStep(s, s.tasks[name], command))
		t.Run(name, func(t *testing.T) {
			spec, _ := merge(s, s.tasks[name])
			step := spec.Steps[1]
			yamltest.None(t, unwrittenBy(t, step))
			step.Results = append(step.Results, v1.StepResult{Name: "no-such-result"})
			yamltest.Some(t, unwrittenBy(t, step), "no-such-result")
		})
	}
}

func TestBadOneStepIsSeen(t *testing.T) {
	for says, change := range map[string]func(*v1.TaskSpec){
		"there are 3 steps":        func(t *v1.TaskSpec) { t.Steps = append(t.Steps, t.Steps[1]) },
		"install does not":         func(t *v1.TaskSpec) { t.Steps[0].Params = v1.Params{param("volume", "tmp")} },
		"the program is not that":  func(t *v1.TaskSpec) { t.Steps[1].VolumeMounts = t.Steps[1].VolumeMounts[1:] },
		"the volume is no":         func(t *v1.TaskSpec) { t.Volumes = t.Volumes[1:] },
		"run may be skipped":       func(t *v1.TaskSpec) { t.Steps[1].Timeout = &metav1.Duration{Duration: time.Hour} },
		"does verdict":             func(t *v1.TaskSpec) { t.Steps[1].Args[0] = "verdict" },
		"has no run id":            func(t *v1.TaskSpec) { t.Steps[1].Args[2] = "--run-id=$(context.taskRun.name)" },
		"COPYTRIGGER_QUIESCE is":   func(t *v1.TaskSpec) { t.Steps[1].Env[0].Value = "$(params.unquiesce-command)" },
		"the environment is":       func(t *v1.TaskSpec) { t.Steps[1].Env = t.Steps[1].Env[:2] },
		"hold-command is not a st": func(t *v1.TaskSpec) { t.Params[5].Default = nil },
	} {
		s := applied(t)
		task := s.tasks["quiesced-copy-run"]
		change(&task.Spec)
		yamltest.Some(t, badOneStep(s, task, "run"), says)
	}
}

// What the program is told by the environment it knows, and a parameter that is not given
// is none: with a hold command, or with the two others.
func TestCommandsAreGivenOrNot(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	spec, _ := merge(s, s.tasks["quiesced-copy-run"])
	step := spec.Steps[1]
	yamltest.None(t, unknownVariables(t, "run", step.Env))
	yamltest.Some(t, unknownVariables(t, "run", []corev1.EnvVar{{Name: "COPYTRIGGER_NONE"}}), "COPYTRIGGER_NONE")
	for _, c := range []struct{ quiesce, unquiesce, hold, says string }{
		{"true", "true", "", ""},
		{"", "", `["cat"]`, ""},
		{"true", "", "", "--unquiesce is missing"},
		{"true", "true", "cat", "--hold is given, and"},
		{"", "", "", "nothing says how"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			args := commandLine(t, step)
			t.Setenv("COPYTRIGGER_QUIESCE", c.quiesce)
			t.Setenv("COPYTRIGGER_UNQUIESCE", c.unquiesce)
			t.Setenv("COPYTRIGGER_HOLD", c.hold)
			if c.says == "" {
				yamltest.None(t, wrong(args))
			} else {
				yamltest.Some(t, wrong(args), c.says)
			}
		})
	}
}

// The pod that is waited for is that of the freeze, and what unquiesces is the same.
func TestOneStepCleanupIsWired(t *testing.T) {
	p := applied(t).pipelines["quiesced-copy-run"].Spec
	run, cleanup := p.Tasks[0], p.Finally[0]
	if run.TaskRef.Name != oneStep["run"] || cleanup.TaskRef.Name != oneStep["cleanup"] {
		t.Errorf("the Tasks are %s and %s", run.TaskRef.Name, cleanup.TaskRef.Name)
	}
	for _, name := range []string{"pvcs", "image", "unquiesce-command", "unquiesce-timeout", "env-secret"} {
		find := func(params v1.Params) any {
			i := slices.IndexFunc(params, func(p v1.Param) bool { return p.Name == name })
			return params[i].Value
		}
		if got, want := find(cleanup.Params), find(run.Params); !reflect.DeepEqual(got, want) {
			t.Errorf("%s of the cleanup is %v, of the run %v", name, got, want)
		}
	}
}
