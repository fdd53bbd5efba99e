package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const tearing = 50 * time.Millisecond // between the files of a copy

// ways are how run quiesces an application.
func ways(app *harness.LockedApp) map[string][]string {
	return map[string][]string{
		"commands": {"--quiesce", app.Quiesce(), "--unquiesce", app.Unquiesce()},
		"hold":     {"--hold", app.Hold()},
	}
}

// A whole run, by each way: the copy is whole, the application runs, and the results say how
// long each part took.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"commands", "hold"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			app, storage := s.StartLockedApp(), s.Hold()
			storage.ReleaseSlowly(tearing)
			s.Replicate(storage.Source("Snapshot"))
			r := s.Run("run", append(ways(app)[way], "--run-id", "run")...).Ends(harness.OK)
			r.Says("quiesce", "fire → taken", " → completed", "frozen")
			if !s.CopyIsWhole() {
				t.Error("the copy is torn")
			}
			s.Leaves(r.Value("trigger"), r.Value("trigger"), harness.Completed)
			s.Copied(1)
			app.AwaitWrites()
			s.LeftUnlocked()
			sum := 0.0
			for _, part := range []string{
				"quiesce-seconds", "fire-seconds", "taken-seconds",
				"cut-seconds", "completed-seconds", "unquiesce-seconds",
			} {
				if r.Values[part] != "" || part != "cut-seconds" { // the cut may be seen too late
					sum += seconds(t, r, part)
				}
			}
			// A cut that is seen before the copying is has no time of its own, and a longer way
			// from it to the end.
			whole, unseen := seconds(t, r, "freeze-seconds"), r.Values["cut-seconds"] == ""
			if whole < sum && !unseen || whole > sum+30 {
				t.Errorf("frozen for %f s, and its parts are %f s: %s", whole, sum, r.Stdout)
			}
		})
	}
	t.Run("control: nothing quiesces it", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.StartLockedApp()
		storage := s.Hold()
		storage.ReleaseSlowly(100 * tearing) // it must write meanwhile, whatever the disk does
		s.Replicate(storage.Source("Snapshot"))
		s.Run("run", "--quiesce", "true", "--unquiesce", "true").Ends(harness.OK)
		if s.CopyIsWhole() {
			t.Error("the copy is not torn: these tests show nothing")
		}
	})
}

func seconds(t *testing.T, r *harness.Result, name string) float64 {
	t.Helper()
	number, ok := r.Values[name].(float64)
	if !ok {
		t.Fatalf("%s is %v: %s", name, r.Values[name], r.Stdout)
	}
	return number
}

// Until the cut: the application runs again long before the storage has done its part.
func TestRunUntilCut(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	storage.ReleaseReadyAfter(time.Minute)
	s.Replicate(storage.Source("Snapshot"))
	run := s.Start("run", "--hold", app.Hold(), "--until", "cut")
	run.Says("cut; the application runs again")
	app.AwaitWrites()
	if m := s.Marks(); m.Latest == m.Trigger {
		t.Errorf("VolSync has recorded the trigger already: this test shows nothing: %+v", m)
	}
	r := run.End().Ends(harness.OK)
	if f, c := seconds(t, r, "freeze-seconds"), seconds(t, r, "copy-seconds"); f > c-2 {
		t.Errorf("frozen for %f s of the copy's %f", f, c)
	}
	if !s.CopyIsWhole() {
		t.Error("the copy is torn")
	}
	s.Leaves(r.Value("trigger"), r.Value("trigger"), harness.Completed)
}

// Somebody deletes the copy that was cut in the freeze. VolSync would make another one, of
// the application that runs, and record the trigger for it.
func TestRunUntilCutOfACopyThatIsReplaced(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	storage.ReleaseReadyAfter(time.Minute) // until then the storage does not delete it
	s.Replicate(storage.Source("Snapshot"))
	run := s.Start("run", "--hold", app.Hold(), "--until", "cut")
	run.Says("cut; the application runs again")
	s.AskToDeleteCopy()
	run.End().Ends(harness.Unverified).Error("the copy that was cut in the freeze is gone")
	if m := s.Marks(); m.Trigger != m.Latest {
		t.Errorf("left armed: %+v", m)
	}
	app.AwaitWrites()
}

