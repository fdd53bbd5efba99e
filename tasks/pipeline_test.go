package tasks

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// wiring is what is wrong between a Pipeline and its Tasks.
func wiring(s *shipped, p *v1.Pipeline) []string {
	var problems []string
	for _, param := range p.Spec.Params {
		// In a Task it may be one; here the controller refuses the run.
		if param.Default != nil && variable.MatchString(param.Default.StringVal) {
			problems = append(problems, fmt.Sprintf("parameter %s: its default is a variable", param.Name))
		}
	}
	for _, task := range slices.Concat(p.Spec.Tasks, p.Spec.Finally) {
		var declared v1.ParamSpecs
		var workspaces []string
		if task.TaskSpec != nil {
			declared = task.TaskSpec.Params
		} else if of := s.tasks[task.TaskRef.Name]; of != nil {
			declared = of.Spec.Params
			for _, w := range of.Spec.Workspaces {
				workspaces = append(workspaces, w.Name)
			}
			for _, w := range task.Workspaces {
				if !slices.Contains(workspaces, w.Name) {
					problems = append(problems, fmt.Sprintf("task %s: there is no workspace %q", task.Name, w.Name))
				}
			}
		} else {
			problems = append(problems, fmt.Sprintf("task %s: there is no Task %q", task.Name, task.TaskRef.Name))
			continue
		}
		for _, m := range mismatch(task.Params, declared, p.Spec.Params) {
			problems = append(problems, fmt.Sprintf("task %s: %s", task.Name, m))
		}
	}
	for _, task := range p.Spec.Finally {
		for _, param := range task.Params {
			if text := fmt.Sprint(param.Value); resultOf.MatchString(text) {
				problems = append(
					problems,
					fmt.Sprintf(
						"finally %s: parameter %s uses a result, and is skipped when its task has failed",
						task.Name,
						param.Name,
					),
				)
			}
		}
		if task.Retries < 1 {
			problems = append(problems, fmt.Sprintf("finally %s: no retries", task.Name))
		}
		id := slices.IndexFunc(task.Params, func(p v1.Param) bool {
			return p.Name == "run-id" && p.Value.StringVal == "$(context.pipelineRun.uid)"
		})
		if id < 0 {
			problems = append(problems, fmt.Sprintf("finally %s: run-id is not the pipeline run's", task.Name))
		}
	}
	if len(p.Spec.Finally) != 1 {
		problems = append(problems, "finally is not one task: several run side by side, and unquiesce must come after disarm")
	}
	return problems
}

func pipelines(t *testing.T) (*shipped, map[string]*v1.Pipeline) {
	t.Helper()
	s := applied(t)
	return s, map[string]*v1.Pipeline{
		"quiesced-copy":     s.pipelines["quiesced-copy"],
		"quiesced-copy-run": s.pipelines["quiesced-copy-run"],
		"separate-tasks":    read(t, "examples/separate-tasks.yaml").pipelines["separate-tasks"],
	}
}

func TestPipelinesAreWired(t *testing.T) {
	s, all := pipelines(t)
	for name, p := range all {
		t.Run(name, func(t *testing.T) { yamltest.None(t, wiring(s, p)) })
	}
}

func TestBadWiringIsSeen(t *testing.T) {
	for says, change := range map[string]func(*v1.PipelineSpec){
		"there is no Task":      func(p *v1.PipelineSpec) { p.Tasks[0].TaskRef.Name = "other" },
		"there is no workspace": func(p *v1.PipelineSpec) { p.Finally[0].Workspaces[0].Name = "other" },
		"is not given":          func(p *v1.PipelineSpec) { p.Finally[0].Params = p.Finally[0].Params[2:3] },
		"uses a result": func(p *v1.PipelineSpec) {
			p.Finally[0].Params[1].Value.StringVal = "$(tasks.quiesced-copy.results.trigger)"
		},
		"its default is a variable": func(p *v1.PipelineSpec) {
			p.Params[0].Default = v1.NewStructuredValues("$(context.pipelineRun.namespace)")
		},
		"no retries": func(p *v1.PipelineSpec) { p.Finally[0].Retries = 0 },
		"run-id is not": func(p *v1.PipelineSpec) {
			i := slices.IndexFunc(p.Finally[0].Params, func(p v1.Param) bool { return p.Name == "run-id" })
			p.Finally[0].Params[i] = param("run-id", "$(context.taskRun.uid)")
		},
		"finally is not one task": func(p *v1.PipelineSpec) { p.Finally = append(p.Finally, p.Finally[0]) },
		`there is no parameter "x"`: func(p *v1.PipelineSpec) {
			p.Tasks[0].Params = append(p.Tasks[0].Params, param("x", ""))
		},
	} {
		s := applied(t)
		p := s.pipelines["quiesced-copy"]
		change(&p.Spec)
		yamltest.Some(t, wiring(s, p), says)
	}
}

