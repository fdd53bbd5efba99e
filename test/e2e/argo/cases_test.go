package argo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// night is one case: what happens to a run, and how all that is left stands.
type night struct {
	name   string
	of     string // the example
	params map[string]string
	change func(s *site, spec map[string]any)
	held   bool // the copy never gets ready to use
	// happens is what the world does while the application is frozen.
	happens func(s *site, r *run)
	// before is what the world does when the run has begun, in a night without a freeze.
	before func(s *site, r *run)

	ending
	or      []ending // where it is chance which of two the controller sees
	cleaned int      // how many pods the cleanup has taken
	copied  bool     // VolSync recorded our trigger
	frozen  bool     // the application is left frozen: then rescue says how it is freed
	never   bool     // it has never been frozen
	alone   bool     // its process lets go when the run has ended already

	anywhere bool // also in a cluster that is not ours
}

// ending is how the run itself stands.
type ending struct {
	phase   string // of the Workflow
	outcome string // an output of the pod of the freeze
	reason  string // what the output reason must have in it; nothing if it is to be empty
}

func (e ending) is(got ending) bool {
	return got.phase == e.phase && got.outcome == e.outcome && strings.Contains(got.reason, e.reason) &&
		(got.reason == "") == (e.reason == "")
}

// remade is that of a run whose pod Argo has made again, which finds the lock of the first.
// Argo does that with a pod that has just started, and where the controller is slow with
// others, too.
var remade = ending{"Failed", "tainted", "await-waiting"}

// unquiesceFails fails some times where there is something to clean up, and works then.
func unquiesceFails(times int) string {
	return command("bash", "-ec", fmt.Sprintf(`ask() { psql --tuples-only --no-align --command="$1"; }
if [ "$(ask 'SHOW default_transaction_read_only')" = on ]; then
	failed=$(ask "SELECT coalesce(obj_description('ledger'::regclass), '')")
	if [ "${#failed}" -lt %d ]; then
		psql --quiet --command='SET default_transaction_read_only = off' --command="COMMENT ON TABLE ledger IS 'x$failed'"
		exit 1
	fi
fi
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/unquiesce.sql`, times))
}

const (
	quiesceForEver = "exec sleep infinity"
	unknown        = "unknown" // the outcome where no verdict was reached
)

// byExec is a step's command that runs psql in the application's own pod.
func byExec(quiesce bool) string {
	return command(append([]any{"copytrigger", "exec", "--pvc=" + harness.Claim, "--"}, application.InPod(quiesce)...)...)
}

