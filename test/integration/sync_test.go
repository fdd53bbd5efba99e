package integration

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const yearly = "0 0 1 1 *"

// idle is a claim whose ReplicationSource has ended its first sync, and rests.
func idle(s *harness.Site, cron string) {
	s.Helper()
	s.MayStartSync()
	synced(s, cron, "first")
}

// synced is one backup, up to the end of its sync.
func synced(s *harness.Site, cron, run string) (trigger string) {
	s.Helper()
	s.Replicate(harness.Source{Cron: cron})
	trigger = s.AwaitWaiting(run)
	copied(s, run, trigger)
	s.FinishSync()
	return trigger
}

// copied is the rest of a run.
func copied(s *harness.Site, run, trigger string) {
	s.Helper()
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	s.Unlock(run)
}

// A sync is started on a ReplicationSource that rests. What was there is there again while VolSync
// waits, and no other sync follows.
func TestStartSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cron, manual string }{
		"a schedule goes on":           {cron: yearly},
		"a manual trigger is put back": {manual: "first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			idle(s, c.cron)
			r := s.Run("start-sync", "--run-id", "second").Ends(harness.OK)
			if r.Value("started") != "true" || r.Value("sync-start") == "" || r.Value("replication-source") != harness.Nightly {
				t.Errorf("got %s", r.Stdout)
			}
			before := s.SyncsBy(c.manual, c.cron)
			if before.Since != r.Value("sync-start") {
				t.Errorf("the sync runs since %q, want %q", before.Since, r.Value("sync-start"))
			}
			// Once more, in the same run and in another: it runs already.
			for _, run := range []string{"second", "other"} {
				r = s.Run("start-sync", "--run-id", run).Ends(harness.OK).Says("is left alone")
				if r.Value("started") != "false" {
					t.Errorf("got %s", r.Stdout)
				}
			}
			trigger := s.AwaitWaiting("second")
			copied(s, "second", trigger)
			s.Run("start-sync", "--run-id", "third", "--timeout", "1s").Ends(harness.TimedOut).
				Error("another is started when it has ended")
			s.FinishSync()
			after := s.SyncsBy(c.manual, c.cron)
			if after.Since != "" || after.LastManual != c.manual {
				t.Errorf("got %+v, want no other sync", after)
			}
			s.Copied(2)
		})
	}
}

// A sync is started as soon as that has ended in which VolSync does not wait any more.
func TestStartSyncAfterTheOneThatRuns(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	idle(s, yearly)
	s.Run("start-sync", "--run-id", "second").Ends(harness.OK)
	copied(s, "second", s.AwaitWaiting("second"))
	p := s.Start("start-sync", "--run-id", "third")
	p.Says("another is started when it has ended")
	s.SyncsBy("", yearly)
	s.FinishSync()
	if r := p.End().Ends(harness.OK); r.Value("started") != "true" {
		t.Errorf("got %s", r.Stdout)
	}
	s.SyncsBy("", yearly)
	s.AwaitWaiting("third")
	s.Copied(2)
}

// Without its right nothing is started.
func TestStartSyncWithoutTheRight(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	synced(s, yearly, "first")
	s.Run("start-sync", "--run-id", "second").Ends(harness.Refused).Hint("rbac/start-sync")
	if got := s.SyncsBy("", yearly); got.Since != "" {
		t.Errorf("a sync runs: %+v", got)
	}
}

// A claim that VolSync would copy at once is none to start a sync for.
func TestStartSyncRefuses(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	idle(s, yearly)
	s.Annotate(harness.Trigger, "by-hand")
	s.Run("start-sync", "--run-id", "second").Ends(harness.Refused).Error("it is armed")
	if got := s.SyncsBy("", yearly); got.Since != "" {
		t.Errorf("a sync runs: %+v", got)
	}
}

// start-sync is killed about each of its writes. Another one of the run, and the cleanup of the run,
// put back what was there.
func TestStartSyncKilled(t *testing.T) {
	t.Parallel()
	for _, m := range moments {
		for _, nth := range []string{"asks", "puts back"} {
			for _, by := range []string{"start-sync", "cleanup", "unlock"} {
				t.Run(strings.Join([]string{nth, m.name, by}, " "), func(t *testing.T) {
					t.Parallel()
					direct := harness.New(t)
					idle(direct, "")
					s, proxy := direct.Proxied()
					write := proxy.Hold(s.PatchSourceRequest())
					p := s.Start("start-sync", "--run-id", "second")
					if nth == "puts back" {
						second := proxy.Hold(s.PatchSourceRequest())
						write.Forward()
						write.Drop()
						write = second
					}
					killedAt(m.written, p, write)
					s.Run(by, "--run-id", "second").Exits(harness.OK)
					s.SyncsBy("first", "")
				})
			}
		}
	}
}