// The run of the freeze and its cleanup share the run id, and only a run that has not
// succeeded needs the cleanup. Each limit is inside the next.
func TestPipelines(t *testing.T) {
	for name, c := range map[string]struct {
		examples []string
		limits   []string // inside that of the task
	}{
		"quiesced-copy": {
			[]string{"examples/pipelinerun.yaml"},
			[]string{"wait-timeout", "copy-timeout", "ack-timeout"},
		},
		"quiesced-copy-run": {
			[]string{"examples/run.yaml", "examples/hold.yaml"},
			[]string{"wait-timeout", "max-freeze", "unquiesce-timeout", "copy-timeout"},
		},
	} {
		for _, example := range c.examples {
			t.Run(example, func(t *testing.T) {
				guarded(t, applied(t).pipelines[name].Spec, read(t, example).runs[0].Spec, c.limits)
			})
		}
	}
}

func guarded(t *testing.T, p v1.PipelineSpec, run v1.PipelineRunSpec, limits []string) {
	freeze, cleanup := p.Tasks[0], p.Finally[0]
	others := slices.DeleteFunc(slices.Clone(p.Tasks[1:]), func(task v1.PipelineTask) bool {
		return task.Name == "await-synced" // the application runs again
	})
	if len(others) != 0 || freeze.Retries != 0 || freeze.Matrix != nil {
		t.Errorf("the freeze is not one task without retries: %v", p.Tasks)
	}
	for _, task := range []v1.PipelineTask{freeze, cleanup} {
		if got := given(task.Params, "run-id"); got != "$(context.pipelineRun.uid)" {
			t.Errorf("task %s: run-id is %q", task.Name, got)
		}
	}
	want := "tekton.dev/pipelineRunUID=$(context.pipelineRun.uid),tekton.dev/pipelineTask=" + freeze.Name
	if got := given(cleanup.Params, "await-pods"); got != want {
		t.Errorf("the cleanup waits for %q, want %q", got, want)
	}
	if w := cleanup.When; len(w) != 1 || w[0].Input != "$(tasks."+freeze.Name+".status)" ||
		w[0].Operator != "notin" || !slices.Equal(w[0].Values, []string{"Succeeded"}) {
		t.Errorf("the cleanup comes when %v", w)
	}
	if run.TaskRunTemplate.ServiceAccountName != "copytrigger" {
		t.Errorf("the example runs as %q", run.TaskRunTemplate.ServiceAccountName)
	}
	inner := time.Duration(0)
	for _, name := range limits {
		inner += duration(t, p.Params, name)
	}
	for _, outer := range []time.Duration{
		freeze.Timeout.Duration, run.Timeouts.Tasks.Duration, run.Timeouts.Pipeline.Duration,
	} {
		if outer <= inner {
			t.Errorf("a limit of %s is not inside one of %s", inner, outer)
		}
		inner = outer
	}
	if total := run.Timeouts.Tasks.Duration + run.Timeouts.Finally.Duration; total > run.Timeouts.Pipeline.Duration {
		t.Errorf("tasks and finally take %s, the pipeline %s", total, run.Timeouts.Pipeline.Duration)
	}
	if cleanup.Timeout.Duration >= run.Timeouts.Finally.Duration {
		t.Errorf("the cleanup takes %s, finally %s", cleanup.Timeout.Duration, run.Timeouts.Finally.Duration)
	}
}