// The same by steps: the second await-completed says whether the copy is good.
func TestAwaitCompletedUntilCut(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	storage := s.Hold()
	storage.ReleaseReadyAfter(time.Minute)
	s.ReplicateAndWait(storage.Source("Snapshot"))
	trigger := s.AwaitWaiting("run")
	s.Fire(trigger)
	cut := s.Run("await-completed", "--trigger", trigger, "--until", "cut").Ends(harness.OK)
	s.AwaitStatus(harness.InProgress)
	s.Run("await-completed", "--trigger", trigger, "--copy", cut.Value("copy")).Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
	if got := cut.Value("cut-time"); got != s.CutTime() {
		t.Errorf("got cut-time %s, want %s", got, s.CutTime())
	}
	s.Run("await-completed", "--trigger", trigger, "--copy", "another").
		Ends(harness.Unverified).
		Error("cannot be told for which copy")
}

// A clone has no cut that anybody sees: that is known before anything is quiesced.
func TestRunUntilCutOfAClone(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app := s.StartLockedApp()
	s.Replicate(harness.Source{Method: "Clone"})
	s.Run("run", "--hold", app.Hold(), "--until", "cut").
		Ends(harness.Refused).
		Error("nobody sees the cut").
		SaysNot("quiescing")
	s.Copied(0)
}

// ending is a freeze that does not go as planned, while VolSync copies.
type ending struct {
	args []string
	do   func(*harness.Process)
	code int
	says string
}

// However a freeze ends that lasts for ever, the application runs, and nothing is armed.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]ending{
		"at its limit": {[]string{"--max-freeze", "1m"}, nil, harness.Tainted, "--max-freeze"},
		"by SIGTERM":   {nil, func(p *harness.Process) { p.Signal(syscall.SIGTERM) }, harness.Tainted, "stopped by SIGTERM"},
		"by impatience": {nil, func(p *harness.Process) { p.Insist(syscall.SIGINT) }, harness.Tainted,
			"stopped by SIGINT"},
	} {
		for _, way := range []string{"commands", "hold"} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := harness.New(t)
				app, storage := s.StartLockedApp(), s.Hold()
				s.Replicate(storage.Source("Snapshot"))
				run := s.Start("run", append(ways(app)[way], e.args...)...)
				run.Says("VolSync is copying")
				s.Copied(1) // or VolSync, which says so before it copies, would wait again
				if e.do != nil {
					e.do(run)
				}
				run.End().Ends(e.code).Error(e.says)
				app.AwaitWrites()
				s.Leaves("", "", harness.InProgress)
			})
		}
	}
}

// A second signal while it unquiesces is not the end: it sees that through.
func TestRunIsNotKilledWhileItUnquiesces(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	s.Replicate(storage.Source("Snapshot"))
	run := s.Start("run", "--quiesce", app.Quiesce(), "--unquiesce", "sleep 3; "+app.Unquiesce())
	run.Says("VolSync is copying")
	run.Insist(syscall.SIGTERM)
	run.End().Ends(harness.Tainted)
	if app.FrozenByFile() {
		t.Error("left quiesced")
	}
}

// The session that holds the lock is lost before the cut.
func TestRunLosesItsSession(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	s.Replicate(storage.Source("Snapshot"))
	pid := s.TempDir() + "/pid"
	run := s.Start("run", "--hold", fmt.Sprintf("echo $$ >%s; %s", pid, app.Hold()))
	run.Says("VolSync is copying")
	s.Must(syscall.Kill(pidIn(t, pid), syscall.SIGKILL))
	run.End().Ends(harness.Unverified).Error("exit code 137 (killed) early").Hint("do not use this sync's copy")
	app.AwaitWrites()
	s.Leaves("", "", harness.InProgress)
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// SIGKILL in the freeze. A hold ends with its process. Commands leave the application
// quiesced; the next attempt of the same run finds the lock, and lets it go.
func TestRunIsKilled(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"commands", "hold"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			app, storage := s.StartLockedApp(), s.Hold()
			s.Replicate(storage.Source("Snapshot"))
			args := append(ways(app)[way], "--run-id", "night", "--one-at-a-time")
			run := s.Start("run", args...)
			run.Says("VolSync is copying")
			run.Kill()
			if way == "hold" {
				app.AwaitWrites()
			} else if !app.FrozenByFile() {
				t.Error("not quiesced: this test shows nothing")
			}
			s.Run("run", args...).
				Ends(harness.Tainted).
				Says("an earlier attempt of this run may have left the application quiesced")
			app.AwaitWrites()
			s.Leaves("", "", harness.InProgress)
			s.LeftUnlocked()
		})
	}
}

