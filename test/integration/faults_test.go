package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Whatever happens to a single request, the backup succeeds, with one copy.
func TestBackupThroughTrouble(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(*harness.Proxy){
		"429 to the try":          func(p *harness.Proxy) { p.Answer(harness.Try, 1, harness.TooMany()) },
		"429 to the write":        func(p *harness.Proxy) { p.Answer(harness.Write, 1, harness.TooMany()) },
		"503 to the write":        func(p *harness.Proxy) { p.Answer(harness.Write, 2, harness.Unavailable()) },
		"write dropped":           func(p *harness.Proxy) { p.Drop(harness.Write, 1, false) },
		"reply to the write lost": func(p *harness.Proxy) { p.Drop(harness.Write, 1, true) },
		"503 to looks":            func(p *harness.Proxy) { p.Answer(harness.GetClaim, 2, harness.Unavailable()) },
		"429 to looks":            func(p *harness.Proxy) { p.Answer(harness.GetSnapshot, 1, harness.TooMany()) },
		"looks dropped": func(p *harness.Proxy) {
			p.Drop(harness.GetClaim, 2, false)
			p.Drop(harness.ListSources, 2, true)
		},
		"410 to the claim's watch":    func(p *harness.Proxy) { p.Answer(harness.WatchClaim, 2, harness.Expired()) },
		"410 to the sources' watch":   func(p *harness.Proxy) { p.Answer(harness.WatchSources, 1, harness.Expired()) },
		"503 to the snapshot's watch": func(p *harness.Proxy) { p.Answer(harness.WatchSnapshot, 2, harness.Unavailable()) },
		"watches dropped": func(p *harness.Proxy) {
			p.Drop(harness.WatchClaim, 2, false)
			p.Drop(harness.WatchSnapshot, 1, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.ReplicateAndWait(harness.Source{})
			arrange(proxy)
			trigger := s.AwaitWaiting("run")
			s.Run("fire-trigger", "--trigger", trigger).Ends(harness.OK)
			s.AwaitCompleted(trigger)
			proxy.Spent()
			s.Leaves(trigger, trigger, harness.Completed)
			s.Copied(1)
		})
	}
}

// troubles that a watch may have while it stands.
var troubles = map[string]func(*harness.Proxy, harness.Request){
	"ended":       func(p *harness.Proxy, r harness.Request) { p.EndStream(r) },
	"broken":      func(p *harness.Proxy, r harness.Request) { p.BreakStream(r) },
	"410 event":   func(p *harness.Proxy, r harness.Request) { p.FailStream(r, harness.Expired()) },
	"429 event":   func(p *harness.Proxy, r harness.Request) { p.FailStream(r, harness.TooMany()) },
	"server away": func(p *harness.Proxy, _ harness.Request) { p.Down(); p.Up() },
}

// A watch is lost while await-waiting waits.
func TestAwaitWaitingLosesAWatch(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles {
		for _, of := range []harness.Request{harness.WatchClaim, harness.WatchSources} {
			t.Run(name+" "+of.Resource, func(t *testing.T) {
				t.Parallel()
				s, proxy := harness.New(t).Proxied()
				last := backedUp(s)
				s.FinishSync()
				await := s.Start("await-waiting", "--run-id", "second")
				await.Says("has no sync running")
				proxy.AwaitStream(of)
				trouble(proxy, of)
				s.SyncAgain("second")
				await.End().Ends(harness.OK)
				s.Leaves(last, last, harness.Waiting)
			})
		}
	}
}

// A watch is lost while await-completed waits.
func TestAwaitCompletedLosesAWatch(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles {
		for _, of := range []harness.Request{harness.WatchClaim, harness.WatchSnapshot} {
			t.Run(name+" "+of.Resource, func(t *testing.T) {
				t.Parallel()
				s, proxy := harness.New(t).Proxied()
				trigger, held := s.FireHeld("run")
				await := s.Start("await-completed", "--trigger", trigger)
				await.Says("VolSync is copying")
				proxy.AwaitStream(of)
				trouble(proxy, of)
				held.Release()
				await.End().Ends(harness.OK)
				s.Leaves(trigger, trigger, harness.Completed)
				s.Copied(1)
			})
		}
	}
}

