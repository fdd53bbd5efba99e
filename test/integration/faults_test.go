package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	. "github.com/copytrigger/copytrigger/test/integration/harness"
)

// Whatever happens to a single request, the backup succeeds, with one copy.
func TestBackupThroughTrouble(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(*Proxy){
		"429 to the try":              func(p *Proxy) { p.Answer(Try, 1, TooMany()) },
		"429 to the write":            func(p *Proxy) { p.Answer(Write, 1, TooMany()) },
		"503 to the write":            func(p *Proxy) { p.Answer(Write, 2, Unavailable()) },
		"write dropped":               func(p *Proxy) { p.Drop(Write, 1, false) },
		"reply to the write lost":     func(p *Proxy) { p.Drop(Write, 1, true) },
		"503 to looks":                func(p *Proxy) { p.Answer(GetClaim, 2, Unavailable()) },
		"429 to looks":                func(p *Proxy) { p.Answer(GetSnapshot, 1, TooMany()) },
		"looks dropped":               func(p *Proxy) { p.Drop(GetClaim, 2, false); p.Drop(ListSources, 2, true) },
		"410 to the claim's watch":    func(p *Proxy) { p.Answer(WatchClaim, 2, Expired()) },
		"410 to the sources' watch":   func(p *Proxy) { p.Answer(WatchSources, 1, Expired()) },
		"503 to the snapshot's watch": func(p *Proxy) { p.Answer(WatchSnapshot, 2, Unavailable()) },
		"watches dropped":             func(p *Proxy) { p.Drop(WatchClaim, 2, false); p.Drop(WatchSnapshot, 1, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, proxy := New(t).Proxied()
			s.ReplicateAndWait(Source{})
			arrange(proxy)
			trigger := s.AwaitWaiting("run")
			s.Run("fire-trigger", "--trigger", trigger).Ends(OK)
			s.AwaitCompleted(trigger)
			proxy.Spent()
			s.Leaves(trigger, trigger, Completed)
			s.Copied(1)
		})
	}
}

// troubles that a watch may have while it stands.
var troubles = map[string]func(*Proxy, Request){
	"ended":       func(p *Proxy, r Request) { p.EndStream(r) },
	"broken":      func(p *Proxy, r Request) { p.BreakStream(r) },
	"410 event":   func(p *Proxy, r Request) { p.FailStream(r, Expired()) },
	"429 event":   func(p *Proxy, r Request) { p.FailStream(r, TooMany()) },
	"server away": func(p *Proxy, _ Request) { p.Down(); p.Up() },
}

// A watch is lost while await-waiting waits.
func TestAwaitWaitingLosesAWatch(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles {
		for _, of := range []Request{WatchClaim, WatchSources} {
			t.Run(name+" "+of.Resource, func(t *testing.T) {
				t.Parallel()
				s, proxy := New(t).Proxied()
				last := backedUp(s)
				s.FinishSync()
				await := s.Start("await-waiting", "--run-id", "second")
				await.Says("has no sync running")
				proxy.AwaitStream(of)
				trouble(proxy, of)
				s.SyncAgain("second")
				await.End().Ends(OK)
				s.Leaves(last, last, Waiting)
			})
		}
	}
}

// A watch is lost while await-completed waits.
func TestAwaitCompletedLosesAWatch(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles {
		for _, of := range []Request{WatchClaim, WatchSnapshot} {
			t.Run(name+" "+of.Resource, func(t *testing.T) {
				t.Parallel()
				s, proxy := New(t).Proxied()
				trigger, held := s.FireHeld("run")
				await := s.Start("await-completed", "--trigger", trigger)
				await.Says("VolSync is copying")
				proxy.AwaitStream(of)
				trouble(proxy, of)
				held.Release()
				await.End().Ends(OK)
				s.Leaves(trigger, trigger, Completed)
				s.Copied(1)
			})
		}
	}
}

