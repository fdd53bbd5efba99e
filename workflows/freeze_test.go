package workflows

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// the containers of the freeze
var (
	freezeOrder = []string{"unquiesce-check", "await-waiting", "quiesce", "fire-and-await", "unquiesce", "unlock", "main"}
	// what a container needs to have ended with 0; quiesce has run only if await-waiting has
	freezeGates = map[string]string{
		"await-waiting":  "--after=unquiesce-check",
		"quiesce":        "--after=await-waiting",
		"fire-and-await": "--after=quiesce",
		"unquiesce":      "--after=await-waiting",
	}
)

const stateDir = "/run/copytrigger/"

// unsafe is why a pod might not reach its unquiesce container, or hide that something
// failed: one that exits with anything but 0 stops all the others.
func unsafe(tmpl *wfv1.Template, order []string, gates map[string]string) []string {
	var problems, names []string
	set := tmpl.ContainerSet
	if set.RetryStrategy != nil {
		problems = append(problems, "a retryStrategy of the containerSet would quiesce again")
	}
	before := ""
	for _, c := range set.Containers {
		say := func(ok bool, what string) {
			if !ok {
				problems = append(problems, "container "+c.Name+": "+what)
			}
		}
		names = append(names, c.Name)
		if before == "" {
			say(len(c.Dependencies) == 0, "has a dependency")
		} else {
			say(slices.Equal(c.Dependencies, []string{before}), "does not come after "+before)
		}
		before = c.Name
		words := slices.Concat(c.Command, c.Args)
		if c.Name == "main" {
			say(words[1] == "verdict", "is no verdict")
			for _, name := range order[:len(order)-1] {
				if name != "unquiesce-check" {
					say(slices.Contains(words, "--step="+name+"="+stateDir+name), "does not hear of "+name)
				}
			}
			continue
		}
		say(words[1] == "record", "is not recorded")
		i := slices.Index(words, stateDir+c.Name)
		say(i > 0, "does not record its own exit code")
		var gate []string
		for _, w := range words[:max(i, 0)] {
			if strings.HasPrefix(w, "--after=") {
				gate = append(gate, strings.Replace(w, stateDir, "", 1))
			}
		}
		say(strings.Join(gate, " ") == gates[c.Name], fmt.Sprintf("its gate is %q, want %q", gate, gates[c.Name]))
		say(slices.Contains(words, "--dry-run") == (c.Name == "unquiesce-check"), "runs, or does not")
		own := words[max(i, 0):]
		say(slices.Contains(own, "--fire") == (c.Name == "fire-and-await"), "fires, or does not")
		say(
			slices.Contains(own, "--after="+stateDir+"unquiesce") == (c.Name == "unlock"),
			"unlocks although unquiesce failed",
		)
	}
	if !slices.Equal(names, order) {
		problems = append(problems, fmt.Sprintf("the order is %q, want %q", names, order))
	}
	return problems
}

func without(words []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == word })
}

func templateOf(t *testing.T, s *shipped, name string) *wfv1.Template {
	t.Helper()
	tmpl := named(s.templates["quiesced-copy"], name)
	if tmpl == nil {
		t.Fatalf("there is no template %s", name)
	}
	return tmpl
}

// named is the template itself, and not a copy.
func named(o *wfv1.WorkflowTemplate, name string) *wfv1.Template {
	for i := range o.Spec.Templates {
		if o.Spec.Templates[i].Name == name {
			return &o.Spec.Templates[i]
		}
	}
	return nil
}

func TestFreeze(t *testing.T) {
	s := applied(t)
	yamltest.None(t, unsafe(templateOf(t, s, "freeze"), freezeOrder, freezeGates))
	if templateOf(t, s, "freeze").RetryStrategy != nil {
		t.Error("a retryStrategy of the template would quiesce again")
	}
}

