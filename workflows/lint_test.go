package workflows

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/util/logging"
	"github.com/argoproj/argo-workflows/v4/workflow/common"
	"github.com/argoproj/argo-workflows/v4/workflow/validate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// Where templates are found: in what is applied, and nowhere else.
type (
	namespaced map[string]*wfv1.WorkflowTemplate
	clustered  map[string]*wfv1.ClusterWorkflowTemplate
)

func (n namespaced) Get(_ context.Context, name string) (*wfv1.WorkflowTemplate, error) {
	return get(n, name)
}

func (c clustered) Get(_ context.Context, name string) (*wfv1.ClusterWorkflowTemplate, error) {
	return get(c, name)
}

func get[T any](all map[string]*T, name string) (*T, error) {
	if all[name] == nil {
		return nil, fmt.Errorf("there is no template %q", name)
	}
	return all[name], nil
}

// logged is a context with the logger that Argo's own code wants in it.
func logged() context.Context { return logging.TestContext(context.Background()) }

// lint is what `argo lint --offline --strict` says against objects: its command is not
// used, for it does not compile with the Kubernetes libraries of the program. What it does
// with each object is this (v4.0.5, pkg/apiclient/offline-*-service-client.go).
func lint(s *shipped, n namespaced, c clustered) []string {
	ctx := logged()
	var problems []string
	say := func(o any, name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%T %s: %v", o, name, err))
		}
	}
	for name, o := range s.templates {
		say(o, name, validate.ValidateWorkflowTemplate(ctx, n, c, o.DeepCopy(), nil, validate.ValidateOpts{Lint: true}))
	}
	for name, o := range s.cluster {
		say(
			o,
			name,
			validate.ValidateClusterWorkflowTemplate(ctx, n, c, o.DeepCopy(), nil, validate.ValidateOpts{Lint: true}),
		)
	}
	for _, o := range s.workflows {
		say(o, o.GenerateName, validate.ValidateWorkflow(ctx, n, c, o.DeepCopy(), nil, validate.ValidateOpts{Lint: true}))
		say(o, o.GenerateName, validate.ValidateWorkflow(ctx, n, c, o.DeepCopy(), nil, validate.ValidateOpts{Submit: true}))
	}
	for _, o := range s.crons {
		say(o, o.Name, validate.ValidateCronWorkflow(ctx, n, c, o.DeepCopy(), nil))
	}
	return problems
}

func TestLint(t *testing.T) {
	s := applied(t)
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			o := read(t, name)
			if name == "examples/cleanup.yaml" { // which is to be filled in
				yamltest.Some(t, lint(o, s.templates, nil), "workflow.value or spec.arguments.workflow.valueFrom is required")
				var err error
				o, err = decode([]byte(strings.ReplaceAll(string(yamltest.Text(t, name)), "# value:", "value:")))
				yamltest.Must(t, err)
			}
			yamltest.None(t, lint(o, s.templates, nil))
			for _, parsed := range common.ParseObjects(logged(), yamltest.Text(t, name), true) {
				if _, other := parsed.Object.(*metav1.ObjectMeta); !other {
					yamltest.Must(t, parsed.Err)
				}
			}
		})
	}
	yamltest.None(t, lint(s, s.templates, nil))
}

// The README's example is a Workflow that Argo takes, of a template that there is.
func TestReadmesExample(t *testing.T) {
	text := yamltest.Block(t, "../README.md", "kind: Workflow")
	s, err := decode(text)
	yamltest.Must(t, err)
	yamltest.None(t, lint(s, applied(t).templates, nil))
	run := s.workflows[0].Spec
	for _, given := range run.Arguments.Parameters { // the linter bears one that nobody asks for
		if applied(t).templates[run.WorkflowTemplateRef.Name].Spec.Arguments.GetParameterByName(given.Name) == nil {
			t.Errorf("%s has no parameter %s", run.WorkflowTemplateRef.Name, given.Name)
		}
	}
	if lines := strings.Count(string(text), "\n"); lines > 10 {
		t.Errorf("it has %d lines", lines)
	}
}

