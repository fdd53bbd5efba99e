package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// ofMember is a mover and a copy method for each member, all of them in turn.
func ofMember(i int) harness.Source {
	movers, methods := []string{"restic", "rclone", "rsyncTLS"}, []string{"Snapshot", "Clone"}
	return harness.Source{Mover: movers[i%len(movers)], Method: methods[i/len(movers)%len(methods)]}
}

// groupSizes are one and two claims; by request ten and fifty, too.
func groupSizes() []int {
	if os.Getenv("COPYTRIGGER_LARGE_GROUPS") == "" {
		return []int{1, 2}
	}
	return []int{1, 2, 10, 50}
}

// ofEachSize runs a test with a group of each size.
func ofEachSize(t *testing.T, test func(t *testing.T, n int)) {
	for _, n := range groupSizes() {
		t.Run(fmt.Sprint(n), func(t *testing.T) { t.Parallel(); test(t, n) })
	}
}

// groupOf is a group of n claims, of which VolSync waits on all but these.
func groupOf(t *testing.T, n int, but ...int) *harness.Group {
	t.Helper()
	g := harness.New(t).Together(n)
	waits(g, func(i int) harness.Source { return ofMember(i) }, but...)
	return g
}

// waits returns when VolSync waits on all members but these.
func waits(g *harness.Group, source func(i int) harness.Source, but ...int) {
	g.Helper()
	for i, m := range g.Members {
		if !slices.Contains(but, i) {
			m.Replicate(source(i))
		}
	}
	for i, m := range g.Members {
		if !slices.Contains(but, i) {
			m.AwaitStatus(harness.Waiting)
		}
	}
}

// groupHeld is a group of n claims that VolSync waits on, of which the copies of these are held.
func groupHeld(t *testing.T, n int, held ...int) (*harness.Group, harness.Hold) {
	t.Helper()
	g := harness.New(t).Together(n)
	h := g.Hold()
	waits(g, func(i int) harness.Source {
		source := ofMember(i)
		if slices.Contains(held, i) {
			mover := source.Mover
			source = h.Source(source.Method)
			source.Mover = mover
		}
		return source
	})
	return g, h
}

// all asserts how every member is left, but these.
func all(g *harness.Group, trigger, latest, status string, but ...int) {
	g.Helper()
	for i, m := range g.Members {
		if !slices.Contains(but, i) {
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
	ofEachSize(t, func(t *testing.T, n int) {
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

// One of the claims never waits, is armed, or is another run's: none is locked.
func TestGroupThatDoesNotWait(t *testing.T) {
	t.Parallel()
	t.Run("one never waits", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			one := n / 2
			g := groupOf(t, n, one)
			busy := g.Members[one] // its copy is made, and its data are never moved
			busy.ReplicateAndWait(ofMember(one))
			before := busy.AwaitWaiting("before")
			busy.Fire(before)
			busy.AwaitCompleted(before)
			busy.Unlock("before")
			g.Run("await-waiting", "--run-id", "run", "--timeout", "0").
				EndsTogether(harness.TimedOut).
				Error("PVC " + busy.Namespace + "/" + busy.ClaimName() + ": ")
			all(g, "", "", harness.Waiting, one)
			busy.Leaves(before, before, harness.Completed)
			locked(g, "")
		})
	})
	t.Run("one is armed", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			one := n / 2
			g := groupOf(t, n, one)
			armed := g.Members[one]
			armed.Annotate(harness.Trigger, "else")
			g.Run("await-waiting", "--run-id", "run").
				EndsTogether(harness.Refused).
				Error("/" + armed.ClaimName() + ": it is armed")
			all(g, "", "", harness.Waiting, one)
			armed.Leaves("else", "", "")
			locked(g, "")
		})
	})
	t.Run("one is another run's", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			one := n / 2
			g := groupOf(t, n)
			other := g.Members[one]
			other.Run("await-waiting", "--run-id", "other").Ends(harness.OK)
			g.Run("await-waiting", "--run-id", "run").
				EndsTogether(harness.Refused).
				Error("/" + other.ClaimName() + ": run other has locked")
			all(g, "", "", harness.Waiting)
			for i, m := range g.Members {
				if i != one {
					m.LeftUnlocked()
				}
			}
			other.LeftLocked("other/held")
		})
	})
}