func nights() []night {
	return []night{
		{name: "a good night", anywhere: true, ending: ending{"Succeeded", "ok", ""}, copied: true},
		{
			name:   "in the application's own pod, with no image",
			params: map[string]string{"quiesce-command": byExec(true), "unquiesce-command": byExec(false)},
			change: func(s *site, spec map[string]any) {
				s.MayExec()
				application.LeaveOut(spec["arguments"].(map[string]any), "parameters", "quiesce-image", "unquiesce-image")
			},
			ending: ending{"Succeeded", "ok", ""}, copied: true,
		},
		{
			name:   "quiesce fails half-way",
			params: map[string]string{"quiesce-command": script("quiesce.sql", "exit 7")},
			ending: ending{"Failed", "refused", "quiesce"}, cleaned: 1,
		},
		{
			name: "fire is refused",
			// The quiesce step does not end before the test has done its part.
			params: map[string]string{
				"quiesce-command": script("quiesce.sql", application.UntilGo),
			},
			happens: func(s *site, _ *run) {
				s.DeleteSource()
				s.DB.Do(application.Name, "SET default_transaction_read_only = off", "COMMENT ON TABLE ledger IS 'go'")
			},
			ending: ending{"Failed", "refused", "fire-and-await"}, cleaned: 1,
		},
		{
			name: "the copy never completes", held: true,
			params: map[string]string{"copy-timeout": "60s"},
			ending: ending{"Failed", "tainted", "fire-and-await"}, cleaned: 1,
		},
		{
			name:   "unquiesce fails",
			params: map[string]string{"unquiesce-command": unquiesceFails(1)},
			ending: ending{"Failed", "unverified", "unquiesce"}, cleaned: 1, copied: true,
		},
		{
			name:   "unquiesce fails in the cleanup too",
			params: map[string]string{"unquiesce-command": unquiesceFails(3)},
			ending: ending{"Failed", "unverified", "unquiesce"}, cleaned: 1, copied: true,
		},
		{
			name: "a step is killed for its memory", held: true,
			params: map[string]string{"quiesce-command": script("quiesce.sql", "ulimit -v 1000000\nexec tail /dev/zero")},
			change: func(s *site, spec map[string]any) {
				s.reshape(spec, "freeze", func(template map[string]any) {
					container(template, "quiesce")["resources"] = map[string]any{"limits": map[string]any{"memory": "64Mi"}}
				})
			},
			// The kernel chooses: argoexec, or what it runs.
			ending: ending{"Failed", unknown, ""}, or: []ending{{"Failed", "refused", "quiesce"}}, cleaned: 1,
		},
		{
			name: "the pod is deleted by force", held: true,
			happens: func(s *site, r *run) {
				s.AwaitStatus(harness.InProgress)
				r.settled()
				s.DeletePod(r.pod(freezePod).Name)
			},
			ending: ending{"Error", unknown, ""}, or: []ending{remade}, cleaned: 1,
		},
		{
			name: "the pod is deleted by force at once", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); s.DeletePod(r.pod(freezePod).Name) },
			ending:  ending{"Error", unknown, ""}, or: []ending{remade}, cleaned: 1,
		},
		{
			name:    "the pod is deleted by force in the middle of quiesce",
			params:  map[string]string{"quiesce-command": script("quiesce.sql", quiesceForEver)},
			happens: func(s *site, r *run) { r.settled(); s.DeletePod(r.pod(freezePod).Name) },
			ending:  ending{"Error", unknown, ""}, or: []ending{remade}, cleaned: 1,
		},
		{
			name:    "the pod is deleted by force in the middle of quiesce, at once",
			params:  map[string]string{"quiesce-command": script("quiesce.sql", quiesceForEver)},
			happens: func(s *site, r *run) { s.DeletePod(r.pod(freezePod).Name) },
			ending:  ending{"Error", unknown, ""}, or: []ending{remade}, cleaned: 1,
		},
		{
			name: "the pod is evicted", held: true,
			happens: func(s *site, r *run) {
				s.AwaitStatus(harness.InProgress)
				pod := r.pod(freezePod).Name
				if err := s.Evict(pod); !apierrors.IsTooManyRequests(err) {
					s.Fatalf("the podDisruptionBudget has not kept the pod: %v", err)
				}
				s.Must(s.Kube().PolicyV1().PodDisruptionBudgets(s.Namespace).Delete(s.Ctx, r.name, metav1.DeleteOptions{}))
				s.Must(s.Evict(pod))
			},
			// The pod is gone soon after it has failed, and the controller may look later.
			ending: ending{"Error", unknown, ""}, or: []ending{{"Failed", unknown, ""}, remade}, cleaned: 1,
		},
		{
			name: "the deadline passes", held: true,
			params: map[string]string{"deadline-seconds": "240"},
			// Containers are told one after the other; the verdict may be the last.
			ending: ending{"Failed", unknown, ""}, or: []ending{{"Failed", "tainted", "fire-and-await"}}, cleaned: 1,
		},
		{
			name: "stop", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Stop") },
			// Containers are told one after the other; the verdict may be the last.
			ending: ending{"Failed", unknown, ""}, or: []ending{{"Failed", "tainted", "fire-and-await"}}, cleaned: 1,
		},
		{
			// Argo repeats nothing of a workflow that was stopped.
			name: "stop, and unquiesce fails", held: true,
			params:  map[string]string{"unquiesce-command": unquiesceFails(3)},
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Stop") },
			ending:  ending{"Failed", unknown, ""}, or: []ending{{"Failed", "tainted", "fire-and-await"}}, cleaned: 1,
		},
		{
			name:    "stop in the middle of quiesce",
			params:  map[string]string{"quiesce-command": script("quiesce.sql", quiesceForEver)},
			happens: func(_ *site, r *run) { r.set("Stop") },
			ending:  ending{"Failed", unknown, ""}, cleaned: 1,
		},
		{
			name: "terminate", held: true,
			happens: func(s *site, r *run) { s.AwaitStatus(harness.InProgress); r.set("Terminate") },
			// Nobody waits for the outputs of its pod.
			ending: ending{"Failed", unknown, ""}, or: []ending{{"Failed", "", ""}}, frozen: true,
		},
		{
			name:   "a quiesce command that is not JSON",
			params: map[string]string{"quiesce-command": "psql --file=/workspace/scripts/quiesce.sql"},
			ending: ending{"Failed", "refused", "quiesce"}, cleaned: 1, never: true,
		},
		{
			name:   "an unquiesce program that is not there",
			params: map[string]string{"unquiesce-command": command("no-such-program")},
			change: func(s *site, spec map[string]any) {
				// Six times, too, but sooner after each other.
				s.reshape(spec, "cleanup", func(template map[string]any) {
					template["retryStrategy"].(map[string]any)["backoff"] = map[string]any{"duration": "1s"}
					args := template["container"].(map[string]any)["args"].([]any)
					args[slices.Index(args, any("--unquiesce-timeout=2m"))] = "--unquiesce-timeout=1s"
				})
			},
			ending: ending{"Failed", "refused", "await-waiting"}, cleaned: 6, never: true,
		},
		{
			name:   "an unquiesce image that does not come",
			params: map[string]string{"unquiesce-image": "registry.example.com/none:v1", "deadline-seconds": "10"},
			// The cleanup needs it, too: it would go on for half an hour.
			before: func(s *site, r *run) { r.awaitPods("cleanup"); r.set("Terminate") },
			ending: ending{"Failed", unknown, ""}, cleaned: 1, never: true,
		},
		{
			name:   "a quiesce image that does not come",
			params: map[string]string{"quiesce-image": "registry.example.com/none:v1", "deadline-seconds": "20"},
			ending: ending{"Failed", unknown, ""}, cleaned: 1, never: true,
		},
	}
}

