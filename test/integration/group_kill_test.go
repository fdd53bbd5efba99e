package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// atEachWrite runs a test for the write of each member, before and after it; of a large group for
// the first, one in the middle and the last.
func atEachWrite(g *harness.Group, test func(k int, written bool)) {
	n := len(g.Members)
	for k := range n {
		if n > 10 && k != 0 && k != n/2 && k != n-1 {
			continue
		}
		for _, m := range moments {
			g.Logf("killed %s of %s", m.name, g.Members[k].ClaimName())
			test(k, m.written)
		}
	}
}

// await-waiting locks one claim after the other; unlock takes the locks off.
func TestGroupKilledAtALock(t *testing.T) {
	t.Parallel()
	ofEachSize(t, func(t *testing.T, n int) {
		g := groupOf(t, n)
		through, proxy := g.ProxiedGroup()
		atEachWrite(g, func(k int, written bool) {
			lock := proxy.Hold(g.Members[k].Write())
			killedAt(written, through.Start("await-waiting", "--run-id", "run"), lock)
			last := k // that is locked
			if !written {
				last--
			}
			if last < 0 {
				g.AwaitWaiting("run")
			} else {
				// Nobody knows how far that attempt got: the application may be quiesced.
				g.Run("await-waiting", "--run-id", "run").EndsTogether(harness.Tainted).
					Error("/data: an earlier attempt of this run has locked the claim and was lost")
				for i, m := range g.Members {
					if i <= last {
						m.LeftLocked("run")
					} else {
						m.LeftUnlocked()
					}
				}
				g.Run("unlock", "--run-id", "run", "--all").EndsTogether(harness.OK)
				locked(g, "")
				g.AwaitWaiting("run")
			}
			locked(g, "run/held")

			unlock := proxy.Hold(g.Members[k].Write())
			killedAt(written, through.Start("unlock", "--run-id", "run"), unlock)
			g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
			locked(g, "")
			all(g, "", "", harness.Waiting)
		})
	})
}

// killedAmong starts a command that writes all claims at the same time, and kills it about the write
// of member k: when it is the first of all writes, or the last.
func killedAmong(
	proxy *harness.Proxy, g *harness.Group, k int, first, written bool, start func() *harness.Process,
) {
	g.Helper()
	var writes []*harness.Held
	for _, m := range g.Members {
		writes = append(writes, proxy.Hold(m.Write()))
	}
	p := start()
	for _, w := range writes {
		w.Arrived()
	}
	for i, w := range writes {
		if !first && i != k {
			w.Forward()
		}
	}
	killedAt(written, p, writes[k])
	for i, w := range writes {
		if i != k {
			w.Drop()
		}
	}
}

// fire-trigger is killed after the first write, with VolSync at work, and run again.
func TestGroupKilledAfterTheFirstWrite(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ofEachSize(t, func(t *testing.T, n int) {
				g, _ := groupHeld(t, n, 0)
				trigger := g.AwaitWaiting("run")
				through, proxy := g.ProxiedGroup()
				killedAmong(proxy, g, 0, true, m.written, func() *harness.Process {
					return through.Start("fire-trigger", "--trigger", trigger)
				})
				first := g.Members[0]
				if !m.written || n == 1 {
					g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
					first.Leaves(trigger, "", harness.InProgress)
					all(g, trigger, trigger, harness.Completed, 0)
					return
				}
				first.AwaitStatus(harness.InProgress)
				g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.Tainted).Error("an earlier attempt was lost")
				first.Leaves("", "", harness.InProgress)
				all(g, "", "", harness.Waiting, 0)
			})
		})
	}
}

// orphans are claims that say WaitingForTrigger with nobody behind them: what is fired can be taken
// back, and fired again.
func orphans(t *testing.T, n int) *harness.Group {
	t.Helper()
	g := groupOf(t, n)
	for _, m := range g.Members {
		m.DeleteSource()
	}
	return g
}

// fire-trigger is killed about any of its writes, and run again.
func TestGroupKilledAtAFire(t *testing.T) {
	t.Parallel()
	ofEachSize(t, func(t *testing.T, n int) {
		g := orphans(t, n)
		through, proxy := g.ProxiedGroup()
		atEachWrite(g, func(k int, written bool) {
			for _, first := range []bool{true, false} {
				trigger := g.Run("await-waiting", "--run-id", "run", "--pvc-only").EndsTogether(harness.OK).Value("trigger")
				args := []string{"--trigger", trigger, "--pvc-only"}
				killedAmong(proxy, g, k, first, written, func() *harness.Process {
					return through.Start("fire-trigger", args...)
				})
				for i, m := range g.Members {
					if want := i == k && written || i != k && !first; want != (m.Marks().Trigger == trigger) {
						t.Fatalf("%s has %+v", m.ClaimName(), m.Marks())
					}
				}
				none, whole := !written && (first || n == 1), written && (!first || n == 1)
				again := g.Run("fire-trigger", args...)
				if none || whole {
					again.EndsTogether(harness.OK)
					all(g, trigger, "", harness.Waiting)
					g.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("withdrawn")
				} else {
					again.EndsTogether(harness.Withdrawn).Error("an earlier attempt was lost")
				}
				all(g, "", "", harness.Waiting)
				g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
				locked(g, "")
			}
		})
	})
}

// await-completed gives up, and disarm takes back: killed about any of their writes, and run again.
func TestGroupKilledAtATakeBack(t *testing.T) {
	t.Parallel()
	takeBack := func(t *testing.T, command func(g *harness.Group, trigger string) *harness.Process,
		again func(g *harness.Group, trigger string, written bool)) {
		t.Parallel()
		ofEachSize(t, func(t *testing.T, n int) {
			g := orphans(t, n)
			through, proxy := g.ProxiedGroup()
			atEachWrite(g, func(k int, written bool) {
				trigger := g.Run("await-waiting", "--run-id", "run", "--pvc-only").EndsTogether(harness.OK).Value("trigger")
				g.Run("fire-trigger", "--trigger", trigger, "--pvc-only").EndsTogether(harness.OK)
				killedAmong(proxy, g, k, false, written, func() *harness.Process { return command(through, trigger) })
				again(g, trigger, written)
				all(g, "", "", harness.Waiting)
				g.Run("disarm", "--run-id", "run").EndsTogether(harness.OK)
				g.Run("unlock", "--run-id", "run").EndsTogether(harness.OK)
				locked(g, "")
			})
		})
	}
	t.Run("await-completed", func(t *testing.T) {
		takeBack(t, func(g *harness.Group, trigger string) *harness.Process {
			return g.Start("await-completed", "--trigger", trigger, "--ack-timeout", "100ms", "--pvc-only")
		}, func(g *harness.Group, trigger string, written bool) {
			r := g.Run("await-completed", "--trigger", trigger, "--timeout", "0", "--pvc-only")
			switch {
			case len(g.Members) > 1:
				// The trigger is the group's: a claim alone does not tell whether it was ever fired.
				r.EndsTogether(harness.Unverified).Error("the trigger is neither set nor recorded")
			case written:
				r.EndsTogether(harness.Refused).Error("the trigger is neither set nor recorded")
			default:
				r.EndsTogether(harness.Withdrawn).Error("was taken back before VolSync took it")
			}
		})
	})
	t.Run("disarm", func(t *testing.T) {
		takeBack(t, func(g *harness.Group, _ string) *harness.Process {
			return g.Start("disarm", "--run-id", "run")
		}, func(g *harness.Group, _ string, written bool) {
			outcome := "withdrawn"
			if written {
				outcome = "ok"
			}
			g.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome(outcome)
		})
	})
}
