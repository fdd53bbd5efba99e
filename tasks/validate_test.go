package tasks

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// webhook is what Tekton's webhook does with an object.
type webhook interface {
	SetDefaults(context.Context)
	Validate(context.Context) *apis.FieldError
}

// invalid is what Tekton's webhook says against the objects.
func invalid(s *shipped) []string {
	var problems []string
	admit := func(name string, o webhook) {
		ctx := apis.WithinCreate(context.Background())
		o.SetDefaults(ctx)
		if err := o.Validate(ctx); err != nil {
			problems = append(problems, name+": "+err.Error())
		}
	}
	for name, o := range s.actions {
		admit("StepAction "+name, o.DeepCopy())
	}
	for name, o := range s.tasks {
		admit("Task "+name, o.DeepCopy())
	}
	for name, o := range s.pipelines {
		admit("Pipeline "+name, o.DeepCopy())
	}
	for _, o := range s.runs {
		o := o.DeepCopy()
		o.Name = o.GenerateName + "x" // by the API server, before it asks the webhook
		admit("PipelineRun "+o.GenerateName, o)
	}
	for _, o := range s.taskRuns {
		o := o.DeepCopy()
		o.Name = o.GenerateName + "x"
		admit("TaskRun "+o.GenerateName, o)
	}
	return problems
}

func TestFilesAreValid(t *testing.T) {
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) { yamltest.None(t, invalid(read(t, name))) })
	}
}

// Every file is applied, unless it is an example or optional.
func TestKustomizationIsWhole(t *testing.T) {
	got := applied(t)
	yamltest.None(t, invalid(got))
	for _, name := range files(t) {
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "admission/") {
			continue
		}
		s := read(t, name)
		for n := range s.actions {
			if got.actions[n] == nil {
				t.Errorf("%s is not applied", name)
			}
		}
		for n := range s.tasks {
			if got.tasks[n] == nil {
				t.Errorf("%s is not applied", name)
			}
		}
	}
	// Roles and bindings of the steps and of the cleanups, and one account.
	if len(got.pipelines) != 2 || len(got.roles) != 2 || len(got.others) != 3 {
		t.Errorf("%d Pipelines, %d Roles, %d others, want 2, 2, 3", len(got.pipelines), len(got.roles), len(got.others))
	}
}

// The checks see what they are for.
func TestInvalidIsSeen(t *testing.T) {
	text, err := os.ReadFile("task/quiesced-copy.yaml")
	yamltest.Must(t, err)
	typo := strings.Replace(string(text), "onError:", "onErrors:", 1)
	if _, err := decode([]byte(typo)); err == nil {
		t.Error("onErrors is a field")
	}
	s := read(t, "task/quiesced-copy.yaml")
	s.tasks["quiesced-copy"].Spec.Steps[1].Image = "$(params.none)"
	yamltest.Some(t, invalid(s), "none")
	s = read(t, "stepaction/disarm.yaml")
	s.actions["copytrigger-disarm"].Spec.Args[1] = "$(params.none)"
	yamltest.Some(t, invalid(s), "none")
}

// The CronJobs start the PipelineRun of another example, and of docs/in-pod.md, and differ in nothing else.
func TestCronJobsStartTheExamples(t *testing.T) {
	inPod, err := decode(yamltest.Block(t, "../docs/in-pod.md", "kind: PipelineRun"))
	yamltest.Must(t, err)
	got, others := started(t, "examples/cronjob.yaml")
	if want := read(t, "examples/pipelinerun.yaml").runs[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("the CronJob creates\n%v\nthe example is\n%v", got, want)
	}
	gotInPod, othersInPod := started(t, "examples/cronjob-in-pod.yaml")
	if want := inPod.runs[0]; !reflect.DeepEqual(gotInPod, want) {
		t.Errorf("in the pod the CronJob creates\n%v\nthe page has\n%v", gotInPod, want)
	}
	if !reflect.DeepEqual(others, othersInPod) {
		t.Errorf("the CronJobs are\n%v\nand\n%v", others, othersInPod)
	}
}

// started is the PipelineRun that a CronJob of the examples creates, and what stands beside it.
func started(t *testing.T, name string) (run *v1.PipelineRun, others []metav1.Object) {
	t.Helper()
	s := read(t, name)
	for _, o := range s.others {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			s, err := decode([]byte(o.Data["pipelinerun.yaml"]))
			yamltest.Must(t, err)
			run = s.runs[0]
			continue
		case *batchv1.CronJob:
			if o.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
				t.Errorf("concurrencyPolicy is %q", o.Spec.ConcurrencyPolicy)
			}
		}
		others = append(others, o)
	}
	for _, role := range s.roles {
		others = append(others, role)
	}
	return run, others
}
