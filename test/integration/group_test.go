package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// ofMember is a mover and a copy method for each member, all of them in turn.
func ofMember(i int) harness.Source {
	movers, methods := []string{"restic", "rclone", "rsyncTLS"}, []string{"Snapshot", "Clone"}
	return harness.Source{Mover: movers[i%len(movers)], Method: methods[i/len(movers)%len(methods)]}
}

// groupOf is a group of n claims, of which VolSync waits on all but these.
func groupOf(t *testing.T, n int, but ...int) *harness.Group {
	t.Helper()
	g := harness.New(t).Together(n)
	not := map[int]bool{}
	for _, i := range but {
		not[i] = true
	}
	for i, m := range g.Members {
		if !not[i] {
			m.Replicate(ofMember(i))
		}
	}
	for i, m := range g.Members {
		if !not[i] {
			m.AwaitStatus(harness.Waiting)
		}
	}
	return g
}

// all asserts how every member is left, but these.
func all(g *harness.Group, trigger, latest, status string, but ...int) {
	g.Helper()
	not := map[int]bool{}
	for _, i := range but {
		not[i] = true
	}
	for i, m := range g.Members {
		if !not[i] {
			m.Leaves(trigger, latest, status)
		}
	}
}

func locked(g *harness.Group, by string) {
	g.Helper()
	for _, m := range g.Members {
		m.LeftLocked(by)
	}
}

// Groups of any size, movers and copy methods mixed.
func TestGroup(t *testing.T) {
	t.Parallel()
	sizes := []int{1, 2, 5}
	if os.Getenv("COPYTRIGGER_LARGE_GROUPS") != "" {
		sizes = append(sizes, 10, 50)
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			g := groupOf(t, n)
			trigger := g.AwaitWaiting("run")
			locked(g, "run/held")
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
			r := g.Run("await-completed", "--trigger", trigger, "--timeout", "10m").EndsTogether(harness.OK)
			if claims, _ := r.Values["claims"].([]any); n > 1 && len(claims) != n {
				t.Errorf("%d objects in claims, want %d: %s", len(claims), n, r.Stdout)
			}
			all(g, trigger, trigger, harness.Completed)
			g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
			locked(g, "")
		})
	}
}

// The whole run of a group in one process, until the cut.
func TestGroupRun(t *testing.T) {
	t.Parallel()
	g := harness.New(t).Together(2)
	for _, m := range g.Members {
		m.ReplicateAndWait(harness.Source{})
	}
	log := t.TempDir() + "/log"
	r := g.Run("run", "--run-id", "run", "--until", "cut", "--quiesce", "echo $COPYTRIGGER_PVCS >>"+log,
		"--unquiesce", "echo again >>"+log).EndsTogether(harness.OK)
	if r.Value("skew-seconds") == "" || r.Value("cut-time") == "" {
		t.Errorf("no times of the cuts: %s", r.Stdout)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "data data-01\nagain\n" {
		t.Errorf("%q (%v)", text, err)
	}
	all(g, r.Value("trigger"), r.Value("trigger"), harness.Completed)
	locked(g, "")
}

// One of the claims never waits, or is armed: none is locked.
func TestGroupThatDoesNotWait(t *testing.T) {
	t.Parallel()
	t.Run("one never waits", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 3, 1)
		busy := g.Members[1] // its copy is made, and its data are never moved
		busy.ReplicateAndWait(harness.Source{})
		before := busy.AwaitWaiting("before")
		busy.Fire(before)
		busy.AwaitCompleted(before)
		busy.Unlock("before")
		g.Run("await-waiting", "--run-id", "run", "--timeout", "0").EndsTogether(harness.TimedOut).Error("data-01")
		all(g, "", "", harness.Waiting, 1)
		locked(g, "")
	})
	t.Run("one is armed", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 3, 1)
		g.Members[1].Annotate(harness.Trigger, "else")
		g.Run("await-waiting", "--run-id", "run").EndsTogether(harness.Refused).Error("data-01: it is armed")
		all(g, "", "", harness.Waiting, 1)
		locked(g, "")
	})
	t.Run("one is another run's", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 2)
		g.Members[1].Run("await-waiting", "--run-id", "other").Ends(harness.OK)
		g.Run("await-waiting", "--run-id", "run").EndsTogether(harness.Refused).Error("data-01: run other has locked")
		g.Members[0].LeftUnlocked()
		g.Members[1].LeftLocked("other/held")
	})
}