// Each night has a namespace, a database and a run of its own. A failed copy is never
// green, no trigger stays armed, and where Argo lets anything run, the application does.
func TestNights(t *testing.T) {
	t.Parallel()
	for _, n := range nights() {
		n.of = "workflow.yaml"
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			n.pass(t, n.site(t))
		})
	}
}

func (n night) site(t *testing.T) *site {
	t.Helper()
	if n.anywhere {
		return &site{application.Anywhere(t, "workflows")}
	}
	return newSite(t)
}

func (n night) pass(t *testing.T, s *site) {
	s.Sync(n.held)
	r := s.startExample(n.of, n.params, func(spec map[string]any) {
		if n.change != nil {
			n.change(s, spec)
		}
	})
	harness.LogIfFailed(t, r.report)
	if n.before != nil {
		n.before(s, r)
	}
	if n.happens != nil {
		s.DB.AwaitFrozen(true)
		s.Ledger.AwaitFreeze()
		n.happens(s, r)
	}
	phase := r.ended()
	freeze := r.pods("freeze")
	if len(freeze) != 1 {
		t.Fatalf("there are %d nodes of freeze", len(freeze))
	}
	got := ending{phase, freeze[0].output("outcome"), freeze[0].output("reason")}
	if !slices.ContainsFunc(append(n.or, n.ending), func(e ending) bool { return e.is(got) }) {
		t.Errorf("the run ended with %q, want %q or one of %q", got, n.ending, n.or)
	}
	if good := got.outcome == "ok"; good != (freeze[0].Phase == "Succeeded") || good != (phase == "Succeeded") {
		t.Errorf("the pod of the freeze ended with %s, the run with %q", freeze[0].Phase, got)
	}
	n.ending = got
	n.leaves(t, s, r)
}

// leaves asserts how all stands when the run has ended.
func (n night) leaves(t *testing.T, s *site, r *run) {
	cleaned := r.pods("cleanup")
	if len(cleaned) != n.cleaned {
		t.Errorf("the cleanup took %d pods, want %d", len(cleaned), n.cleaned)
	}
	if n.alone {
		s.AwaitUnlocked()
	}
	if !n.frozen {
		s.AwaitDisarmed()
	}
	uid := r.uid()
	if latest := s.Marks().Latest; n.copied != strings.HasPrefix(latest, uid+".") {
		t.Errorf("VolSync has recorded %q of run %s; want it recorded: %t", latest, uid, n.copied)
	}
	if seen := s.Ledger.Seen(); len(seen) == 0 != n.never {
		t.Errorf("the application has noticed %+v; want a freeze: %t", seen, !n.never)
	}
	if n.frozen {
		r.awaitPodEnded()
	}
	s.Left(t, uid, n.frozen)
	if n.frozen {
		s.rescue(r.name, uid)
		s.AwaitDisarmed()
	}
	s.Ledger.AwaitWrites()
	s.unbudgeted()
	if harness.Ours() { // nobody else's controller shows its metrics here
		n.counted(s, cleaned)
	}
}