// Quiesce is killed with its process, so that it does not quiesce afterwards.
func TestRunIsKilledDuringQuiesce(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app := s.StartLockedApp()
	s.Replicate(harness.Source{})
	pid := s.TempDir() + "/pid"
	run := s.Start(
		"run",
		"--quiesce",
		fmt.Sprintf("echo $$ >%s; echo quiesce runs >&2; exec sleep 600", pid),
		"--unquiesce",
		app.Unquiesce(),
	)
	run.Says("quiesce runs")
	run.Kill()
	for start := time.Now(); syscall.Kill(pidIn(t, pid), 0) == nil; {
		if zombie(pidIn(t, pid)) {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatal("quiesce goes on without anybody to unquiesce after it")
		}
	}
	s.Leaves("", "", harness.Waiting)
}

// zombie says that a process has ended, and that nobody has asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

// The same on a terminal: the wait stands in the last line, with the time of the freeze.
func TestRunOnATerminal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		harness.Skip(t, "needs script(1), which makes a terminal")
	}
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	storage.ReleaseReadyAfter(40 * time.Second)
	s.Replicate(storage.Source("Snapshot"))
	results := s.TempDir() + "/results"
	cmd := exec.Command("script", "--quiet", "--return", "--command",
		fmt.Sprintf("%s run --pvc %s >%s", s.Binary(), harness.Claim, results), "/dev/null")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "COPYTRIGGER_HOLD="+app.Hold())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, "\rfrozen for ") || !strings.Contains(text, "\x1b[K") ||
		strings.Contains(text, "copytrigger: waiting: ") {
		t.Errorf("got %q", text)
	}
	var values map[string]any
	text, err := os.ReadFile(results)
	if err != nil || json.Unmarshal(text, &values) != nil || values["outcome"] != "ok" {
		t.Errorf("got results %s, %v", text, err)
	}
}

// What a run leaves on its claim, in its Events and in its metrics says the same.
func TestRunLeavesHowItEnded(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	app, storage := s.StartLockedApp(), s.Hold()
	storage.ReleaseSlowly(tearing)
	s.Replicate(storage.Source("Snapshot"))
	tells := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}
	s = s.With(s.Account("tells", append(harness.LeastRole(), tells)))
	metrics := filepath.Join(t.TempDir(), "metrics")
	r := s.Run("run", append(ways(app)["commands"], "--run-id", "run", "--metrics-file", metrics)...).Ends(harness.OK)
	left := s.Annotations()
	var last struct {
		Run, Outcome, Reason, Trigger, CutTime, EndedAt string
		FreezeSeconds                                   float64
	}
	if err := json.Unmarshal([]byte(left["copytrigger/last-run"]), &last); err != nil {
		t.Fatalf("%v: %q", err, left)
	}
	if last.Run != "run" || last.Outcome != "ok" || last.Trigger != r.Value("trigger") || last.FreezeSeconds <= 0 ||
		last.Reason != "" || last.EndedAt < last.CutTime || last.CutTime != r.Value("cut-time") ||
		left["copytrigger/last-good-copy"] != last.CutTime {
		t.Errorf("left %+v and %q, after %s", last, left["copytrigger/last-good-copy"], r.Stdout)
	}
	events, err := s.Kube().CoreV1().Events(s.Namespace).List(s.Ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.kind=PersistentVolumeClaim,involvedObject.name=data",
	})
	s.Must(err)
	var reasons []string
	for _, e := range events.Items {
		if e.Source.Component == "copytrigger" && e.InvolvedObject.UID != "" {
			reasons = append(reasons, e.Reason)
		}
	}
	if slices.Sort(reasons); !slices.Equal(reasons, []string{"CopyGood", "Fired"}) {
		t.Errorf("the Events are %q", reasons)
	}
	text, err := os.ReadFile(metrics)
	if want := "copytrigger_last_run_ok{namespace=\"" + s.Namespace + "\",pvc=\"data\"} 1\n"; err != nil ||
		!strings.Contains(string(text), want) {
		t.Errorf("%v: %s", err, text)
	}
}
