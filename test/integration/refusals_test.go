package integration

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const foreign = "somebody-else"

// What would go wrong later is refused by await-waiting, while nothing is frozen.
func TestAwaitWaitingRefuses(t *testing.T) {
	t.Parallel()
	type left struct{ trigger, latest, status string }
	for _, c := range []struct {
		name    string
		arrange func(s *harness.Site)
		reason  string
		hint    string
		left    left
	}{
		{
			name:    "a claim that is armed",
			arrange: func(s *harness.Site) { s.Annotate(harness.Trigger, foreign) },
			reason:  `it is armed with the trigger "somebody-else"`,
			hint:    "kubectl annotate --overwrite -n ",
			left:    left{trigger: foreign},
		},
		{
			name:    "a claim without copy triggers",
			arrange: func(s *harness.Site) { s.Annotate(harness.Use, ""); s.Replicate(harness.Source{}) },
			reason:  "it has no annotation " + harness.Use + ", so VolSync copies it without waiting",
			hint:    "kubectl annotate --overwrite -n ",
		},
		{
			name:    "a claim that nobody copies",
			arrange: func(*harness.Site) {},
			reason:  "no ReplicationSource has it as sourcePVC",
			hint:    "create the ReplicationSource",
		},
		{
			name:    "a WaitingForTrigger whose ReplicationSource is gone",
			arrange: func(s *harness.Site) { s.Orphan() },
			reason:  "no ReplicationSource has it as sourcePVC",
			hint:    "create the ReplicationSource",
			left:    left{status: harness.Waiting},
		},
		{
			name: "two ReplicationSources",
			arrange: func(s *harness.Site) {
				s.ReplicateAndWait(harness.Source{})
				s.Replicate(harness.Source{Name: "weekly"})
			},
			reason: "2 ReplicationSources have it as sourcePVC, and VolSync's copy triggers work with one only: nightly, weekly",
			hint:   "leave one ReplicationSource",
			left:   left{status: harness.Waiting},
		},
		{
			name:    "copyMethod Direct",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Method: "Direct"}) },
			reason:  `copyMethod "Direct", which ignores copy triggers`,
			hint:    "set copyMethod to Snapshot or Clone",
		},
		{
			name:    "copyMethod None",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Method: "None"}) },
			reason:  `copyMethod "None", which ignores copy triggers`,
			hint:    "set copyMethod to Snapshot or Clone",
		},
		{
			name:    "the mover syncthing",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Mover: "syncthing"}) },
			reason:  `the mover "syncthing", which ignores copy triggers`,
			hint:    "use a mover that honours them: restic, rclone, rsyncTLS, rsync, kopia",
		},
		{
			name:    "a mover that is not VolSync's",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Mover: "external"}) },
			reason:  `the mover "external", which ignores copy triggers`,
			hint:    "use a mover that honours them: restic, rclone, rsyncTLS, rsync, kopia",
		},
		{
			name:    "a paused ReplicationSource",
			arrange: func(s *harness.Site) { s.ReplicateAndWait(harness.Source{Paused: true}) },
			reason:  "ReplicationSource nightly is paused",
			hint:    "set spec.paused to false",
			left:    left{status: harness.Waiting},
		},
		{
			name:    "a claim that is being deleted",
			arrange: func(s *harness.Site) { s.ReplicateAndWait(harness.Source{}); s.BeginDeletingClaim() },
			reason:  "it is being deleted",
			hint:    "wait until it is created again",
			left:    left{status: harness.Waiting},
		},
		{
			name:    "a ReplicationSource that is being deleted",
			arrange: func(s *harness.Site) { s.ReplicateAndWait(harness.Source{}); s.BeginDeletingSource() },
			reason:  "ReplicationSource nightly is being deleted",
			hint:    "wait until it is created again",
			left:    left{status: harness.Waiting},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			c.arrange(s)
			s.Run("await-waiting", "--run-id", "run").Ends(harness.Refused).Error(c.reason).Hint(c.hint)
			s.Leaves(c.left.trigger, c.left.latest, c.left.status)
		})
	}
}

// A claim that is not there, or a namespace: seen by who may see it.
func TestAwaitWaitingRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"claim":     {"--pvc", "daat"},
		"namespace": {"--pvc", harness.Claim, "--namespace", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			r := s.AsAdmin().
				StartRaw(append([]string{"await-waiting", "--run-id", "run"}, args...)...).
				End().
				Exits(harness.Refused)
			if r.Value("outcome") != "refused" {
				t.Errorf("results %v", r.Values)
			}
			r.Error("not").Hint("check --pvc and --namespace")
			s.Leaves("", "", "")
		})
	}
}

// VolSync reads that use-copy-trigger is there, not what it says.
func TestUseCopyTriggerFalseIsOn(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Annotate(harness.Use, "false")
	s.ReplicateAndWait(harness.Source{})
	r := s.Run("await-waiting", "--run-id", "run").Ends(harness.OK)
	r.Says("warning: ", `is "false", which VolSync takes as on`)
	trigger := r.Value("trigger")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
}

// fire-trigger refuses what has changed since await-waiting, and leaves nothing armed.
func TestFireTriggerRefusesAfterAChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(s *harness.Site)
		reason string
		status string
		copies int
	}{
		{
			name:   "paused",
			change: func(s *harness.Site) { s.PatchSource(map[string]any{"paused": true}) },
			reason: "is paused", status: harness.Waiting,
		},
		{
			name:   "a second ReplicationSource",
			change: func(s *harness.Site) { s.Replicate(harness.Source{Name: "weekly"}) },
			reason: "2 ReplicationSources", status: harness.Waiting,
		},
		{
			name:   "no ReplicationSource",
			change: func(s *harness.Site) { s.DeleteSource() },
			reason: "no ReplicationSource", status: harness.Waiting,
		},
		{
			name: "another ReplicationSource of the name",
			change: func(s *harness.Site) {
				s.DeleteSource()
				s.Replicate(harness.Source{})
				s.AwaitSyncing()
			},
			reason: "was made for another wait", status: harness.Waiting,
		},
		{
			name:   "the claim is being deleted",
			change: func(s *harness.Site) { s.BeginDeletingClaim() },
			reason: "it is being deleted", status: harness.Waiting,
		},
		{
			name:   "copy triggers turned off",
			change: func(s *harness.Site) { s.Annotate(harness.Use, ""); s.AwaitMover() },
			reason: "it has no annotation " + harness.Use, status: harness.Waiting, copies: 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			s.ReplicateAndWait(harness.Source{})
			trigger := s.AwaitWaiting("run")
			c.change(s)
			end := harness.Refused
			if c.copies > 0 {
				end = harness.Tainted // it was not there when await-waiting ended
			}
			s.Run("fire-trigger", "--trigger", trigger).Ends(end).Error(c.reason)
			s.Leaves("", "", c.status)
			s.Copied(c.copies)
		})
	}
}