// counted asserts what the controller's metrics say of the night.
func (n night) counted(s *site, cleaned []node) {
	s.Helper()
	s.metric(`copytrigger_runs_total{namespace="%s",pvc="data",status="`+n.phase+`"}`, 1)
	byPhase := map[string]float64{}
	for _, pod := range cleaned {
		byPhase[pod.Phase]++
	}
	if n.before != nil {
		clear(byPhase) // it was terminated, and is not counted
	}
	for phase, count := range byPhase {
		s.metric(`copytrigger_cleanups_total{namespace="%s",pvc="data",status="`+phase+`"}`, count)
	}
	if n.outcome != "" && n.outcome != unknown && !n.alone { // Argo may have counted before the outputs came
		s.metric(`copytrigger_outcomes_total{namespace="%s",outcome="`+n.outcome+`",pvc="data"}`, 1)
	}
	if n.outcome == "ok" || n.outcome == "unverified" {
		s.metricThat(
			fmt.Sprintf(`copytrigger_freeze_seconds{namespace="%s",pvc="data"}`, s.Namespace),
			"is more than 0",
			func(got float64) bool { return got > 0 },
		)
	}
}

// Where the Workflow is deleted nothing unquiesces, and if await-completed had not begun yet
// nothing takes the trigger back: that is left to rescue.
func TestWorkflowDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate(s.Hold().Class())
	r := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)
	s.Ledger.AwaitFreeze()
	uid := r.uid()
	s.Must(s.Client("Workflow").Delete(s.Ctx, r.name, metav1.DeleteOptions{}))
	s.rescue(r.name, uid)
	s.AwaitDisarmed()
	if len(s.Ledger.Seen()) == 0 {
		t.Error("the application has noticed no freeze: this test shows nothing")
	}
	s.Ledger.AwaitWrites()
}

// unbudgeted asserts that no podDisruptionBudget is left to stand in the way of a drain.
func (s *site) unbudgeted() {
	s.Helper()
	list, err := s.Kube().PolicyV1().PodDisruptionBudgets(s.Namespace).List(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	if len(list.Items) != 0 {
		s.Fatalf("a podDisruptionBudget is left: %s", list.Items[0].Name)
	}
}

// rescue is what the documentation says to do where nothing ran: the example by hand.
func (s *site) rescue(workflow, uid string) {
	s.Helper()
	o := s.example("cleanup.yaml")
	spec := o.Object["spec"].(map[string]any)
	setParam(spec, "workflow", workflow) // the file has none of them
	setParam(spec, "run-id", uid)
	setParam(spec, "pvcs", harness.Claim)
	by := s.submit(o)
	if got := by.ended(); got != "Succeeded" {
		s.Fatalf("the cleanup by hand ended with %s\n%s", got, by.report())
	}
	s.Freed()
}

// reshape changes a template of quiesced-copy for one workflow, which then has the shipped
// templates in it. One changed in the cluster might be seen too late.
func (s *site) reshape(spec map[string]any, name string, change func(template map[string]any)) {
	s.Helper()
	for _, o := range s.Shipped("workflows") {
		if o.GetKind() != "WorkflowTemplate" || o.GetName() != "quiesced-copy" {
			continue
		}
		shipped := o.Object["spec"].(map[string]any)
		for _, t := range shipped["templates"].([]any) {
			if t := t.(map[string]any); t["name"] == name {
				change(t)
			}
		}
		for _, p := range spec["arguments"].(map[string]any)["parameters"].([]any) {
			p := p.(map[string]any)
			setParam(shipped, p["name"].(string), p["value"].(string))
		}
		maps.Copy(spec, shipped)
		delete(spec, "workflowTemplateRef")
	}
}

// container is one of a containerSet.
func container(template map[string]any, name string) map[string]any {
	for _, c := range template["containerSet"].(map[string]any)["containers"].([]any) {
		if c := c.(map[string]any); c["name"] == name {
			return c
		}
	}
	panic("there is no container " + name)
}

// awaitPodEnded waits until the pod of the freeze can do nothing any more.
func (r *run) awaitPodEnded() {
	r.site.Helper()
	r.site.Await(application.Kinds["Pod"], r.pod(freezePod).Name, "ended", func(o *unstructured.Unstructured) bool {
		phase := application.Text(o, "status", "phase")
		return phase == "Failed" || phase == "Succeeded"
	})
}

// awaitPods waits until the run has a pod of a template.
func (r *run) awaitPods(template string) {
	r.site.Helper()
	r.site.Await(application.Kinds["Workflow"], r.name, "at "+template, func(o *unstructured.Unstructured) bool {
		nodes, err := nodesOf(o)
		r.site.Must(err)
		return len(podsOf(nodes, template)) > 0
	})
}
