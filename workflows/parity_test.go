package workflows

import (
	"regexp"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// notParameters are the flags that a template of one container does not offer.
var notParameters = []yamltest.Exception{
	{Step: "*/*", Flag: "kubeconfig", Why: "a pod uses its service account"},
	{Step: "*/*", Flag: "context", Why: "a pod uses its service account"},
	{Step: "*/*", Flag: "results-dir", Why: "the outputs of the template are read there"},
	{Step: "*/*", Flag: "metrics-file", Why: "the file of a pod goes with it: Argo counts, and the claim says the same"},
	{Step: "*/*", Flag: "log-format", Why: "an overlay sets COPYTRIGGER_LOG_FORMAT in container.env"},
	{Step: "copytrigger/*", Flag: "after", Why: "the order of the workflow's steps is the gate"},

	{Step: "copytrigger/fire-trigger", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "copytrigger/disarm", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "copytrigger/disarm", Flag: "cleanup-id", Why: "a cleanup waits for the pods of the one before"},
	{Step: "copytrigger/unlock", Flag: "cleanup-id", Why: "a cleanup waits for the pods of the one before"},
	{Step: "copytrigger/unlock", Flag: "step", Why: "no file outlives the pods of single steps: outcome"},
	{Step: "copytrigger/unlock", Flag: "all", Why: "only somebody who has looked knows that nothing of the run lives"},
	{
		Step: "copytrigger/unlock", Flag: "keep-cleanup",
		Why: "a workflow of single steps cleans up in its exit handler, after them",
	},
	{Step: "quiesced-copy-run/*", Flag: "one-at-a-time", Why: "there is no second attempt: the exit handler cleans up"},
	{Step: "quiesced-copy/cleanup", Flag: "in-pod", Why: "its command runs in an image: copytrigger exec is one"},
	{Step: "quiesced-copy/cleanup", Flag: "pod", Why: "its command runs in an image: copytrigger exec is one"},
	{Step: "quiesced-copy/cleanup", Flag: "pod-selector", Why: "its command runs in an image: copytrigger exec is one"},
	{Step: "quiesced-copy/cleanup", Flag: "container", Why: "its command runs in an image: copytrigger exec is one"},
	{Step: "quiesced-copy-run/*", Flag: "state-file", Why: "Argo does not restart a container"},
	{Step: "copytrigger/unlock", Flag: "timeout", Why: "only an API server that is away takes time"},
	{Step: "copytrigger/await-pods-ended", Flag: "namespace", Why: "the pods are the workflow's, in its own namespace"},

	{Step: "copytrigger/fire-and-await", Flag: "fire", Why: "it always fires"},
	{Step: "copytrigger/fire-and-await", Flag: "until", Why: "after --fire it can only be completed"},
	{Step: "copytrigger/fire-and-await", Flag: "copy", Why: "there is no cut before it has fired"},
	{Step: "copytrigger/await-cut", Flag: "until", Why: "it is always cut"},
	{Step: "copytrigger/await-cut", Flag: "copy", Why: "it is where the copy is found"},
	{Step: "copytrigger/await-cut", Flag: "pvc-only", Why: "the cut is seen on the VolumeSnapshot alone"},
	{Step: "copytrigger/await-cut", Flag: "fire", Why: "fire-trigger does it"},
	{Step: "copytrigger/await-completed", Flag: "until", Why: "await-cut is that with cut"},
	{Step: "copytrigger/await-completed", Flag: "fire", Why: "fire-and-await is that with --fire"},

	{Step: "quiesced-copy-run/*", Flag: "namespace", Why: "the mutex and the account are in the workflow's namespace"},
	{Step: "quiesced-copy-run/*", Flag: "run-id", Why: "it is the workflow's uid, which freeze and cleanup both know"},
	{Step: "quiesced-copy/cleanup", Flag: "namespace", Why: "the mutex and the account are in the workflow's namespace"},
	{Step: "quiesced-copy/cleanup", Flag: "run-id", Why: "it is the workflow's uid, which freeze and cleanup both know"},
	{Step: "quiesced-copy/cleanup", Flag: "unquiesce-timeout", Why: "activeDeadlineSeconds of cleanup is set for it"},
	{Step: "*/*", Flag: "results-limit", Why: "Argo carries more than Tekton, for which the files are cut"},
	{Step: "*/cleanup", Flag: "run-ended", Why: "it waits for the end of the pod"},
	{Step: "*/cleanup", Flag: "await-pods", Why: "it is the pod of freeze that it waits for"},
	{Step: "*/cleanup", Flag: "timeout", Why: "activeDeadlineSeconds of cleanup is set for it"},
}

// parameter is a flag that gets the value of a parameter.
var parameter = regexp.MustCompile(`--([a-z-]+)=\{\{inputs\.parameters\.`)

// passed returns the flags of a template's container whose value is a parameter.
func passed(tmpl *wfv1.Template) []string {
	var flags []string
	for _, arg := range tmpl.Container.Args {
		if m := parameter.FindStringSubmatch(arg); m != nil {
			flags = append(flags, m[1])
		}
	}
	for _, e := range tmpl.Container.Env {
		if name, is := strings.CutPrefix(e.Name, "COPYTRIGGER_"); is && strings.Contains(e.Value, "{{inputs.parameters.") {
			flags = append(flags, strings.ReplaceAll(strings.ToLower(name), "_", "-"))
		}
	}
	return flags
}

// offered returns the templates of one container. Where a pod has several, it picks what its
// run needs.
func offered(t *testing.T) []yamltest.Step {
	t.Helper()
	var steps []yamltest.Step
	for name, o := range applied(t).templates {
		for _, tmpl := range o.Spec.Templates {
			if tmpl.Container == nil {
				continue
			}
			steps = append(steps, yamltest.Step{
				Name:   name + "/" + tmpl.Name,
				Flags:  yamltest.FlagsOf(t, tmpl.Container.Args[0]),
				Passed: passed(&tmpl),
			})
		}
	}
	return steps
}

// Every flag of a step is a parameter, or an exception.
func TestFlagsAreParameters(t *testing.T) {
	steps := offered(t)
	if len(steps) < 10 {
		t.Errorf("there are only %d steps", len(steps))
	}
	yamltest.None(t, yamltest.Disparities(steps, notParameters))
	steps[0].Flags = append(steps[0].Flags, "new")
	yamltest.Some(t, yamltest.Disparities(steps, notParameters), steps[0].Name+": --new is neither")
}
