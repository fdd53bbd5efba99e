package tekton

import (
	"encoding/json"
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// sql is a command for the shell that runs SQL, and something after it.
func sql(script, after string) string {
	return "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/" + script + " && " + after
}

// inPod is psql for the application's own pod, as a JSON array.
func inPod(quiesce bool) string {
	text, _ := json.Marshal(application.InPod(quiesce)) // strings always can be
	return string(text)
}

func oneStepNights() []night {
	return []night{
		{name: "a good night", reason: "Completed", outcome: []string{"ok"}, copied: true},
		{
			name: "a good night, with commands as JSON",
			params: map[string]any{
				"quiesce-command":   `["psql", "--file=/workspace/scripts/quiesce.sql"]`,
				"unquiesce-command": `["psql", "--file=/workspace/scripts/unquiesce.sql"]`,
			},
			reason: "Completed", outcome: []string{"ok"}, copied: true,
		},
		{
			name:   "in the application's own pod, with no image",
			params: map[string]any{"in-pod": "true", "quiesce-command": inPod(true), "unquiesce-command": inPod(false)},
			change: func(s *site, spec map[string]any) {
				s.MayExec()
				application.LeaveOut(spec, "params", "image")
			},
			reason: "Completed", outcome: []string{"ok"}, copied: true,
		},
		{
			name:   "quiesce fails half-way",
			params: map[string]any{"quiesce-command": sql("quiesce.sql", "sleep 3 && exit 7")},
			reason: "Failed", outcome: []string{"refused"}, cleanup: true,
		},
		{
			name: "the copy never completes", held: true,
			params: map[string]any{"copy-timeout": "60s"},
			reason: "Failed", outcome: []string{"tainted"}, cleanup: true,
		},
		{
			// The process is left, and lets go itself.
			name: "the command is killed for its memory", held: true,
			params: map[string]any{"quiesce-command": sql("quiesce.sql", "exec tail /dev/zero")},
			change: func(_ *site, spec map[string]any) {
				spec["taskRunSpecs"] = []any{map[string]any{"pipelineTaskName": oneStep.task, "stepSpecs": []any{map[string]any{
					"name": "run", "computeResources": map[string]any{"limits": map[string]any{"memory": "64Mi"}},
				}}}}
			},
			reason: "Failed", outcome: []string{"refused"}, cleanup: true,
		},
		{
			name:   "the process is killed",
			params: map[string]any{"quiesce-command": sql("quiesce.sql", "kill -KILL $PPID")},
			reason: "Failed", outcome: nil, cleanup: true,
		},
		{
			// Its process has the pod's grace all the same. Tekton makes the pod again: that one
			// lets go what is left, or, if that is nothing, begins anew.
			name: "the pod is deleted by force", held: true,
			params:  map[string]any{"wait-timeout": "20s"},
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); s.DeletePod(r.podOf(oneStep.task)) },
			reason:  "Failed", outcome: []string{"tainted", "timed-out"}, cleanup: true,
		},
		{
			name:    "the pod is deleted by force in the middle of quiesce",
			params:  map[string]any{"quiesce-command": sql("quiesce.sql", "exec tail --follow /dev/null"), "max-freeze": "60s"},
			happens: func(s *site, r *run) { s.DeletePod(r.podOf(oneStep.task)) },
			reason:  "Failed", outcome: []string{"tainted", "timed-out"}, cleanup: true,
		},
		{
			name: "CancelledRunFinally", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("CancelledRunFinally") },
			reason:  "Cancelled", outcome: nil, cleanup: true,
		},
		{
			// Nothing else runs, but the process itself lets go in the pod's grace.
			name: "Cancelled", held: true, ending: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Cancelled") },
			reason:  "Cancelled", outcome: nil,
		},
	}
}

// As TestNights, with one process in the pod.
func TestOneStepNights(t *testing.T) {
	for _, n := range oneStepNights() {
		n.of = oneStep
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
	if got := r.ended(); got != "Succeeded" && got != "Completed" {
		t.Fatalf("the run ended with %s", got)
	}
	if got := results(r.task(oneStep.task)); got["outcome"] != "ok" || got["freeze-seconds"] == "" ||
		got["trigger"] != s.Marks().Latest {
		t.Errorf("the results are %v", got)
	}
	s.LeftUnlocked()
	s.Ledger.AwaitWrites()
}

// The lock ends with the pod, by whatever it ends: nothing has to unquiesce.
func TestLostHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate(s.Hold().Class())
	r := s.startExample("hold.yaml", map[string]any{"wait-timeout": "20s"}, nil)
	harness.LogIfFailed(t, r.report)
	s.AwaitStatus(harness.InProgress)
	s.DB.Assert(application.WritersWait)
	s.DeletePod(r.podOf(oneStep.task))
	s.Ledger.AwaitWrites()
	if got := r.ended(); got != "Failed" {
		t.Errorf("the run ended with %s", got)
	}
	s.AwaitDisarmed()
	s.LeftUnlocked()
}
