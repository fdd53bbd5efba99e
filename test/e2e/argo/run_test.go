package argo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// site is a namespace with the shipped WorkflowTemplates.
type site struct{ *application.Site }

func newSite(t *testing.T) *site  { return &site{application.New(t, "workflows")} }
func bareSite(t *testing.T) *site { return &site{application.Bare(t, "workflows")} }

// example is the object in a file of workflows/examples.
func (s *site) example(name string) *unstructured.Unstructured {
	s.Helper()
	all := s.File("workflows/examples/" + name)
	if len(all) != 1 {
		s.Fatalf("%s has %d objects", name, len(all))
	}
	return all[0]
}

// run is a Workflow of a test.
type run struct {
	site *site
	name string
}

// start starts the example's Workflow, with parameters of it replaced, and then changed as
// the test wants.
func (s *site) start(params map[string]string, change func(spec map[string]any)) *run {
	s.Helper()
	return s.startExample("workflow.yaml", params, change)
}

func (s *site) startExample(name string, params map[string]string, change func(spec map[string]any)) *run {
	s.Helper()
	o := s.example(name)
	spec := o.Object["spec"].(map[string]any)
	for name, value := range params {
		setParam(spec, name, value)
	}
	if change != nil {
		change(spec)
	}
	return s.submit(o)
}

// submit creates a Workflow. The controller may not have heard yet of a template that was
// applied just now: then it is created once more.
func (s *site) submit(o *unstructured.Unstructured) *run {
	s.Helper()
	const tries = 50
	for try := 1; ; try++ {
		r := &run{s, s.Create(o.DeepCopy()).GetName()}
		seen := s.Await(
			application.Kinds["Workflow"],
			r.name,
			"seen by the controller",
			func(o *unstructured.Unstructured) bool {
				return application.Text(o, "status", "phase") != ""
			},
		)
		message := application.Text(seen, "status", "message")
		if phase := application.Text(seen, "status", "phase"); phase != "Error" && phase != "Failed" ||
			!unknownTemplate.MatchString(message) ||
			try == tries {
			return r
		}
		s.Logf("once more: %s", message)
		s.Must(s.Client("Workflow").Delete(s.Ctx, r.name, metav1.DeleteOptions{}))
	}
}

var unknownTemplate = regexp.MustCompile(
	`workflowtemplates\.argoproj\.io "[^"]+" not found|template reference \S+ not found`,
)

func setParam(spec map[string]any, name, value string) {
	application.SetParam(spec["arguments"].(map[string]any), "parameters", name, value)
}

// command is a command as a parameter.
func command(words ...any) string {
	text, err := json.Marshal(words)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// script is a command of the user's that runs SQL, and something after it.
func script(sql, after string) string { return command(application.Script(sql, after)...) }

func (r *run) workflow() *unstructured.Unstructured {
	r.site.Helper()
	return r.site.Get("Workflow", r.name)
}

func (r *run) uid() string { return string(r.workflow().GetUID()) }

// ended waits for the end, exit handler and all, and gives the phase.
func (r *run) ended() (phase string) {
	r.site.Helper()
	o := r.site.Await(application.Kinds["Workflow"], r.name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "finishedAt") != ""
	})
	return application.Text(o, "status", "phase")
}

// cleanedUp is when the exit handler ended.
func (r *run) cleanedUp() metav1.Time {
	r.site.Helper()
	all := r.pods("cleanup")
	return all[len(all)-1].FinishedAt
}

// set changes spec.shutdown: how a run is stopped and terminated.
func (r *run) set(shutdown string) {
	r.site.Helper()
	r.site.Patch("Workflow", r.name, map[string]any{"spec": map[string]any{"shutdown": shutdown}})
}

// node is a pod of the run, as Argo sees it.
type node struct {
	DisplayName, TemplateName, Type, Phase, Message string
	StartedAt, FinishedAt                           metav1.Time
	Outputs                                         struct {
		Parameters []struct{ Name, Value string }
		ExitCode   string
	}
}

func (n node) output(name string) string {
	for _, p := range n.Outputs.Parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// pods are the run's nodes of a template that are pods, in the order of their start.
func (r *run) pods(template string) []node {
	r.site.Helper()
	nodes, err := nodesOf(r.workflow())
	r.site.Must(err)
	return podsOf(nodes, template)
}

func podsOf(nodes []node, template string) []node {
	var all []node
	for _, n := range nodes {
		if n.Type == "Pod" && n.TemplateName == template {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b node) int { return a.StartedAt.Compare(b.StartedAt.Time) })
	return all
}

func nodesOf(workflow *unstructured.Unstructured) ([]node, error) {
	text, err := json.Marshal(workflow.Object)
	if err != nil {
		return nil, err
	}
	var w struct {
		Status struct{ Nodes map[string]node }
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	var all []node
	for _, n := range w.Status.Nodes {
		all = append(all, n)
	}
	return all, nil
}

const freezePod = "app.kubernetes.io/component=copytrigger-freeze"

// pod is the one pod of the run with the labels.
func (r *run) pod(labels string) corev1.Pod {
	r.site.Helper()
	pods := r.site.Pods(r.selector() + "," + labels)
	if len(pods) != 1 {
		r.site.Fatalf("the run has %d pods with %s", len(pods), labels)
	}
	return pods[0]
}

func (r *run) selector() string { return "workflows.argoproj.io/workflow=" + r.name }

// settled waits until Argo has seen the pod run, and does not count it among those that have
// just started: then one that is gone is an error for it.
func (r *run) settled() {
	r.site.Helper()
	var started time.Time
	r.site.Await(application.Kinds["Workflow"], r.name, "with a pod that runs", func(o *unstructured.Unstructured) bool {
		nodes, err := nodesOf(o)
		r.site.Must(err)
		freeze := podsOf(nodes, "freeze")
		if len(freeze) == 0 {
			return false
		}
		started = freeze[0].StartedAt.Time
		return freeze[0].Phase == "Running"
	})
	select {
	case <-time.After(time.Until(started.Add(11 * time.Second))):
	case <-r.site.Ctx.Done():
		r.site.Fatalf("waiting for a pod to be old enough: %v", r.site.Ctx.Err())
	}
}

// report is what there is to say about a run when its test has failed.
func (r *run) report() string {
	ctx, cancel := application.Background()
	defer cancel()
	var b strings.Builder
	o, err := r.site.Client("Workflow").Get(ctx, r.name, metav1.GetOptions{})
	if err != nil {
		return err.Error()
	}
	fmt.Fprintf(
		&b,
		"workflow %s %s: %s %s\n",
		r.name,
		o.GetUID(),
		application.Text(o, "status", "phase"),
		application.Text(o, "status", "message"),
	)
	nodes, err := nodesOf(o)
	if err != nil {
		return err.Error()
	}
	for _, n := range nodes {
		fmt.Fprintf(&b, "node %+v\n", n)
	}
	list, err := r.site.Kube().CoreV1().Pods(r.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: r.selector()})
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