// One is not fired: the others are taken back, and VolSync waits on them as before.
func TestGroupRefusedAtFire(t *testing.T) {
	t.Parallel()
	t.Run("before anything is written", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 2)
		trigger := g.AwaitWaiting("run")
		g.Members[1].DeleteSource()
		g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.Refused).Error("data-01")
		all(g, "", "", harness.Waiting)
	})
	t.Run("after another was written", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 2)
		trigger := g.AwaitWaiting("run")
		through, proxy := g.ProxiedGroup()
		write := proxy.Hold(g.Members[1].Write())
		fire := through.Start("fire-trigger", "--trigger", trigger)
		write.Arrived()
		g.Members[0].AwaitRecorded(trigger)
		g.Members[1].Annotate(harness.Trigger, "else")
		g.Members[1].AwaitRecorded("else")
		write.ForwardTooLate()
		write.Reply()
		r := fire.End().EndsTogether(harness.Tainted).Error("data-01: VolSync has copied, or is copying, for somebody else")
		if !strings.Contains(r.Stdout, "data: VolSync recorded the trigger, but claim data-01 of the group has failed") {
			t.Errorf("claims does not say what became of the other: %s", r.Stdout)
		}
		g.Members[0].Leaves(trigger, trigger, harness.Completed)
	})
}

// A fire-trigger that is killed after its first write, and its retry.
func TestGroupKilledAfterTheFirstWrite(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			g := harness.New(t).Together(2)
			held := g.Hold()
			g.Members[0].ReplicateAndWait(held.Source("Snapshot"))
			g.Members[1].ReplicateAndWait(harness.Source{})
			trigger := g.AwaitWaiting("run")
			through, proxy := g.ProxiedGroup()
			first, second := proxy.Hold(g.Members[0].Write()), proxy.Hold(g.Members[1].Write())
			fire := through.Start("fire-trigger", "--trigger", trigger)
			second.Arrived()
			killedAt(m.written, fire, first)
			second.Drop()
			if !m.written {
				g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
				g.Members[1].Leaves(trigger, trigger, harness.Completed)
				return
			}
			g.Members[0].AwaitStatus(harness.InProgress)
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.Tainted).Error("an earlier attempt was lost")
			g.Members[0].Leaves("", "", harness.InProgress)
			g.Members[1].Leaves("", "", harness.Waiting)
		})
	}
}

// One is never completed, or is deleted while VolSync copies: no other stays armed.
func TestGroupThatDoesNotComplete(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (*harness.Group, string) {
		g := harness.New(t).Together(3)
		held := g.Hold()
		g.Members[0].ReplicateAndWait(harness.Source{})
		g.Members[1].ReplicateAndWait(held.Source("Snapshot"))
		g.Members[2].ReplicateAndWait(held.Source("Snapshot"))
		trigger := g.AwaitWaiting("run")
		g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
		g.Members[0].AwaitRecorded(trigger)
		g.Members[1].AwaitStatus(harness.InProgress)
		g.Members[2].AwaitStatus(harness.InProgress)
		return g, trigger
	}
	t.Run("the storage does not cut", func(t *testing.T) {
		t.Parallel()
		g, trigger := begin(t)
		g.Run("await-completed", "--trigger", trigger, "--timeout", "2s").EndsTogether(harness.Tainted).Error("data-01")
		g.Members[0].Leaves(trigger, trigger, harness.Completed)
		g.Members[1].Leaves("", "", harness.InProgress)
		g.Members[2].Leaves("", "", harness.InProgress)
		g.Run("disarm", "--run-id", "run").Exits(harness.OK)
		g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
		locked(g, "")
	})
	t.Run("one is deleted", func(t *testing.T) {
		t.Parallel()
		g, trigger := begin(t)
		await := g.Start("await-completed", "--trigger", trigger)
		await.Says("VolSync is copying")
		g.Members[1].DeleteClaim()
		await.End().EndsTogether(harness.Tainted).Error("data-01: it was deleted")
		g.Members[0].Leaves(trigger, trigger, harness.Completed)
		g.Members[2].Leaves("", "", harness.InProgress)
	})
}
