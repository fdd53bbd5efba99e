package jobs

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// site is a namespace with the shipped CronJob.
type site struct {
	*application.Site
	jobs []*job
}

func newSite(t *testing.T) *site { t.Helper(); return siteFor(t, application.New) }

func siteFor(t *testing.T, made func(*testing.T, string) *application.Site) *site {
	t.Helper()
	s := &site{Site: made(t, "jobs")}
	t.Cleanup(func() {
		for _, j := range s.jobs {
			if t.Failed() {
				t.Log(j.report())
			}
		}
	})
	return s
}

// job is a Job of a test.
type job struct {
	site *site
	name string
	uid  string
}

// night is the Job that the shipped CronJob makes.
func (s *site) night(change func(spec map[string]any)) *job {
	s.Helper()
	return s.start(s.jobOf("quiesced-copy"), change)
}

// jobOf is the Job that a CronJob makes, as `kubectl create job --from` does.
func (s *site) jobOf(cron string) *unstructured.Unstructured {
	s.Helper()
	spec, _, err := unstructured.NestedMap(s.Get("CronJob", cron).Object, "spec", "jobTemplate", "spec")
	s.Must(err)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"generateName": "night-"}, "spec": spec,
	}}
}

// programmed gives a Job the image that the shipped CronJob has.
func (s *site) programmed(spec map[string]any) {
	s.Helper()
	cron := s.jobOf("quiesced-copy").Object["spec"].(map[string]any)
	installOf(spec)["image"] = installOf(cron)["image"]
}

// example is the Job in a file of jobs/examples, with the image that the CronJob has.
func (s *site) example(name string, change func(spec map[string]any)) *job {
	s.Helper()
	o := s.File("jobs/examples/" + name)[0]
	return s.start(o, func(spec map[string]any) {
		s.programmed(spec)
		if change != nil {
			change(spec)
		}
	})
}

func (s *site) start(o *unstructured.Unstructured, change func(spec map[string]any)) *job {
	s.Helper()
	if change != nil {
		change(o.Object["spec"].(map[string]any))
	}
	made := s.Create(o)
	j := &job{s, made.GetName(), string(made.GetUID())}
	s.jobs = append(s.jobs, j)
	return j
}

func podOf(spec map[string]any) map[string]any {
	return spec["template"].(map[string]any)["spec"].(map[string]any)
}

func installOf(spec map[string]any) map[string]any {
	return podOf(spec)["initContainers"].([]any)[0].(map[string]any)
}

func containerOf(spec map[string]any) map[string]any {
	return podOf(spec)["containers"].([]any)[0].(map[string]any)
}

// setEnv replaces a variable of the program.
func setEnv(spec map[string]any, name, value string) {
	for _, e := range containerOf(spec)["env"].([]any) {
		if e := e.(map[string]any); e["name"] == name {
			e["value"] = value
			return
		}
	}
	panic("there is no variable " + name)
}

// ended waits for the Job's end, and says how it was: Complete or Failed.
func (j *job) ended() (kind string) {
	j.site.Helper()
	j.site.Await(application.Kinds["Job"], j.name, "ended", func(o *unstructured.Unstructured) bool {
		kind = conditionOf(o)
		return kind != ""
	})
	return kind
}

func conditionOf(o *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		c := c.(map[string]any)
		if kind := c["type"].(string); c["status"] == "True" && (kind == "Complete" || kind == "Failed") {
			return kind
		}
	}
	return ""
}

func (j *job) selector() string { return "batch.kubernetes.io/controller-uid=" + j.uid }

// pod waits for the Job's pod.
func (j *job) pod() corev1.Pod {
	j.site.Helper()
	var pods []corev1.Pod
	j.site.Await(application.Kinds["Job"], j.name, "with a pod", func(*unstructured.Unstructured) bool {
		pods = j.site.Pods(j.selector())
		return len(pods) > 0
	})
	return pods[0]
}

// delete is kubectl delete job, with --cascade.
func (j *job) delete(cascade metav1.DeletionPropagation) {
	j.site.Helper()
	j.site.Must(j.site.Client("Job").Delete(j.site.Ctx, j.name, metav1.DeleteOptions{PropagationPolicy: &cascade}))
}

// report is what there is to say about a Job when its test has failed.
func (j *job) report() string {
	ctx, cancel := application.Background()
	defer cancel()
	var b strings.Builder
	if o, err := j.site.Client("Job").Get(ctx, j.name, metav1.GetOptions{}); err == nil {
		fmt.Fprintf(&b, "job %s: %v\n", j.name, o.Object["status"])
	}
	list, err := j.site.Kube().CoreV1().Pods(j.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: j.selector()})
	if err != nil {
		return err.Error()
	}
	for _, pod := range list.Items {
		fmt.Fprintf(&b, "pod %s: %s %+v\n", pod.Name, pod.Status.Phase, pod.Status.ContainerStatuses)
		before, _ := j.site.Kube().
			CoreV1().
			Pods(j.site.Namespace).
			GetLogs(pod.Name, &corev1.PodLogOptions{Container: pod.Spec.Containers[0].Name, Previous: true}).
			DoRaw(ctx)
		fmt.Fprintf(&b, "--- before\n%s\n--- now\n%s\n", before, j.site.Log(ctx, pod.Name, pod.Spec.Containers[0].Name))
	}
	return b.String()
}
