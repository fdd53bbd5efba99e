package tekton

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// night is one case: what happens to a run, and how all that is left stands.
type night struct {
	name   string
	of     pipeline
	params map[string]any
	change func(s *site, spec map[string]any)
	held   bool // the copy never gets ready to use
	// happens is what the world does while the application is frozen.
	happens func(s *site, r *run)

	reason  string   // Tekton's, of the PipelineRun
	outcome []string // the TaskRun's result is one of these, "" if it has none; nil is that alone
	cleanup bool     // the cleanup task ran
	copied  bool     // VolSync recorded our trigger
	frozen  bool     // the application is left frozen: then rescue says how it is freed
	ending  bool     // its pod unquiesces and unlocks after the run has ended
	never   bool     // nothing was ever frozen

	anywhere bool // also in a cluster that is not ours
}

// byExec is a step's command that runs psql in the application's own pod.
func byExec(quiesce bool) []any {
	return append([]any{"copytrigger", "exec", "--pvc=" + harness.Claim, "--"}, application.InPod(quiesce)...)
}

func nights() []night {
	return []night{
		{name: "a good night", anywhere: true, reason: "Completed", outcome: []string{"ok"}, copied: true},
		{
			name:   "in the application's own pod, with no image",
			params: map[string]any{"quiesce-command": byExec(true), "unquiesce-command": byExec(false)},
			change: func(s *site, spec map[string]any) {
				s.MayExec()
				application.LeaveOut(spec, "params", "quiesce-image", "unquiesce-image")
			},
			reason: "Completed", outcome: []string{"ok"}, copied: true,
		},
		{
			name:   "quiesce fails half-way",
			params: map[string]any{"quiesce-command": application.Script("quiesce.sql", "exit 7")},
			reason: "Failed", outcome: []string{"refused"}, cleanup: true,
		},
		{
			name: "fire is refused",
			// The quiesce step does not end before the test has done its part.
			params: map[string]any{
				"quiesce-command": application.Script("quiesce.sql", application.UntilGo),
			},
			happens: func(s *site, _ *run) {
				s.DeleteSource()
				s.DB.Do(application.Name, "SET default_transaction_read_only = off", "COMMENT ON TABLE ledger IS 'go'")
			},
			reason: "Failed", outcome: []string{"refused"}, cleanup: true,
		},
		{
			name: "the copy never completes", held: true,
			params: map[string]any{"copy-timeout": "60s"},
			reason: "Failed", outcome: []string{"tainted"}, cleanup: true,
		},
		{
			name: "unquiesce fails",
			// It fails once, where there is something to clean up.
			params: map[string]any{
				"unquiesce-command": []any{"bash", "-ec", `ask() { psql --tuples-only --no-align --command="$1"; }
if [ "$(ask 'SHOW default_transaction_read_only')" = on ] &&
	[ -z "$(ask "SELECT obj_description('ledger'::regclass)")" ]; then
	psql --quiet --command='SET default_transaction_read_only = off' --command="COMMENT ON TABLE ledger IS 'failed once'"
	exit 1
fi
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/unquiesce.sql`},
			},
			reason: "Failed", outcome: []string{"unverified"}, cleanup: true, copied: true,
		},
		{
			name: "a step is killed for its memory", held: true,
			params: map[string]any{"quiesce-command": application.Script("quiesce.sql", "exec tail /dev/zero")},
			change: func(_ *site, spec map[string]any) {
				spec["taskRunSpecs"] = []any{map[string]any{"pipelineTaskName": "quiesced-copy", "stepSpecs": []any{map[string]any{
					"name": "quiesce", "computeResources": map[string]any{"limits": map[string]any{"memory": "64Mi"}},
				}}}}
			},
			// The pod goes on to its verdict, but Tekton does not wait for it.
			reason: "Failed", outcome: []string{"refused", ""}, cleanup: true,
		},
		{
			name:   "a quiesce program that is not there",
			params: map[string]any{"quiesce-command": []any{"no-such-program"}},
			reason: "Failed", outcome: []string{"refused"}, cleanup: true, never: true,
		},
		{
			// The cleanup cannot run it either, and fails as often as it is tried.
			name:   "an unquiesce program that is not there",
			params: map[string]any{"unquiesce-command": []any{"no-such-program"}},
			reason: "Failed", outcome: nil, cleanup: true, never: true,
		},
		{
			name: "the pod is deleted by force", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); s.DeletePod(r.podOf("quiesced-copy")) },
			reason:  "Failed", outcome: nil, cleanup: true,
		},
		{
			name:    "the pod is deleted by force in the middle of quiesce",
			params:  map[string]any{"quiesce-command": application.Script("quiesce.sql", "exec sleep infinity")},
			happens: func(s *site, r *run) { s.DeletePod(r.podOf("quiesced-copy")) },
			reason:  "Failed", outcome: nil, cleanup: true,
		},
		{
			name: "the pod is evicted", held: true,
			happens: func(s *site, r *run) {
				s.AwaitStatus(harness.InProgress)
				s.Must(s.Evict(r.podOf("quiesced-copy")))
			},
			reason: "Failed", outcome: nil, cleanup: true,
		},
		{
			name: "the TaskRun times out", held: true,
			change: func(s *site, spec map[string]any) {
				for _, o := range s.Shipped("tasks") {
					if o.GetKind() == "Pipeline" && o.GetName() == "quiesced-copy" {
						pipeline := o.Object["spec"].(map[string]any)
						pipeline["tasks"].([]any)[0].(map[string]any)["timeout"] = "240s"
						delete(spec, "pipelineRef")
						spec["pipelineSpec"] = pipeline
					}
				}
			},
			reason: "Failed", outcome: nil, cleanup: true,
		},
		{
			name: "CancelledRunFinally", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("CancelledRunFinally") },
			reason:  "Cancelled", outcome: nil, cleanup: true,
		},
		{
			name: "Cancelled", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Cancelled") },
			reason:  "Cancelled", outcome: nil, frozen: true,
		},
	}
}