// The API server is away for as long as the copy takes.
func TestAwaitCompletedMissesTheCopy(t *testing.T) {
	t.Parallel()
	s, proxy := New(t).Proxied()
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	proxy.Down()
	await.Says("trying again")
	held.Release()
	s.AwaitRecorded(trigger)
	s.FinishSync()
	s.SyncAgain("second")
	s.AwaitStatus(Waiting)
	proxy.Up()
	await.End().Ends(OK)
	s.Leaves(trigger, trigger, Waiting)
	s.Copied(1)
}

// The API server never takes the write. Its replies come too late to tell so, and the run
// cannot be marked as lost either: what cannot be known is not called fine.
func TestFireTriggerCannotWrite(t *testing.T) {
	t.Parallel()
	s, proxy := New(t).Proxied()
	s.ReplicateAndWait(Source{})
	trigger := s.AwaitWaiting("run")
	proxy.Answer(Write, 1000, TooMany())
	s.Run("fire-trigger", "--trigger", trigger, "--timeout", "2s").Ends(Tainted).
		Error("cannot make sure that no trigger of run run stays armed").Hint("copytrigger disarm")
	s.Nudge()
	s.Leaves("", "", Waiting)
	s.Copied(0)
}

// The reply to the write is lost, and so is the API server. What cannot be known is not
// called fine, and disarm cleans up as soon as there is a server.
func TestFireTriggerNeverLearns(t *testing.T) {
	t.Parallel()
	s, proxy := New(t).Proxied()
	s.Orphan()
	trigger := s.AwaitWaiting("run", "--pvc-only")
	write := proxy.Hold(Write)
	fire := s.Start("fire-trigger", "--trigger", trigger, "--timeout", "40s", "--pvc-only")
	write.Forward()
	proxy.Down()
	write.Drop()
	fire.End().Ends(Tainted).Error("cannot make sure that no trigger of run run stays armed").Hint("copytrigger disarm")
	proxy.Up()
	s.Run("disarm", "--run-id", "run").Exits(OK).Outcome("withdrawn")
	s.Leaves("", "", Waiting)
	s.Copied(0)
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
			s, proxy := New(t).Proxied()
			s.ReplicateAndWait(Source{})
			proxy.Down()
			s.Run(command, append(args, "--timeout", "1s")...).Ends(TimedOut).Error("timed out after 1s")
			s.Leaves("", "", Waiting)
		})
	}
	t.Run("disarm", func(t *testing.T) {
		t.Parallel()
		s, proxy := New(t).Proxied()
		s.FireHeld("run")
		proxy.Down()
		s.Run("disarm", "--run-id", "run", "--timeout", "1s").Ends(Tainted).Error("cannot make sure").Hint("copytrigger disarm")
		proxy.Up()
		s.Run("disarm", "--run-id", "run").Exits(OK).Outcome("tainted")
		s.Leaves("", "", InProgress)
	})
}

// An answer that no waiting changes ends the step at once.
func TestFinalAnswers(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]metav1.Status{
		"401": Unauthorized(), "403": Forbidden(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, proxy := New(t).Proxied()
			s.ReplicateAndWait(Source{})
			proxy.Answer(GetClaim, 1, status)
			s.Run("await-waiting", "--run-id", "run").Ends(Refused)
			proxy.Spent()
			s.Leaves("", "", Waiting)
		})
	}
}

// The same answer to a step that has fired, in the middle of its wait: an API server that
// has just started does not know its roles yet. To give up would leave the trigger armed.
func TestForbiddenForAMoment(t *testing.T) {
	t.Parallel()
	s, proxy := New(t).Proxied()
	trigger, held := s.FireHeld("run")
	await := s.Start("await-completed", "--trigger", trigger)
	await.Says("VolSync is copying")
	proxy.Answer(GetClaim, 1, Forbidden())
	proxy.Answer(WatchClaim, 1, Forbidden())
	proxy.BreakStream(WatchClaim)
	held.Release()
	await.End().Ends(OK)
	s.Leaves(trigger, trigger, Completed)
}