func TestUnsafeIsSeen(t *testing.T) {
	for i, name := range freezeOrder {
		change := func(says string, how func(*wfv1.ContainerNode)) {
			tmpl := templateOf(t, applied(t), "freeze")
			how(&tmpl.ContainerSet.Containers[i])
			yamltest.Some(t, unsafe(tmpl, freezeOrder, freezeGates), "container "+name+": "+says)
		}
		if i > 0 {
			change("does not come after", func(c *wfv1.ContainerNode) { c.Dependencies = []string{"x"} })
		}
		if name == "main" {
			change("is no verdict", func(c *wfv1.ContainerNode) { c.Args[0] = "record" })
			change("does not hear of unquiesce", func(c *wfv1.ContainerNode) { c.Args = []string{"verdict"} })
			continue
		}
		change("is not recorded", func(c *wfv1.ContainerNode) { c.Args[0] = "disarm" })
		change("does not record its own", func(c *wfv1.ContainerNode) {
			c.Args[slices.Index(c.Args, stateDir+name)] = stateDir + "other"
		})
		change("its gate is", func(c *wfv1.ContainerNode) {
			c.Args = slices.Insert(slices.Clone(c.Args), 1, "--after="+stateDir+"other")
		})
	}
	tmpl := templateOf(t, applied(t), "freeze")
	tmpl.ContainerSet.Containers[0].Dependencies = []string{"main"}
	yamltest.Some(t, unsafe(tmpl, freezeOrder, freezeGates), "container unquiesce-check: has a dependency")
	for says, change := range map[string]func(c []wfv1.ContainerNode){
		"fire-and-await: fires, or does": func(c []wfv1.ContainerNode) { c[3].Args = without(c[3].Args, "--fire") },
		"unquiesce-check: runs":          func(c []wfv1.ContainerNode) { c[0].Args = without(c[0].Args, "--dry-run") },
		"unlock: unlocks although": func(c []wfv1.ContainerNode) {
			c[5].Args = without(c[5].Args, "--after="+stateDir+"unquiesce")
		},
		"unquiesce: its gate is []": func(c []wfv1.ContainerNode) {
			c[4].Args = without(c[4].Args, "--after="+stateDir+"await-waiting")
		},
		"main: does not hear of unquiesce": func(c []wfv1.ContainerNode) {
			c[6].Args = without(c[6].Args, "--step=unquiesce="+stateDir+"unquiesce")
		},
	} {
		tmpl := templateOf(t, applied(t), "freeze")
		change(tmpl.ContainerSet.Containers)
		yamltest.Some(t, unsafe(tmpl, freezeOrder, freezeGates), says)
	}
	tmpl = templateOf(t, applied(t), "freeze")
	cs := tmpl.ContainerSet.Containers
	cs[1], cs[2] = cs[2], cs[1]
	yamltest.Some(t, unsafe(tmpl, freezeOrder, freezeGates), "the order is")
	tmpl.ContainerSet.RetryStrategy = &wfv1.ContainerSetRetryStrategy{}
	yamltest.Some(t, unsafe(tmpl, freezeOrder, freezeGates), "would quiesce again")
}

// unguarded is what is missing around the pod, and what the exit handler must not use.
func unguarded(o *wfv1.WorkflowTemplate) []string {
	problems := exposed(o)
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	freeze, cleanup := named(o, "freeze"), named(o, "cleanup")
	for _, c := range freeze.ContainerSet.Containers {
		for _, arg := range c.Args {
			if id, is := strings.CutPrefix(arg, "--run-id="); is {
				say(id == "{{workflow.uid}}", c.Name+": the run id is "+id)
			}
		}
	}
	say(cleanup.Container.Image == "{{inputs.parameters.unquiesce-image}}", "the cleanup is not in the image of unquiesce")
	return append(problems, badProcess(cleanup, freeze, "cleanup")...)
}

const component = "app.kubernetes.io/component"

func waitsFor(args []string, freeze *wfv1.Template) bool {
	label := freeze.Metadata.Labels[component]
	return label != "" &&
		slices.Contains(args, "--await-pods=workflows.argoproj.io/workflow={{workflow.name}},"+component+"="+label)
}