// Each night has a namespace, a database and a run of its own. A failed copy is never
// green, no trigger stays armed, and where Tekton lets anything run, the application does.
func TestNights(t *testing.T) {
	for _, n := range nights() {
		n.of = manySteps
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			n.pass(t, n.site(t))
		})
	}
}

func (n night) site(t *testing.T) *site {
	t.Helper()
	if n.anywhere {
		return &site{application.Anywhere(t, "tasks")}
	}
	return newSite(t)
}

func (n night) pass(t *testing.T, s *site) {
	s.Sync(n.held)
	r := s.startExample(n.of.example, n.params, func(spec map[string]any) {
		if n.change != nil {
			n.change(s, spec)
		}
	})
	harness.LogIfFailed(t, r.report)
	if n.happens != nil {
		s.DB.AwaitFrozen(true)
		s.Ledger.AwaitFreeze()
		n.happens(s, r)
	}
	if got := r.ended(); got != n.reason {
		t.Errorf("the PipelineRun ended with %s, want %s", got, n.reason)
	}
	task := r.task(n.of.task)
	if task == nil {
		t.Fatalf("there is no TaskRun %s", n.of.task)
	}
	got, found := results(task)["outcome"]
	want := n.outcome
	if want == nil {
		want = []string{""}
	}
	if !slices.Contains(want, got) || found && got == "" {
		t.Errorf("the TaskRun has outcome %q, want %q", got, want)
	}
	if green := conditionOf(task) == "Succeeded"; green != (n.reason == "Completed") {
		t.Errorf("the TaskRun ended with %s", conditionOf(task))
	}
	if ran := r.task("cleanup") != nil; ran != n.cleanup {
		t.Errorf("cleanup ran: %t, want %t", ran, n.cleanup)
	}
	if n.ending {
		s.AwaitUnlocked()
	}
	s.AwaitDisarmed()
	uid := string(s.Get("PipelineRun", r.name).GetUID())
	if latest := s.Marks().Latest; n.copied != strings.HasPrefix(latest, uid+".") {
		t.Errorf("VolSync has recorded %q of run %s; want it recorded: %t", latest, uid, n.copied)
	}
	if seen := s.Ledger.Seen(); len(seen) == 0 != n.never {
		t.Errorf("the application has noticed %+v; want a freeze: %t", seen, !n.never)
	}
	s.Left(t, uid, n.frozen)
	if n.frozen {
		s.rescue(r, n.of)
	}
	s.Ledger.AwaitWrites()
}

// rescue is what the documentation says to do where nothing ran: the cleanup task by hand.
func (s *site) rescue(r *run, of pipeline) {
	s.Helper()
	uid := string(s.Get("PipelineRun", r.name).GetUID())
	o := s.example(of.cleanup)[0]
	spec := o.Object["spec"].(map[string]any)
	setParam(spec, "run-id", uid) // the file has none, and is refused as it is
	setParam(spec, "await-pods", "tekton.dev/pipelineRunUID="+uid)
	name := s.Create(o).GetName()
	ended := s.Await(application.Kinds["TaskRun"], name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "completionTime") != ""
	})
	if got := conditionOf(ended); got != "Succeeded" {
		s.Fatalf("the cleanup by hand ended with %s: %v", got, results(ended))
	}
	s.Freed()
}
