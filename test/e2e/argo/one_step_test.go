package argo

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// sql is a command for the shell that runs SQL, and something after it.
func sql(script, after string) string {
	return "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/" + script + " && " + after
}

func oneStepNights() []night {
	return []night{
		{name: "a good night", ending: ending{"Succeeded", "ok", ""}, copied: true},
		{
			name: "a good night, with commands as JSON",
			params: map[string]string{
				"quiesce-command":   `["psql", "--file=/workspace/scripts/quiesce.sql"]`,
				"unquiesce-command": `["psql", "--file=/workspace/scripts/unquiesce.sql"]`,
			},
			ending: ending{"Succeeded", "ok", ""}, copied: true,
		},
		{
			name: "in the application's own pod, with no image",
			params: map[string]string{
				"in-pod":            "true",
				"quiesce-command":   command(application.InPod(true)...),
				"unquiesce-command": command(application.InPod(false)...),
			},
			change: func(s *site, spec map[string]any) {
				s.MayExec()
				application.LeaveOut(spec["arguments"].(map[string]any), "parameters", "image")
			},
			ending: ending{"Succeeded", "ok", ""}, copied: true,
		},
		{
			name:   "quiesce fails half-way",
			params: map[string]string{"quiesce-command": sql("quiesce.sql", "sleep 3 && exit 7")},
			ending: ending{"Failed", "refused", "quiesce"}, cleaned: 1,
		},
		{
			name: "the copy never completes", held: true,
			params: map[string]string{"copy-timeout": "60s"},
			ending: ending{"Failed", "tainted", "timed out"}, cleaned: 1,
		},
		{
			name:   "the process is killed",
			params: map[string]string{"quiesce-command": sql("quiesce.sql", "kill -KILL $PPID")},
			ending: ending{"Failed", "unknown", ""}, cleaned: 1,
		},
		{
			// argoexec is stopped, too, and may have looked for the outcome before it was there.
			name: "stop", held: true, alone: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Stop") },
			ending:  ending{"Failed", "tainted", "SIGTERM"}, or: []ending{{"Failed", unknown, ""}}, cleaned: 1,
		},
		{
			// No exit handler runs, but the process lets go by itself.
			name: "terminate", held: true, alone: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Terminate") },
			ending:  ending{"Failed", "", ""}, or: []ending{{"Failed", "tainted", "SIGTERM"}, {"Failed", unknown, ""}},
		},
	}
}

// As TestNights, with one process in the pod.
func TestOneStepNights(t *testing.T) {
	t.Parallel()
	for _, n := range oneStepNights() {
		n.of = "run.yaml"
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			n.pass(t, s)
		})
	}
}

// A session holds its lock until VolSync has copied, and no longer.
func TestHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	r := s.startExample("hold.yaml", nil, nil)
	harness.LogIfFailed(t, r.report)
	s.AwaitStatus(harness.InProgress)
	s.DB.Assert(application.WritersWait)
	storage.Release()
	if got := r.ended(); got != "Succeeded" {
		t.Fatalf("the run ended with %s", got)
	}
	got := r.pods("freeze")[0]
	if got.output("outcome") != "ok" || got.output("freeze-seconds") == "" || got.output("trigger") != s.Marks().Latest {
		t.Errorf("the outputs are %v", got.Outputs)
	}
	s.LeftUnlocked()
	s.Ledger.AwaitWrites()
}