// exposed is as much of it as does not depend on what is in the pods.
func exposed(o *wfv1.WorkflowTemplate) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	spec := o.Spec
	say(spec.OnExit == "exit-handler", "no exit handler")
	say(
		spec.Synchronization != nil && len(spec.Synchronization.Mutexes) == 1 &&
			spec.Synchronization.Mutexes[0].Name == "copytrigger-{{workflow.parameters.pvcs}}{{workflow.parameters.selector}}",
		"no mutex for the claims",
	)
	say(
		spec.PodDisruptionBudget != nil && spec.PodDisruptionBudget.MinAvailable.IntValue() > 1000,
		"no podDisruptionBudget",
	)
	say(
		spec.PodGC != nil && spec.PodGC.Strategy == wfv1.PodGCOnWorkflowSuccess,
		"podGC takes the logs of a run that failed",
	)
	handler := named(o, "exit-handler")
	cleanup := named(o, "cleanup")
	step := handler.Steps[0].Steps[0]
	say(len(handler.Steps) == 1 && len(handler.Steps[0].Steps) == 1 && step.Template == "cleanup",
		"the exit handler is not one pod")
	say(step.When == "{{workflow.status}} != Succeeded", "the cleanup does not come after every bad end")
	for _, p := range step.Arguments.Parameters {
		for _, m := range variable.FindAllStringSubmatch(p.Value.String(), -1) {
			say(strings.HasPrefix(m[1], "workflow.parameters."), "the exit handler uses "+m[1]+", which may not be there")
		}
	}
	r := cleanup.RetryStrategy
	say(r != nil && r.RetryPolicy == wfv1.RetryPolicyAlways && r.Limit.IntValue() >= 5 && r.Backoff != nil,
		"the cleanup is not repeated")
	freeze := named(o, "freeze")
	say(freeze.ActiveDeadlineSeconds != nil && cleanup.ActiveDeadlineSeconds != nil, "a pod without a limit")
	say(freeze.Metadata.Labels[component] != cleanup.Metadata.Labels[component], "the cleanup waits for itself")
	return problems
}

var variable = regexp.MustCompile(`\{\{=?([^{}]+)\}\}`)

func TestGuards(t *testing.T) { yamltest.None(t, unguarded(applied(t).templates["quiesced-copy"])) }

func TestMissingGuardsAreSeen(t *testing.T) {
	for says, change := range map[string]func(*wfv1.WorkflowTemplate){
		"no exit handler":        func(o *wfv1.WorkflowTemplate) { o.Spec.OnExit = "" },
		"no mutex":               func(o *wfv1.WorkflowTemplate) { o.Spec.Synchronization = nil },
		"no podDisruptionBudget": func(o *wfv1.WorkflowTemplate) { o.Spec.PodDisruptionBudget = nil },
		"podGC takes":            func(o *wfv1.WorkflowTemplate) { o.Spec.PodGC.Strategy = wfv1.PodGCOnPodCompletion },
		"is not one pod": func(o *wfv1.WorkflowTemplate) {
			h := named(o, "exit-handler")
			h.Steps = append(h.Steps, h.Steps[0])
		},
		"does not come after every": func(o *wfv1.WorkflowTemplate) {
			named(o, "exit-handler").Steps[0].Steps[0].When = "{{workflow.status}} == Failed"
		},
		"uses tasks.x.outputs.result": func(o *wfv1.WorkflowTemplate) {
			p := &named(o, "exit-handler").Steps[0].Steps[0].Arguments.Parameters[0]
			p.Value = wfv1.AnyStringPtr("{{tasks.x.outputs.result}}")
		},
		"is not repeated":       func(o *wfv1.WorkflowTemplate) { named(o, "cleanup").RetryStrategy.RetryPolicy = "OnError" },
		"a pod without a limit": func(o *wfv1.WorkflowTemplate) { named(o, "freeze").ActiveDeadlineSeconds = nil },
		"does await-waiting":    func(o *wfv1.WorkflowTemplate) { named(o, "cleanup").Container.Args[0] = "await-waiting" },
		"not in the image":      func(o *wfv1.WorkflowTemplate) { named(o, "cleanup").Container.Image = "x" },
		"waits for the pod":     func(o *wfv1.WorkflowTemplate) { named(o, "freeze").Metadata.Labels = nil },
		"waits for itself": func(o *wfv1.WorkflowTemplate) {
			named(o, "cleanup").Metadata.Labels = named(o, "freeze").Metadata.Labels
		},
		"the run id is {{pod.name}}": func(o *wfv1.WorkflowTemplate) {
			c := &named(o, "freeze").ContainerSet.Containers[1]
			c.Args[slices.Index(c.Args, "--run-id={{workflow.uid}}")] = "--run-id={{pod.name}}"
		},
	} {
		o := applied(t).templates["quiesced-copy"]
		change(o)
		yamltest.Some(t, unguarded(o), says)
	}
}