// One is not fired: the others are taken back, and VolSync waits on them as before.
func TestGroupRefusedAtFire(t *testing.T) {
	t.Parallel()
	t.Run("before anything is written", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			g := groupOf(t, n)
			trigger := g.AwaitWaiting("run")
			one := g.Members[n/2]
			one.DeleteSource()
			g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.Refused).Error("/" + one.ClaimName() + ": ")
			all(g, "", "", harness.Waiting)
			locked(g, "run/held")
		})
	})
	t.Run("after the others were written", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			g := groupOf(t, n)
			trigger := g.AwaitWaiting("run")
			through, proxy := g.ProxiedGroup()
			one := g.Members[n/2]
			write := proxy.HoldAll(one.Write()) // one that is slow is sent again
			fire := through.Start("fire-trigger", "--trigger", trigger, "--timeout", "10m")
			write.Arrived()
			for i, m := range g.Members {
				if i != n/2 {
					m.AwaitRecorded(trigger)
				}
			}
			one.Annotate(harness.Trigger, "else")
			one.AwaitRecorded("else")
			write.ForwardTooLate()
			write.Reply()
			r := fire.End()
			want := harness.Tainted
			if strings.Contains(r.Stderr, "trying again") { // nobody knows what became of the first write
				want = harness.Unverified
			}
			r.EndsTogether(want).Error("/" + one.ClaimName() + ": VolSync has copied, or is copying, for somebody else")
			alone := "VolSync recorded the trigger, but claim " + one.ClaimName() + " of the group has failed"
			if strings.Count(r.Stdout, alone) < n-1 {
				t.Errorf("claims does not say what became of the others: %s", r.Stdout)
			}
			all(g, trigger, trigger, harness.Completed, n/2)
			one.Leaves("else", "else", harness.Completed)
		})
	})
}

// One is never completed, or is deleted while VolSync copies: no other stays armed. Another copy
// is held as well, where there is one.
func TestGroupThatDoesNotComplete(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, n int) (*harness.Group, string) {
		held := []int{n / 2, n - 1}
		g, _ := groupHeld(t, n, held...)
		trigger := g.AwaitWaiting("run")
		g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
		for i, m := range g.Members {
			if slices.Contains(held, i) {
				m.AwaitStatus(harness.InProgress)
			} else {
				m.AwaitRecorded(trigger)
			}
		}
		return g, trigger
	}
	t.Run("the storage does not cut", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			g, trigger := begin(t, n)
			one := g.Members[n/2]
			g.Run("await-completed", "--trigger", trigger, "--timeout", "2s").
				EndsTogether(harness.Tainted).
				Error("/" + one.ClaimName() + ": ")
			all(g, trigger, trigger, harness.Completed, n/2, n-1)
			one.Leaves("", "", harness.InProgress)
			g.Members[n-1].Leaves("", "", harness.InProgress)
			for i, m := range g.Members {
				if i == n/2 || i == n-1 {
					m.LeftLocked("run/lost")
				} else {
					m.LeftLocked("run/held")
				}
			}
			g.Run("disarm", "--run-id", "run").Exits(harness.OK)
			g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
			locked(g, "")
		})
	})
	t.Run("one is deleted", func(t *testing.T) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			g, trigger := begin(t, n)
			one := g.Members[n/2]
			await := g.Start("await-completed", "--trigger", trigger)
			await.Says("VolSync is copying")
			one.DeleteClaim()
			await.End().EndsTogether(harness.Tainted).Error("/" + one.ClaimName() + ": it was deleted")
			all(g, trigger, trigger, harness.Completed, n/2, n-1)
			if n > 2 {
				g.Members[n-1].Leaves("", "", harness.InProgress)
			}
		})
	})
}