// start-sync asks for a sync of every member that is idle.
func TestStartSyncOfAGroup(t *testing.T) {
	t.Parallel()
	g := harness.New(t).Together(3)
	g.MayStartSync()
	for i, m := range g.Members {
		switch i {
		case 0:
			m.ReplicateAndWait(harness.Source{}) // it runs already
		case 1:
			synced(m, yearly, "first")
		default:
			synced(m, "", "first")
		}
	}
	r := g.Run("start-sync", "--run-id", "second").EndsTogether(harness.OK)
	if strings.Count(r.Stdout, `"started":true`) != 2 || strings.Count(r.Stdout, `"started":false`) != 1 {
		t.Errorf("got %s", r.Stdout)
	}
	g.Members[1].SyncsBy("", yearly)
	g.Members[2].SyncsBy("first", "")
	trigger := g.AwaitWaiting("second")
	g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
	g.Run("await-completed", "--trigger", trigger).EndsTogether(harness.OK)
	g.Run("unlock", "--run-id", "second").EndsTogether(harness.OK)
	await := g.Start("await-synced", "--trigger", trigger, "--timeout", "10m")
	for _, m := range g.Members {
		await.Says("moves the data")
		m.FinishSync()
	}
	r = await.End().EndsTogether(harness.OK)
	if r.Value("synced-at") == "" || strings.Count(r.Stdout, `"mover-result":"Successful"`) != 4 {
		t.Errorf("got %s", r.Stdout)
	}
}

// The whole of it in one process.
func TestRunStartsAndAwaitsTheSync(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	idle(s, yearly)
	run := s.Start("run", "--run-id", "second", "--quiesce", "true", "--unquiesce", "true",
		"--start-sync", "--await-synced", "--timeout", "5m")
	run.Says("moves the data")
	s.SyncsBy("", yearly)
	s.LeftUnlocked()
	s.FinishSync()
	r := run.End().Ends(harness.OK)
	if r.Value("synced-at") != s.SyncTrigger().Ended || r.Value("mover-result") != "Successful" {
		t.Errorf("got %s", r.Stdout)
	}
}

// await-synced tells of the very sync of its trigger.
func TestAwaitSynced(t *testing.T) {
	t.Parallel()
	t.Run("gives up", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		first := synced(s, yearly, "first")
		s.Run("await-synced", "--trigger", first).Ends(harness.OK)
		s.MayStartSync()
		s.Run("start-sync", "--run-id", "second").Ends(harness.OK)
		s.Run("await-synced", "--trigger", first).Ends(harness.OK) // its sync has ended
		second := s.AwaitWaiting("second")
		s.Run("await-synced", "--trigger", second).Ends(harness.Unverified).Error("has not recorded the trigger")
		copied(s, "second", second)
		// The mover's last result, lastSyncTime and lastManualSync are those of the first sync.
		s.Run("await-synced", "--trigger", second, "--timeout", "3s").Ends(harness.Unsynced).
			Error("the copy is good").Error("moves the data of the sync").
			Hint("kubectl logs -n " + s.Namespace + " job/volsync-src-nightly")
		_, err := s.Kube().BatchV1().Jobs(s.Namespace).Get(s.Ctx, "volsync-src-nightly", metav1.GetOptions{})
		s.Must(err) // what the hint names is there
		s.Run("await-synced", "--trigger", first, "--timeout", "3s").Ends(harness.Unverified)
		s.FinishSync()
		s.Run("await-synced", "--trigger", second, "--timeout", "0").Ends(harness.OK)
	})
	t.Run("the ReplicationSource goes", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		trigger := backedUp(s)
		await := s.Start("await-synced", "--trigger", trigger)
		await.Says("moves the data")
		s.DeleteSource()
		await.End().Ends(harness.Unsynced).Error("no ReplicationSource")
	})
}

// The tests below have the cluster to themselves: none is parallel.

// A GitOps controller puts its own value back before VolSync has seen start-sync's.
func TestStartSyncThatIsReverted(t *testing.T) {
	s := harness.New(t)
	idle(s, "")
	volsync := s.Component("volsync")
	volsync.Pause()
	p := s.Start("start-sync", "--run-id", "second")
	p.Says("has not begun the sync")
	s.SyncAgain("first")
	p.End().Ends(harness.Refused).Error(`set spec.trigger.manual of ReplicationSource nightly to "first"`).Hint("GitOps")
	volsync.Resume()
	s.SyncsBy("first", "")
}

// VolSync does not begin: what was there is put back.
func TestStartSyncWithoutVolSync(t *testing.T) {
	s := harness.New(t)
	idle(s, "")
	volsync := s.Component("volsync")
	volsync.Pause()
	s.Run("start-sync", "--run-id", "second", "--timeout", "3s").Ends(harness.TimedOut).Error("has not begun the sync")
	got := s.SyncsBy("first", "")
	volsync.Resume()
	if got.Since != "" {
		t.Errorf("got %+v", got)
	}
}

// What a start-sync of a run that was lost has left, the next one of any run puts back.
func TestStartSyncAfterOneThatWasLost(t *testing.T) {
	s := harness.New(t)
	idle(s, "")
	volsync := s.Component("volsync")
	volsync.Pause()
	p := s.Start("start-sync", "--run-id", "second")
	p.Says("has not begun the sync")
	p.Kill()
	volsync.Resume()
	s.Run("start-sync", "--run-id", "third").Ends(harness.OK)
	s.SyncsBy("first", "")
}
