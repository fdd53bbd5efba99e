package argo

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// form is one way to put the steps together.
type form struct {
	name  string
	runs  int
	start func(s *site) *run
	// where the application is quiesced and unquiesced: template and container.
	quiesce, unquiesce [2]string
}

// inOnePod is how many of the forms are ours in one pod.
const inOnePod = 3

func forms() []form {
	return []form{
		{"quiesced-copy, one pod", 4, onePod, [2]string{"freeze", "quiesce"}, [2]string{"freeze", "unquiesce"}},
		{"quiesced-copy-run, one process", 4, oneProcess, oneContainer, oneContainer},
		{"quiesced-copy-run, a hold command", 4, oneHold, oneContainer, oneContainer},
		{"examples/dag.yaml, several pods", 3, severalPods, [2]string{"quiesce", "main"}, [2]string{"unquiesce", "main"}},
		{"kubectl in a shell loop, one pod", 2, kubectlOnePod, [2]string{"all", "quiesce"}, [2]string{"all", "main"}},
		{
			"kubectl in a shell loop, several pods",
			3,
			kubectlSeveralPods,
			[2]string{"quiesce", "main"},
			[2]string{"unquiesce", "main"},
		},
	}
}

// stamp is the users' steps of these runs.
var stamp = []any{"bash", "-c", application.Stamp}

func onePod(s *site) *run {
	return s.start(map[string]string{
		"quiesce-image": cluster.DebianImage, "quiesce-command": command(stamp...),
		"unquiesce-image": cluster.DebianImage, "unquiesce-command": command(stamp...),
	}, keepPods)
}

// oneContainer is where all is done in quiesced-copy-run.
var oneContainer = [2]string{"freeze", "main"}

func oneProcess(s *site) *run {
	return s.startExample("run.yaml", map[string]string{
		"image": cluster.DebianImage, "quiesce-command": application.Stamp, "unquiesce-command": application.Stamp,
	}, keepPods)
}

func oneHold(s *site) *run {
	return s.startExample("hold.yaml", map[string]string{
		"image": cluster.DebianImage, "hold-command": application.Stamp + "; echo QUIESCED; cat; " + application.Stamp,
	}, keepPods)
}

// severalPods is the shipped example with other commands in it.
func severalPods(s *site) *run {
	o := s.example("dag.yaml")
	spec := o.Object["spec"].(map[string]any)
	for _, t := range spec["templates"].([]any) {
		t := t.(map[string]any)
		if container, ok := t["container"].(map[string]any); ok {
			container["image"], container["command"] = cluster.DebianImage, stamp
			delete(container, "envFrom")
		}
	}
	keepPods(spec)
	s.Apply(s.File("tasks/examples/postgresql.yaml")...) // its ConfigMap is a volume
	return s.submit(o)
}

// keepPods keeps the pods of a run that succeeds: their logs have the time.
func keepPods(spec map[string]any) {
	gc, _ := spec["podGC"].(map[string]any)
	if gc == nil {
		gc = map[string]any{"strategy": "OnWorkflowSuccess"}
		spec["podGC"] = gc
	}
	gc["deleteDelayDuration"] = "1h"
}

// kubectlSteps are what users write today; the last one is called main, as Argo wants it.
func kubectlSteps() []any {
	var all []any
	for _, step := range [][2]string{
		{"await", application.KubectlWaiting},
		{"quiesce", application.Stamp},
		{"copy", application.KubectlCopy},
		{"main", application.Stamp},
	} {
		c := map[string]any{
			"name": step[0], "image": cluster.DebianImage, "command": []any{"bash", "-ec", step[1]},
			"securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
			},
		}
		if len(all) > 0 {
			c["dependencies"] = []any{all[len(all)-1].(map[string]any)["name"]}
		}
		all = append(all, c)
	}
	return all
}

func kubectlOnePod(s *site) *run {
	return s.inline(podTemplate("all", map[string]any{"containerSet": map[string]any{"containers": kubectlSteps()}}))
}

func kubectlSeveralPods(s *site) *run {
	var tasks, templates []any
	for _, c := range kubectlSteps() {
		c := c.(map[string]any)
		name := c["name"].(string)
		if name == "main" {
			name = "unquiesce"
		}
		task := map[string]any{"name": name, "template": name}
		if after, ok := c["dependencies"]; ok {
			task["dependencies"] = after
		}
		delete(c, "name")
		delete(c, "dependencies")
		tasks = append(tasks, task)
		templates = append(templates, podTemplate(name, map[string]any{"container": c}))
	}
	dag := map[string]any{"name": "dag", "dag": map[string]any{"tasks": tasks}}
	return s.inline(append([]any{dag}, templates...)...)
}