// badSeparatePods returns what is wrong with the example that has a pod for each step: their
// order, and the end of a run, which is disarm, unquiesce, unlock on every way out.
func badSeparatePods(o *wfv1.Workflow) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	handled, done := "", ""
	for _, tmpl := range o.Spec.Templates {
		if tmpl.DAG != nil {
			for _, task := range tmpl.DAG.Tasks {
				say(len(task.Dependencies) == min(len(done), 1), task.Name+" does not come after one other")
				done += task.Name + ", "
			}
		}
		for _, group := range tmpl.Steps {
			for _, step := range group.Steps {
				if step.Template == "cleanup" {
					say(step.When == "{{workflow.status}} != Succeeded", "the cleanup does not come after every bad end")
					continue
				}
				handled += step.Name
				const lock = "'{{steps.disarm.outputs.parameters.lock}}'"
				if step.When == lock+" == own || "+lock+" == none" {
					handled += " if it may"
				}
				handled += ", "
			}
		}
	}
	say(o.Spec.OnExit == "exit-handler", "there is no exit handler")
	say(handled == "await-pods-ended, disarm, unquiesce if it may, unlock if it may, ", "the exit handler does "+handled)
	say(done == "await-waiting, quiesce, fire-and-await, unquiesce, unlock, ", "the pods are "+done)
	return problems
}

func TestSeparatePods(t *testing.T) {
	yamltest.None(t, badSeparatePods(read(t, "examples/dag.yaml").workflows[0]))
	for says, change := range map[string]func(s string) string{
		"unquiesce does not come after one other": func(s string) string {
			return strings.ReplaceAll(s, "[fire-and-await]", "[]")
		},
		"does not come after every bad end": func(s string) string {
			return strings.ReplaceAll(s, "!= Succeeded", "== Failed")
		},
		"there is no exit handler": func(s string) string {
			return strings.ReplaceAll(s, "onExit: exit-handler", "serviceAccountName: x")
		},
		"the pods are await-waiting, quiesced, fire": func(s string) string {
			return strings.ReplaceAll(s, "- name: quiesce\n          dep", "- name: quiesced\n          dep")
		},
		"the exit handler does await-pods-ended, disarms": func(s string) string {
			return strings.ReplaceAll(s, "- - name: disarm", "- - name: disarms")
		},
		"unquiesce, unlock, ": func(s string) string {
			return regexp.MustCompile(`'\{\{.*lock}}' == own.*`).
				ReplaceAllString(s, `'{{steps.disarm.outputs.parameters.lock}}' != other"`)
		},
	} {
		s, err := decode([]byte(change(string(yamltest.Text(t, "examples/dag.yaml")))))
		yamltest.Must(t, err)
		yamltest.Some(t, badSeparatePods(s.workflows[0]), says)
	}
}

// badOutputs are outputs whose file might be another step's, or whose absence would make
// an error of a verdict.
func badOutputs(tmpl *wfv1.Template) []string {
	var problems []string
	for _, p := range tmpl.Outputs.Parameters {
		say := func(ok bool, what string) {
			if !ok {
				problems = append(problems, tmpl.Name+": output "+p.Name+": "+what)
			}
		}
		say(p.ValueFrom.Default != nil, "no default")
		of := slices.Contains([]string{"outcome", "reason", "freeze-seconds"}, p.Name)
		say(
			tmpl.ContainerSet == nil || of == strings.HasPrefix(p.ValueFrom.Path, "/run/verdict/"),
			"is not the verdict's, or should not be: "+p.ValueFrom.Path,
		)
		say(
			slices.ContainsFunc(
				tmpl.GetVolumeMounts(),
				func(m corev1.VolumeMount) bool { return strings.HasPrefix(p.ValueFrom.Path, m.MountPath+"/") },
			),
			"is in no volume",
		)
	}
	return problems
}

func TestOutputs(t *testing.T) {
	for _, o := range applied(t).templates {
		for _, tmpl := range o.Spec.Templates {
			yamltest.None(t, badOutputs(&tmpl))
		}
	}
	tmpl := templateOf(t, applied(t), "freeze")
	tmpl.Outputs.Parameters[0].ValueFrom.Default = nil
	yamltest.Some(t, badOutputs(tmpl), "outcome: no default")
	tmpl.Outputs.Parameters[0].ValueFrom.Path = stateDir + "outcome"
	yamltest.Some(t, badOutputs(tmpl), "outcome: is not the verdict's")
	tmpl.Outputs.Parameters[0].ValueFrom.Path = "/outcome"
	yamltest.Some(t, badOutputs(tmpl), "is in no volume")
}