// The API server is away for as long as the copy takes.
func TestAwaitCompletedMissesTheCopy(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	proxy.Down()
	await.Says("trying again")
	held.Release()
	s.AwaitRecorded(trigger)
	s.FinishSync()
	s.SyncAgain("second")
	s.AwaitStatus(harness.Waiting)
	proxy.Up()
	await.End().Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Waiting)
	s.Copied(1)
}

// The API server never takes the write. Its replies come too late to tell so, and the run
// cannot be marked as lost either: what cannot be known is not called fine.
func TestFireTriggerCannotWrite(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	proxy.Answer(harness.Write, 1000, harness.TooMany())
	s.Run("fire-trigger", "--trigger", trigger, "--timeout", "2s").Ends(harness.Tainted).
		Error("cannot make sure that no trigger of run run stays armed").Hint("copytrigger disarm")
	s.Nudge()
	s.Leaves("", "", harness.Waiting)
	s.Copied(0)
}

// The reply to the write is lost, and so is the API server. What cannot be known is not
// called fine, and disarm cleans up as soon as there is a server.
func TestFireTriggerNeverLearns(t *testing.T) {
	t.Parallel()
	for name, changed := range map[string]bool{"its first write": false, "the one after a conflict": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.Orphan()
			trigger := s.AwaitWaiting("run", "--pvc-only")
			write := proxy.Hold(harness.Write)
			fire := s.Start("fire-trigger", "--trigger", trigger, "--timeout", "40s", "--pvc-only")
			if changed {
				write.Arrived()
				s.Annotate("example.com/note", "so that the first write comes too late")
			}
			write.Forward()
			proxy.Down()
			write.Drop()
			fire.End().
				Ends(harness.Tainted).
				Error("cannot make sure that no trigger of run run stays armed").
				Hint("copytrigger disarm")
			proxy.Up()
			s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("withdrawn")
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)
		})
	}
}

// There is no API server at all.
func TestNoServer(t *testing.T) {
	t.Parallel()
	for command, args := range map[string][]string{
		"await-waiting": {"--run-id", "run"},
		"fire-trigger":  {"--trigger", handmade},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.ReplicateAndWait(harness.Source{})
			proxy.Down()
			s.Run(command, append(args, "--timeout", "1s")...).Ends(harness.TimedOut).Error("timed out after 1s")
			s.Leaves("", "", harness.Waiting)
		})
	}
	t.Run("disarm", func(t *testing.T) {
		t.Parallel()
		s, proxy := harness.New(t).Proxied()
		s.FireHeld("run")
		proxy.Down()
		s.Run("disarm", "--run-id", "run", "--timeout", "1s").
			Ends(harness.Tainted).
			Error("cannot make sure").
			Hint("copytrigger disarm")
		proxy.Up()
		s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("tainted")
		s.Leaves("", "", harness.InProgress)
	})
}

// An answer that no waiting changes ends the step at once.
func TestFinalAnswers(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]metav1.Status{
		"401": harness.Unauthorized(), "403": harness.Forbidden(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, proxy := harness.New(t).Proxied()
			s.ReplicateAndWait(harness.Source{})
			proxy.Answer(harness.GetClaim, 1, status)
			s.Run("await-waiting", "--run-id", "run").Ends(harness.Refused)
			proxy.Spent()
			s.Leaves("", "", harness.Waiting)
		})
	}
}

// The same answer to a step that has fired, in the middle of its wait: an API server that
// has just started does not know its roles yet. To give up would leave the trigger armed.
func TestForbiddenForAMoment(t *testing.T) {
	t.Parallel()
	s, proxy := harness.New(t).Proxied()
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	proxy.Answer(harness.GetClaim, 1, harness.Forbidden())
	proxy.Answer(harness.WatchClaim, 1, harness.Forbidden())
	proxy.BreakStream(harness.WatchClaim)
	held.Release()
	await.End().Ends(harness.OK)
	s.Leaves(trigger, trigger, harness.Completed)
}