func podTemplate(name string, body map[string]any) map[string]any {
	body["name"] = name
	body["serviceAccountName"] = "copytrigger"
	body["securityContext"] = map[string]any{
		"runAsNonRoot": true, "runAsUser": int64(65532), "seccompProfile": map[string]any{"type": "RuntimeDefault"},
	}
	return body
}

// inline starts a workflow of templates of its own, with the first for entrypoint.
func (s *site) inline(templates ...any) *run {
	s.Helper()
	o := s.example("workflow.yaml")
	o.Object["spec"] = map[string]any{"entrypoint": templates[0].(map[string]any)["name"], "templates": templates}
	return s.submit(o)
}

// TestFreeze measures how long an application stays quiesced beyond the time that VolSync
// itself takes for the copy, for each form, and writes the table.
//
// It is not parallel: the other tests would be measured too. Our forms in one pod have the
// cluster to themselves. The runs of the others are measured side by side, for theirs is a
// long wait for the controller's looks, every ten seconds.
func TestFreeze(t *testing.T) {
	harness.Need(t, harness.Engine)
	overhead := application.Freezes{}
	var mu sync.Mutex
	var names []string
	measure := func(t *testing.T, f form, runs int) {
		s := bareSite(t)
		got := s.MeasureFreezes(
			t,
			application.Form{Name: f.name, Runs: runs, Frozen: func() time.Duration { return f.frozen(t, s) }},
		)
		mu.Lock()
		defer mu.Unlock()
		overhead[f.name] = append(overhead[f.name], got[f.name]...)
	}
	for i, f := range forms() {
		names = append(names, f.name)
		if i < inOnePod {
			t.Run(f.name, func(t *testing.T) { measure(t, f, f.runs) })
		}
	}
	t.Run("side by side", func(t *testing.T) {
		for _, f := range forms()[inOnePod:] {
			for range f.runs {
				t.Run(f.name, func(t *testing.T) { t.Parallel(); measure(t, f, 1) })
			}
		}
	})
	if t.Failed() {
		return
	}
	overhead.Report(t, names...)
	one, several := overhead.Median(names[0]), overhead.Median(names[inOnePod])
	for _, name := range names[1:inOnePod] {
		overhead.AtMost(t, name, one/2, "half of what containers one after the other take, which wait for argoexec's looks")
	}
	// argoexec looks once a second whether its command has ended, and that of the next
	// container once a second whether that one has. Between the two stamps are two such ends
	// (quiesce, fire-and-await), each with up to a second for the one look and up to a second
	// for the other.
	if one > 4*time.Second {
		t.Errorf("one pod: %s over the copy's own time; argoexec's own polling explains 4 s at most", one)
	}
	// As many pods as theirs; but ours hears of the copy at once, and theirs looks every five
	// seconds. In which second the controller looks is chance, for both.
	if theirs := overhead.Median(names[len(names)-1]); several > theirs+10*time.Second {
		t.Errorf(
			"several pods: %s, with kubectl in a shell loop: %s; want not longer, "+
				"but for one look of the controller, which looks every ten seconds",
			several,
			theirs,
		)
	}
	if one > several/3 {
		t.Errorf("one pod: %s, several pods: %s; want a third at most", one, several)
	}
}

// frozen is the time from the end of quiesce to the start of unquiesce.
func (f form) frozen(t *testing.T, s *site) time.Duration {
	t.Helper()
	r := f.start(s)
	if got := r.ended(); got != "Succeeded" {
		t.Fatalf("%s: the run ended with %s\n%s", f.name, got, r.report())
	}
	_, to := r.stamps(f.unquiesce)
	from, _ := r.stamps(f.quiesce)
	return to.Sub(from)
}

// stamps are the first and the last time that a container of a template has said.
func (r *run) stamps(of [2]string) (first, last time.Time) {
	r.site.Helper()
	template, container := of[0], of[1]
	for _, pod := range r.site.Pods(r.selector()) {
		// One pod alone has the name of its workflow; else that of its template is in it.
		if template == "freeze" || template == "all" || strings.HasPrefix(pod.Name, r.name+"-"+template+"-") {
			return r.site.Between(r.site.Log(r.site.Ctx, pod.Name, container))
		}
	}
	r.site.Fatalf("the run has no pod of %s", template)
	return first, last
}
