package tekton

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// site is a namespace with the shipped Tasks.
type site struct{ *application.Site }

func newSite(t *testing.T) *site  { return &site{application.New(t, "tasks")} }
func bareSite(t *testing.T) *site { return &site{application.Bare(t, "tasks")} }

// example is a file of tasks/examples.
func (s *site) example(name string) []*unstructured.Unstructured {
	s.Helper()
	return s.File("tasks/examples/" + name)
}

// run is a PipelineRun of a test.
type run struct {
	site *site
	name string
}

// pipeline is one that is shipped, with its examples.
type pipeline struct{ task, example, cleanup string }

var (
	manySteps = pipeline{"quiesced-copy", "pipelinerun.yaml", "cleanup.yaml"}
	oneStep   = pipeline{"quiesced-copy-run", "run.yaml", "cleanup-run.yaml"}
)

// start starts the example's PipelineRun, with parameters of it replaced, and then
// changed as the test wants.
func (s *site) start(params map[string]any, change func(spec map[string]any)) *run {
	s.Helper()
	return s.startExample(manySteps.example, params, change)
}

func (s *site) startExample(name string, params map[string]any, change func(spec map[string]any)) *run {
	s.Helper()
	o := s.example(name)[0]
	spec := o.Object["spec"].(map[string]any)
	for name, value := range params {
		setParam(spec, name, value)
	}
	if change != nil {
		change(spec)
	}
	return &run{s, s.Create(o).GetName()}
}

func setParam(spec map[string]any, name string, value any) {
	application.SetParam(spec, "params", name, value)
}

// ended waits for the run's end, and gives the reason that Tekton has for it.
func (r *run) ended() (reason string) {
	r.site.Helper()
	o := r.site.Await(application.Kinds["PipelineRun"], r.name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "completionTime") != ""
	})
	return conditionOf(o)
}

// conditionOf is the reason of the condition Succeeded.
func conditionOf(o *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c := c.(map[string]any); c["type"] == "Succeeded" {
			return c["reason"].(string)
		}
	}
	return ""
}

// set changes spec.status: how a run is cancelled.
func (r *run) set(status string) {
	r.site.Helper()
	r.site.Patch("PipelineRun", r.name, map[string]any{"spec": map[string]any{"status": status}})
}

// task is the TaskRun of a task of the pipeline; nil if there is none.
func (r *run) task(name string) *unstructured.Unstructured {
	r.site.Helper()
	list, err := r.site.Client("TaskRun").List(r.site.Ctx, metav1.ListOptions{LabelSelector: r.selector(name)})
	r.site.Must(err)
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

func (r *run) selector(task string) string {
	return fmt.Sprintf("tekton.dev/pipelineRun=%s,tekton.dev/pipelineTask=%s", r.name, task)
}

// results are those of a TaskRun.
func results(taskRun *unstructured.Unstructured) map[string]string {
	list, _, _ := unstructured.NestedSlice(taskRun.Object, "status", "results")
	all := map[string]string{}
	for _, r := range list {
		r := r.(map[string]any)
		all[r["name"].(string)], _ = r["value"].(string)
	}
	return all
}

// podOf waits for the pod of a task to run, and gives its name.
func (r *run) podOf(task string) string {
	r.site.Helper()
	var name string
	r.site.Await(application.Kinds["PipelineRun"], r.name, "with a pod of "+task, func(*unstructured.Unstructured) bool {
		for _, pod := range r.site.Pods(r.selector(task)) {
			name = pod.Name
		}
		return name != ""
	})
	return name
}

// log is what a step has said.
func (r *run) log(pod, step string) string {
	return r.site.Log(r.site.Ctx, pod, "step-"+step)
}

// report is what there is to say about a run when its test has failed.
func (r *run) report() string {
	ctx, cancel := application.Background()
	defer cancel()
	var b strings.Builder
	for _, kind := range []string{"PipelineRun", "TaskRun"} {
		list, err := r.site.Client(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		for _, o := range list.Items {
			status, _ := json.Marshal(
				map[string]any{
					"conditions": at(o, "conditions"),
					"results":    at(o, "results"),
					"steps":      at(o, "steps"),
					"retries":    at(o, "retriesStatus"),
				},
			)
			fmt.Fprintf(&b, "%s %s: %s\n", kind, o.GetName(), status)
		}
	}
	list, err := r.site.Kube().
		CoreV1().
		Pods(r.site.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: "tekton.dev/pipelineRun=" + r.name})
	if err != nil {
		fmt.Fprintln(&b, err)
		return b.String()
	}
	for _, pod := range list.Items {
		fmt.Fprintf(&b, "pod %s: %s %s\n", pod.Name, pod.Status.Phase, pod.Status.Reason)
		for _, c := range pod.Spec.Containers {
			fmt.Fprintf(&b, "--- %s\n%s\n", c.Name, r.site.Log(ctx, pod.Name, c.Name))
		}
	}
	return b.String()
}

func at(o unstructured.Unstructured, field string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(o.Object, "status", field)
	return value
}