// The examples give the Pipelines and the Task what they take.
func TestRunsGiveWhatIsTaken(t *testing.T) {
	s, all := pipelines(t)
	for _, name := range []string{"examples/cleanup.yaml", "examples/cleanup-run.yaml"} {
		cleanup := read(t, name).taskRuns[0].Spec
		declared := s.tasks[cleanup.TaskRef.Name].Spec.Params
		yamltest.None(t, mismatch(cleanup.Params, declared, nil))
		yamltest.Some(t, mismatch(cleanup.Params[:1], declared, nil), `"run-id" is not given`)
	}
	for _, name := range []string{
		"examples/pipelinerun.yaml", "examples/run.yaml", "examples/hold.yaml", "examples/separate-tasks.yaml",
	} {
		run := read(t, name).runs[0]
		declared := all[run.Spec.PipelineRef.Name].Spec.Params
		yamltest.None(t, mismatch(run.Spec.Params, declared, nil))
		yamltest.Some(t, mismatch(append(run.Spec.Params, param("x", "")), declared, nil), `"x"`)
	}
}

// By hand a cleanup has as much time as in finally. In the pod it needs no image, and no scripts.
func TestCleanupsByHand(t *testing.T) {
	s := applied(t)
	for name, pipeline := range map[string]string{
		"examples/cleanup.yaml": "quiesced-copy", "examples/cleanup-run.yaml": "quiesced-copy-run",
	} {
		byHand, finally := read(t, name).taskRuns[0].Spec, s.pipelines[pipeline].Spec.Finally[0]
		if byHand.TaskRef.Name != finally.TaskRef.Name || byHand.Timeout.Duration < finally.Timeout.Duration {
			t.Errorf("%s: %s has %s, in finally %s",
				name, byHand.TaskRef.Name, byHand.Timeout.Duration, finally.Timeout.Duration)
		}
	}
	text := yamltest.Text(t, "examples/cleanup-run.yaml")
	inPod, err := decode(bytes.Replace(text, []byte("# - {name: in-pod"), []byte("- {name: in-pod"), 1))
	yamltest.Must(t, err)
	yamltest.None(t, invalid(inPod))
	cleanup := inPod.taskRuns[0].Spec
	yamltest.None(t, mismatch(cleanup.Params, s.tasks[cleanup.TaskRef.Name].Spec.Params, nil))
	if given(cleanup.Params, "in-pod") != "true" {
		t.Errorf("the parameters are %v", cleanup.Params)
	}
}

// The README's example is a PipelineRun that Tekton takes, with what its Pipeline takes, and with
// limits that let finally run.
func TestReadmesExample(t *testing.T) {
	_, all := pipelines(t)
	text := yamltest.Block(t, "../README.md", "kind: PipelineRun")
	s, err := decode(text)
	yamltest.Must(t, err)
	yamltest.None(t, invalid(s))
	run, like := s.runs[0].Spec, read(t, "examples/run.yaml").runs[0].Spec
	yamltest.None(t, mismatch(run.Params, all[run.PipelineRef.Name].Spec.Params, nil))
	if !reflect.DeepEqual(run.Timeouts, like.Timeouts) {
		t.Errorf("the limits are %+v, those of examples/run.yaml %+v", run.Timeouts, like.Timeouts)
	}
	if got := run.TaskRunTemplate.ServiceAccountName; got != like.TaskRunTemplate.ServiceAccountName {
		t.Errorf("the account is %q", got)
	}
	if pod := run.TaskRunTemplate.PodTemplate; pod == nil || pod.SecurityContext == nil ||
		!reflect.DeepEqual(pod.SecurityContext.RunAsUser, like.TaskRunTemplate.PodTemplate.SecurityContext.RunAsUser) {
		t.Error("an image that runs as root would never start")
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 10 {
		t.Errorf("it has %d lines", lines)
	}
}

func given(params v1.Params, name string) string {
	for _, p := range params {
		if p.Name == name {
			return p.Value.StringVal
		}
	}
	return ""
}

func duration(t *testing.T, params v1.ParamSpecs, name string) time.Duration {
	t.Helper()
	for _, p := range params {
		if p.Name == name {
			d, err := time.ParseDuration(p.Default.StringVal)
			yamltest.Must(t, err)
			return d
		}
	}
	t.Fatalf("there is no parameter %s", name)
	return 0
}
