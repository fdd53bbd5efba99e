package tekton

import (
	"maps"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// form is one way to put the steps together.
type form struct {
	name string
	runs int
	// start starts a run and gives the PipelineRun's name.
	start func(s *site) *run
	// tasks are those in which the application is quiesced and unquiesced; "" where one
	// process does both.
	quiesce, unquiesce string
}

func forms() []form {
	return []form{
		{"quiesced-copy, one pod", 6, onePod, "quiesced-copy", "quiesced-copy"},
		{"quiesced-copy-run, one process", 6, oneProcess, "", ""},
		{"quiesced-copy-run, a hold command", 6, oneHold, "", ""},
		{"separate Tasks, several pods", 3, severalPods, "quiesce", "unquiesce"},
		{"kubectl in a shell loop, one pod", 2, kubectlOnePod, "all", "all"},
		{"kubectl in a shell loop, several pods", 3, kubectlSeveralPods, "quiesce", "unquiesce"},
	}
}

// stamp is the users' steps of these runs.
var stamp = []any{"bash", "-c", application.Stamp}

func onePod(s *site) *run {
	return s.start(map[string]any{
		"quiesce-image": cluster.DebianImage, "quiesce-command": stamp,
		"unquiesce-image": cluster.DebianImage, "unquiesce-command": stamp,
	}, func(spec map[string]any) { delete(spec, "workspaces") })
}

func oneProcess(s *site) *run {
	return s.startExample(oneStep.example, map[string]any{
		"image": cluster.DebianImage, "quiesce-command": application.Stamp, "unquiesce-command": application.Stamp,
	}, func(spec map[string]any) { delete(spec, "workspaces") })
}

func oneHold(s *site) *run {
	return s.startExample("hold.yaml", map[string]any{
		"image": cluster.DebianImage, "hold-command": application.Stamp + "; echo QUIESCED; cat; " + application.Stamp,
	}, func(spec map[string]any) { delete(spec, "workspaces") })
}

// severalPods is the shipped example with other commands in it.
func severalPods(s *site) *run {
	all := s.example("separate-tasks.yaml")
	pipeline, pipelineRun := all[0], all[1]
	spec := pipeline.Object["spec"].(map[string]any)
	for _, t := range append(spec["tasks"].([]any), spec["finally"].([]any)...) {
		t := t.(map[string]any)
		switch t["name"] {
		case "quiesce", "unquiesce":
			step := t["taskSpec"].(map[string]any)["steps"].([]any)[0].(map[string]any)
			step["image"], step["command"] = cluster.DebianImage, stamp
			delete(step, "envFrom")
		case "cleanup":
			setParam(t, "unquiesce-image", cluster.DebianImage)
			setParam(t, "unquiesce-command", stamp)
		}
	}
	s.Apply(append(s.example("postgresql.yaml"), pipeline)...) // its ConfigMap is the workspace
	return &run{s, s.Create(pipelineRun).GetName()}
}

// kubectlSteps are what users write today.
func kubectlSteps() (wait, quiesce, copy, unquiesce map[string]any) {
	step := func(name, script string) map[string]any {
		return map[string]any{
			"name": name, "image": cluster.DebianImage, "command": []any{"bash", "-ec", script},
			"securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": map[string]any{"drop": []any{"ALL"}},
				"seccompProfile": map[string]any{"type": "RuntimeDefault"},
			},
		}
	}
	return step("wait", application.KubectlWaiting), step("quiesce", application.Stamp),
		step("copy", application.KubectlCopy), step("unquiesce", application.Stamp)
}

func kubectlOnePod(s *site) *run {
	wait, quiesce, copy, unquiesce := kubectlSteps()
	return s.inline(map[string]any{"tasks": []any{task("all", nil, wait, quiesce, copy, unquiesce)}})
}

func kubectlSeveralPods(s *site) *run {
	wait, quiesce, copy, unquiesce := kubectlSteps()
	return s.inline(map[string]any{"tasks": []any{
		task("wait", nil, wait), task("quiesce", []any{"wait"}, quiesce),
		task("copy", []any{"quiesce"}, copy), task("unquiesce", []any{"copy"}, unquiesce),
	}})
}

func task(name string, after []any, steps ...any) map[string]any {
	t := map[string]any{"name": name, "taskSpec": map[string]any{"steps": steps}}
	if after != nil {
		t["runAfter"] = after
	}
	return t
}

// inline starts a pipeline that stands in its run.
func (s *site) inline(pipeline map[string]any) *run {
	s.Helper()
	o := s.example("pipelinerun.yaml")[0]
	spec := o.Object["spec"].(map[string]any)
	for _, field := range []string{"pipelineRef", "params", "workspaces"} {
		delete(spec, field)
	}
	spec["pipelineSpec"] = pipeline
	return &run{s, s.Create(o).GetName()}
}

// TestFreeze measures how long an application stays quiesced beyond the time that VolSync
// itself takes for the copy, for each form, and writes the table.
//
// It is not parallel: the other tests would be measured too.
func TestFreeze(t *testing.T) {
	overhead := application.Freezes{}
	var names []string
	for _, f := range forms() {
		s := bareSite(t)
		maps.Copy(
			overhead,
			s.MeasureFreezes(
				t,
				application.Form{Name: f.name, Runs: f.runs, Frozen: func() time.Duration { return f.frozen(t, s) }},
			),
		)
		names = append(names, f.name)
	}
	overhead.Report(t, names...)
	one, several := overhead.Median(names[0]), overhead.Median(names[3])
	for _, name := range names[1:3] {
		overhead.AtMost(t, name, one/2, "half of what steps one after the other take, which wait for Tekton's looks")
	}
	if one > 2*time.Second {
		t.Errorf("one pod: %s over the copy's own time; Tekton's own polling explains 2 s at most", one)
	}
	// As many pods as theirs; but ours hears of the copy at once, and theirs looks every five
	// seconds.
	if theirs := overhead.Median(names[len(names)-1]); several > theirs+2*time.Second {
		t.Errorf(
			"several pods: %s, with kubectl in a shell loop: %s; want not longer, "+
				"but for what a busy machine may add to the start of two pods",
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
	if got := r.ended(); got != "Succeeded" && got != "Completed" {
		t.Fatalf("%s: the run ended with %s\n%s", f.name, got, r.report())
	}
	if f.quiesce == "" {
		from, to := r.site.Between(r.logOf(oneStep.task, "run"))
		return to.Sub(from)
	}
	return r.stamp(f.unquiesce, "unquiesce").Sub(r.stamp(f.quiesce, "quiesce"))
}

// stamp is the time that a step has said.
func (r *run) stamp(task, step string) time.Time {
	r.site.Helper()
	return r.site.Stamped(r.logOf(task, step))
}

// logOf is what a step of a task with one pod has said.
func (r *run) logOf(task, step string) string {
	r.site.Helper()
	pods := r.site.Pods(r.selector(task))
	if len(pods) != 1 {
		r.site.Fatalf("task %s has %d pods", task, len(pods))
	}
	return r.log(pods[0].Name, step)
}