func TestBadTemplatesAreSeen(t *testing.T) {
	const freeze, example = "templates/quiesced-copy/manifests.yaml", "examples/workflow.yaml"
	for name, c := range map[string]struct{ file, old, new, says string }{
		"variable":   {freeze, "{{inputs.parameters.wait-timeout}}", "{{inputs.parameters.none}}", "none"},
		"dependency": {freeze, "dependencies: [quiesce]", "dependencies: [none]", "none"},
		"no main":    {freeze, "- name: main\n", "- name: last\n", "main"},
		"exit":       {freeze, "onExit: exit-handler", "onExit: none", "none"},
		"template":   {example, "name: quiesced-copy\n", "name: none\n", "none"},
		"argument":   {example, "- name: quiesce-command\n", "- name: other\n", "quiesce-command"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.ReplaceAll(string(yamltest.Text(t, c.file)), c.old, c.new)
			s, err := decode([]byte(changed))
			yamltest.Must(t, err)
			yamltest.Some(t, lint(s, applied(t).templates, nil), c.says)
		})
	}
	for _, typo := range [][2]string{{"onExit:", "onExits:"}, {"mutexes:", "mutices:"}, {"dependencies:", "depends:"}} {
		if _, err := decode([]byte(strings.ReplaceAll(string(yamltest.Text(t, freeze)), typo[0], typo[1]))); err == nil {
			t.Errorf("%s is a field", typo[1])
		}
	}
}

// What Argo 4.0 has no more is no field of its types: a file that had it would not be read.
func TestNothingDeprecated(t *testing.T) {
	for _, typo := range [][3]string{
		{"templates/quiesced-copy/manifests.yaml", "mutexes:\n      - name: ", "mutex:\n      name: "},
		{"examples/cronworkflow.yaml", "schedules:\n    - ", "schedule: "},
	} {
		text := string(yamltest.Text(t, typo[0]))
		if changed := strings.Replace(text, typo[1], typo[2], 1); changed == text {
			t.Errorf("%s has no %q", typo[0], typo[1])
		} else if _, err := decode([]byte(changed)); err == nil {
			t.Errorf("%s may have %q", typo[0], typo[2])
		}
	}
}

// Replace terminates the run that is there, and then nothing unquiesces.
func TestNothingIsReplaced(t *testing.T) {
	replaced := func(s *shipped) []string {
		var problems []string
		for _, o := range s.crons {
			if o.Spec.ConcurrencyPolicy != "Forbid" {
				problems = append(problems, o.Name+": concurrencyPolicy is not Forbid")
			}
		}
		return problems
	}
	s := read(t, "examples/cronworkflow.yaml")
	yamltest.None(t, replaced(s))
	s.crons[0].Spec.ConcurrencyPolicy = "Replace"
	yamltest.Some(t, replaced(s), "not Forbid")
}

// The variant for all namespaces is the same, but for the kind.
func TestClusterVariant(t *testing.T) {
	s := kustomized(t, diskFS, "cluster")
	yamltest.None(t, lint(s, nil, s.cluster))
	want := applied(t).templates
	if got := slices.Sorted(maps.Keys(s.cluster)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) ||
		len(s.templates) > 0 {
		t.Errorf("got %q", got)
	}
	for name, o := range s.cluster {
		if o.Namespace != "" || fmt.Sprint(o.Spec) != fmt.Sprint(want[name].Spec) && !equal(o.Spec, want[name].Spec) {
			t.Errorf("%s differs", name)
		}
	}
}

// Every file is applied, unless it is optional or an example.
func TestKustomizationIsWhole(t *testing.T) {
	s := applied(t)
	dirs, err := os.ReadDir("templates")
	yamltest.Must(t, err)
	for _, d := range dirs {
		if d.IsDir() && s.templates[d.Name()] == nil {
			t.Errorf("%s is not applied", d.Name())
		}
	}
	if len(s.templates) != 3 || len(s.roles) != 2 || len(s.bindings) != 2 || len(s.others) != 1 {
		t.Errorf(
			"%d templates, %d Roles, %d bindings, %d others",
			len(s.templates),
			len(s.roles),
			len(s.bindings),
			len(s.others),
		)
	}
	events := kustomized(t, diskFS, "events")
	if len(events.sources) != 1 || len(events.sensors) != 1 || len(events.roles) != 2 {
		t.Errorf("events: %v", events)
	}
}
