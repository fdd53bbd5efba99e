package workflows

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// inUsersImage is the program as it is run there.
const inUsersImage = "/opt/copytrigger/copytrigger"

// badOneStep is what is wrong with the template in which one process in the user's image does
// all, and around it.
func badOneStep(o *wfv1.WorkflowTemplate) []string {
	problems := exposed(o)
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	freeze, cleanup := named(o, "freeze"), named(o, "cleanup")
	say(freeze.RetryStrategy == nil, "a retryStrategy of the template would quiesce again")
	for _, e := range freeze.Container.Env {
		param := commandOf(e)
		given := o.Spec.Arguments.GetParameterByName(param)
		say(given.Value != nil && *given.Value == "", param+" may not be left out")
	}
	return slices.Concat(problems, badProcess(freeze, freeze, "run"), badProcess(cleanup, freeze, "cleanup"))
}

// badProcess is what is wrong with a template in which one process in the user's image does
// all, by a command of the program.
func badProcess(tmpl, freeze *wfv1.Template, command string) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, tmpl.Name+": "+what)
		}
	}
	install, own := tmpl.InitContainers[0], tmpl.Container
	mounted := func(c corev1.Container, readOnly bool) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == "program" && m.MountPath == filepath.Dir(inUsersImage) && m.ReadOnly == readOnly
		})
	}
	say(
		len(tmpl.InitContainers) == 1 &&
			slices.Equal(install.Command, []string{"/copytrigger", "install", filepath.Dir(inUsersImage)}) &&
			mounted(install.Container, false),
		"the program is not installed",
	)
	say(slices.Equal(own.Command, []string{inUsersImage}) && mounted(*own, true), "the program is not that of the volume")
	say(own.Args[0] == command, "does "+own.Args[0])
	say(waitsFor(own.Args, freeze) == (command == "cleanup"), "waits for the pod that quiesces, or does not")
	say(slices.Contains(own.Args, "--run-id={{workflow.uid}}"), "the run id is not the workflow's")
	for _, e := range own.Env {
		say(e.Value == "{{inputs.parameters."+commandOf(e)+"}}", e.Name+" is "+e.Value)
	}
	say(len(own.Env) == map[string]int{"run": 3, "cleanup": 1}[command], fmt.Sprintf("the environment is %v", own.Env))
	return problems
}

// commandOf is the parameter with the command that a variable gives to the program.
func commandOf(e corev1.EnvVar) string {
	return strings.ToLower(strings.TrimPrefix(e.Name, "COPYTRIGGER_")) + "-command"
}

func TestOneStep(t *testing.T) {
	yamltest.None(t, badOneStep(applied(t).templates["quiesced-copy-run"]))
	for says, change := range map[string]func(*wfv1.WorkflowTemplate, *wfv1.Template){
		"no exit handler": func(o *wfv1.WorkflowTemplate, _ *wfv1.Template) { o.Spec.OnExit = "" },
		"would quiesce again": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) {
			f.RetryStrategy = &wfv1.RetryStrategy{}
		},
		"waits for the pod": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) { f.Metadata.Labels = nil },
		"the program is not inst": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) {
			f.InitContainers[0].VolumeMounts = nil
		},
		"the program is not that": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) {
			f.Container.VolumeMounts[1].ReadOnly = false
		},
		"does cleanup": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) { f.Container.Args[0] = "cleanup" },
		"the run id is not": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) {
			f.Container.Args[3] = "--run-id={{pod.name}}"
		},
		"COPYTRIGGER_QUIESCE is": func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) { f.Container.Env[0].Value = "true" },
		"the environment is":     func(_ *wfv1.WorkflowTemplate, f *wfv1.Template) { f.Container.Env = nil },
		"hold-command may not be lef": func(o *wfv1.WorkflowTemplate, _ *wfv1.Template) {
			o.Spec.Arguments.Parameters[5].Value = nil
		},
	} {
		o := applied(t).templates["quiesced-copy-run"]
		change(o, named(o, "freeze"))
		yamltest.Some(t, badOneStep(o), says)
	}
}

// Each limit is inside the next.
func TestOneStepLimits(t *testing.T) {
	o := applied(t).templates["quiesced-copy-run"]
	limit := func(name string) time.Duration {
		d, err := time.ParseDuration(o.Spec.Arguments.GetParameterByName(name).Value.String())
		yamltest.Must(t, err)
		return d
	}
	seconds, err := strconv.Atoi(o.Spec.Arguments.GetParameterByName("deadline-seconds").Value.String())
	yamltest.Must(t, err)
	inner := limit("wait-timeout") + limit("max-freeze") + limit("unquiesce-timeout") + limit("copy-timeout")
	if time.Duration(seconds)*time.Second <= inner {
		t.Errorf("the pod ends before %s", inner)
	}
	cleanup := time.Duration(named(o, "cleanup").ActiveDeadlineSeconds.IntValue()) * time.Second
	if cleanup <= 210*time.Second+limit("unquiesce-timeout")+40*time.Second {
		t.Errorf("the cleanup ends after %s", cleanup)
	}
}
