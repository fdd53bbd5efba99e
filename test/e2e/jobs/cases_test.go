package jobs

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// night is one case: what happens to a Job, and how all that is left stands.
type night struct {
	name   string
	change func(spec map[string]any)
	held   bool // the copy never gets ready to use
	// happens is what the world does while the application is frozen.
	happens func(s *site, j *job)

	end    string // of the Job; "" if it is gone
	copied bool   // VolSync recorded our trigger
	frozen bool   // the application is left frozen: then rescue says how it is freed

	anywhere bool // also in a cluster that is not ours
}

// sql is a command for the shell that runs SQL, and something after it.
func sql(script, after string) string {
	return "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/" + script + " && " + after
}

// killed is a change by which quiesce kills the process, as the kernel does for want of memory.
// Process 1 of a container cannot be killed from inside it, hence the shared namespace.
func killed(when string) func(spec map[string]any) {
	return func(spec map[string]any) {
		setEnv(spec, "COPYTRIGGER_QUIESCE", sql("quiesce.sql", "if "+when+"; then kill -KILL $PPID; fi"))
		podOf(spec)["shareProcessNamespace"] = true
	}
}

func nights() []night {
	return []night{
		{name: "a good night", anywhere: true, end: "Complete", copied: true},
		{
			// The second attempt lets go what the first has left, the third copies.
			name: "the process is killed once", change: killed("mkdir /tmp/once"),
			end: "Complete", copied: true,
		},
		{name: "the process is killed each time", change: killed("true"), end: "Failed"},
		{
			name:   "quiesce fails half-way",
			change: func(spec map[string]any) { setEnv(spec, "COPYTRIGGER_QUIESCE", sql("quiesce.sql", "exit 7")) },
			end:    "Failed",
		},
		{
			name: "the Job's deadline", held: true,
			happens: func(s *site, j *job) {
				s.AwaitStatus(harness.InProgress)
				s.Patch("Job", j.name, map[string]any{"spec": map[string]any{"activeDeadlineSeconds": 1}})
			},
			end: "Failed",
		},
		{
			name: "the Job is deleted", held: true,
			happens: func(s *site, j *job) { s.AwaitStatus(harness.InProgress); j.delete(metav1.DeletePropagationBackground) },
		},
		{
			name: "the process is killed, and there is no attempt left",
			change: func(spec map[string]any) {
				killed("true")(spec)
				podOf(spec)["restartPolicy"], spec["backoffLimit"] = "Never", int64(0)
			},
			end: "Failed", frozen: true,
		},
	}
}

// Each night has a namespace, a database and a Job of its own. A failed copy is never
// complete, no trigger stays armed, and where there is an attempt left, or a moment, the
// application runs.
func TestNights(t *testing.T) {
	for _, n := range nights() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			if n.anywhere {
				n.pass(t, siteFor(t, application.Anywhere))
			} else {
				n.pass(t, newSite(t))
			}
		})
	}
}

func (n night) pass(t *testing.T, s *site) {
	s.Sync(n.held)
	j := s.night(n.change)
	if n.happens != nil {
		s.DB.AwaitFrozen(true)
		s.Ledger.AwaitFreeze()
		n.happens(s, j)
	}
	if n.end != "" {
		if got := j.ended(); got != n.end {
			t.Errorf("the Job ended with %s, want %s", got, n.end)
		}
	}
	if n.frozen {
		if by := s.Locker(); by != j.uid || !s.DB.Frozen() {
			t.Errorf("the claim is locked by %q, want %s, and the application frozen", by, j.uid)
		}
		s.rescue(j)
	}
	s.released()
	if latest := s.Marks().Latest; n.copied != strings.HasPrefix(latest, j.uid+".") {
		t.Errorf("VolSync has recorded %q of run %s; want it recorded: %t", latest, j.uid, n.copied)
	}
	if len(s.Ledger.Seen()) == 0 {
		t.Error("the application has noticed no freeze: this night has tested nothing")
	}
}

// released waits until nothing is left of a run: its pod may be ending yet.
func (s *site) released() {
	s.Helper()
	s.AwaitUnlocked()
	s.AwaitDisarmed()
	if s.DB.Frozen() {
		s.Fatalf("the claim is unlocked, and the application left frozen")
	}
	s.Ledger.AwaitWrites()
}

// rescue is what the documentation says to do where nothing ran.
func (s *site) rescue(j *job) {
	s.Helper()
	by := s.example("cleanup.yaml", func(spec map[string]any) { setEnv(spec, "COPYTRIGGER_RUN_ID", j.uid) })
	if got := by.ended(); got != "Complete" {
		s.Fatalf("the cleanup by hand ended with %s", got)
	}
}

// A pod that is deleted by force is made again, and lets go what the first has left; then the
// Job goes on to copy, at VolSync's next wait.
func TestDeletedByForce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	j := s.night(nil)
	s.AwaitStatus(harness.InProgress)
	s.Ledger.AwaitFreeze()
	s.DeletePod(j.pod().Name)
	s.released()
	storage.Release()
	s.AwaitSynced()
	if latest := s.Marks().Latest; strings.HasPrefix(latest, j.uid+".") {
		t.Errorf("VolSync has recorded %s of a freeze that was lost", latest)
	}
	s.Patch(
		"ReplicationSource",
		application.Source,
		map[string]any{"spec": map[string]any{"trigger": map[string]any{"manual": "second"}}},
	)
	if got := j.ended(); got != "Complete" {
		t.Errorf("the Job ended with %s", got)
	}
	if m := s.Marks(); !strings.HasPrefix(m.Latest, j.uid+".") || m.Trigger != m.Latest {
		t.Errorf("the claim is left with %+v", m)
	}
	s.released()
	if freezes := s.Ledger.Seen(); len(freezes) != 2 {
		t.Errorf("the application has noticed %+v, want two freezes", freezes)
	}
}

// A drain waits for the run.
func TestEviction(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	j := s.night(nil)
	s.AwaitStatus(harness.InProgress)
	if err := s.Evict(j.pod().Name); !apierrors.IsTooManyRequests(err) {
		t.Errorf("the pod was evicted: %v", err)
	}
	storage.Release()
	if got := j.ended(); got != "Complete" {
		t.Errorf("the Job ended with %s", got)
	}
	s.released()
}

// A session holds its lock until VolSync has copied, and no longer.
func TestHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	j := s.example("hold.yaml", nil)
	s.AwaitStatus(harness.InProgress)
	s.DB.Assert(application.WritersWait)
	storage.Release()
	if got := j.ended(); got != "Complete" {
		t.Errorf("the Job ended with %s", got)
	}
	s.released()
}
