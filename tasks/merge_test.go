package tasks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/container"
	"knative.dev/pkg/apis"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// merge puts the StepActions into a Task, as Tekton's controller does before it makes the
// pod (v1.9.0, pkg/reconciler/taskrun/resources/taskspec.go:120-172). Its own function is
// not used, for it comes with the whole controller.
func merge(s *shipped, task *v1.Task) (*v1.TaskSpec, []string) {
	task = task.DeepCopy()
	task.SetDefaults(context.Background())
	var problems []string
	for i := range task.Spec.Steps {
		step := &task.Spec.Steps[i]
		if step.Ref == nil {
			continue
		}
		action := s.actions[step.Ref.Name]
		if action == nil {
			problems = append(problems, fmt.Sprintf("step %s: there is no StepAction %q", step.Name, step.Ref.Name))
			continue
		}
		action = action.DeepCopy()
		action.SetDefaults(context.Background())
		for _, p := range mismatch(step.Params, action.Spec.Params, task.Spec.Params) {
			problems = append(problems, fmt.Sprintf("step %s: %s", step.Name, p))
		}
		text, lists := map[string]string{}, map[string][]string{}
		for _, p := range action.Spec.Params {
			if p.Default != nil {
				set(text, lists, p.Name, *p.Default)
			}
		}
		for _, p := range step.Params {
			value := p.Value.DeepCopy()
			taskText, taskLists := map[string]string{}, map[string][]string{}
			for _, q := range task.Spec.Params { // stand for themselves, to be filled in later
				taskText["params."+q.Name] = "$(params." + q.Name + ")"
				if q.Type == v1.ParamTypeArray {
					delete(taskText, "params."+q.Name)
					taskLists["params."+q.Name] = []string{"$(params." + q.Name + "[*])"}
				}
			}
			value.ApplyReplacements(taskText, taskLists, nil)
			set(text, lists, p.Name, *value)
		}
		merged := action.Spec.ToStep()
		container.ApplyStepReplacements(merged, text, lists)
		step.Image, step.Command, step.Args, step.Env = merged.Image, merged.Command, merged.Args, merged.Env
		step.SecurityContext, step.Results = merged.SecurityContext, merged.Results
		if len(merged.VolumeMounts) > 0 {
			step.VolumeMounts = merged.VolumeMounts
		}
		step.Ref, step.Params = nil, nil
	}
	steps, err := v1.MergeStepsWithStepTemplate(task.Spec.StepTemplate, task.Spec.Steps)
	if err != nil {
		problems = append(problems, err.Error())
	}
	task.Spec.Steps = steps
	if err := task.Validate(apis.WithinCreate(context.Background())); err != nil {
		problems = append(problems, err.Error())
	}
	return &task.Spec, problems
}

func set(text map[string]string, lists map[string][]string, name string, value v1.ParamValue) {
	if value.Type == v1.ParamTypeArray {
		lists["params."+name] = value.ArrayVal
		return
	}
	text["params."+name] = value.StringVal
}

// mismatch is what is wrong with values for declared parameters; above are the parameters
// that the values may use. Tekton says most of this only when a run starts.
func mismatch(given v1.Params, declared, above v1.ParamSpecs) []string {
	var problems []string
	kinds, outer := map[string]v1.ParamSpec{}, map[string]v1.ParamType{}
	for _, p := range declared {
		kinds[p.Name] = p
	}
	for _, p := range above {
		outer[p.Name] = p.Type
	}
	for _, p := range given {
		spec, is := kinds[p.Name]
		if !is {
			problems = append(problems, fmt.Sprintf("there is no parameter %q", p.Name))
			continue
		}
		delete(kinds, p.Name)
		kind := p.Value.Type
		for _, value := range append([]string{p.Value.StringVal}, p.Value.ArrayVal...) {
			for _, m := range variable.FindAllStringSubmatch(value, -1) {
				name, isParam := strings.CutPrefix(m[1], "params.")
				name, whole := strings.CutSuffix(name, "[*]")
				switch {
				case isParam && outer[name] == "":
					problems = append(problems, fmt.Sprintf("parameter %q uses %q, which is not declared", p.Name, name))
				case isParam && whole:
					kind = outer[name]
				case isParam && outer[name] == v1.ParamTypeArray:
					problems = append(problems, fmt.Sprintf("parameter %q uses the array %q as a string", p.Name, name))
				}
			}
		}
		if spec.Type != kind && !(spec.Type == "" && kind == v1.ParamTypeString) {
			problems = append(problems, fmt.Sprintf("parameter %q is given as %s, and is %s", p.Name, kind, spec.Type))
		}
		// v1.9.0, resources/apply.go replacementsFromStepResults: a string that begins with
		// $(steps. must be a result; the path of an exit code fails the TaskRun.
		if strings.HasPrefix(p.Value.StringVal, "$(steps.") && !strings.Contains(p.Value.StringVal, ".results.") {
			problems = append(problems, fmt.Sprintf("parameter %q: Tekton takes %s in an array only", p.Name, p.Value.StringVal))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if kinds[name].Default == nil {
			problems = append(problems, fmt.Sprintf("parameter %q is not given", name))
		}
	}
	return problems
}

func TestTasksMerge(t *testing.T) {
	s := applied(t)
	for name, task := range s.tasks {
		t.Run(name, func(t *testing.T) {
			spec, problems := merge(s, task)
			yamltest.None(t, problems)
			for _, step := range spec.Steps {
				if step.Image == "" || len(step.Command) == 0 {
					t.Errorf(
						"step %s: image %q, command %q: Tekton asks a registry if there is no command",
						step.Name,
						step.Image,
						step.Command,
					)
				}
			}
		})
	}
}

func TestMismatchIsSeen(t *testing.T) {
	for says, change := range map[string]func(*v1.Step){
		"there is no StepAction":            func(s *v1.Step) { s.Ref.Name = "other" },
		`there is no parameter "more"`:      func(s *v1.Step) { s.Params = append(s.Params, param("more", "x")) },
		`uses "none", which is not`:         func(s *v1.Step) { s.Params[1] = param("namespace", "$(params.none)") },
		`"namespace" is given as array`:     func(s *v1.Step) { s.Params[1] = param("namespace", "$(params.pvcs[*])") },
		`uses the array "pvcs" as a string`: func(s *v1.Step) { s.Params[1] = param("namespace", "$(params.pvcs)") },
		`Tekton takes $(steps.step-quiesce.exit`: func(s *v1.Step) {
			s.Params[1] = param("namespace", "$(steps.step-quiesce.exitCode.path)")
		},
	} {
		s := applied(t)
		task := s.tasks["quiesced-copy"]
		change(&task.Spec.Steps[2])
		_, problems := merge(s, task)
		yamltest.Some(t, problems, says)
	}
}

func TestMissingParameterIsSeen(t *testing.T) {
	s := applied(t)
	task := s.tasks["quiesced-copy"]
	fires := &task.Spec.Steps[4]
	fires.Params = slices.DeleteFunc(fires.Params, func(p v1.Param) bool { return p.Name == "trigger" })
	_, problems := merge(s, task)
	yamltest.Some(t, problems, `"trigger" is not given`)
}

func param(name, value string) v1.Param {
	return v1.Param{Name: name, Value: v1.ParamValue{Type: v1.ParamTypeString, StringVal: value}}
}
