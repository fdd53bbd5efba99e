package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// startSyncCommand is the step before await-waiting.
func (m *program) startSyncCommand() command {
	return m.onClaims(&startSyncFlags{}, command{
		name:    "start-sync",
		usage:   "begin a sync of VolSync now, in which it waits for the trigger",
		example: `copytrigger start-sync -n app --pvc data --run-id "$RUN"`,
		description: "It sets spec.trigger.manual of every ReplicationSource that is idle, and puts back what was\n" +
			"there when the sync has begun: a schedule goes on. One that runs a sync is left alone, and so\n" +
			"is one that begins a sync by itself. If the copy of that sync exists already, VolSync does not\n" +
			"wait in it any more: another is started when it has ended. When it gives up, it puts back, too;\n" +
			"what it could not put back, because it was killed, cleanup and unlock of the run do, and the\n" +
			"next start-sync.\n" +
			"It needs the Role of rbac/start-sync. await-waiting --start-sync and run --start-sync do the same\n" +
			"first.\n\n" +
			"Results: started (false where a sync ran already), sync-start, replication-source.",
	})
}

type startSyncFlags struct {
	claimFlags
	runIDFlags
	timeoutFlags
}

func (f *startSyncFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.runIDFlags.flags("`ID` of this run, the same for each of its steps and retries (default: a random one)"),
		f.timeoutFlags.flags(5*time.Minute, "put back what was there, and end, after `DURATION`"),
	)
}

func (f *startSyncFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		positive("timeout", f.timeout),
		f.runIDFlags.checkOrMake(c),
		f.outputFlags.check(c),
	)
}

func (f *startSyncFlags) options() step.StartSyncOptions {
	return step.StartSyncOptions{Run: f.runID, Timeout: f.timeout}
}

func (f *startSyncFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	f.logRunID(s)
	s, err := f.selected(ctx, s, step.SelectOptions{Timeout: f.timeout})
	if err != nil {
		return claimValues(s), err
	}
	found, err := s.Members().StartSync(ctx, f.options())
	v := claimValues(s)
	setStarted(&v, s, found, err)
	return v, err
}

// setStarted sets whose syncs run.
func setStarted(v *result.Values, s step.Step, found []step.SyncStarted, err error) {
	on := func(v *result.Values, one step.SyncStarted) {
		v.Set("started", one.Begun)
		v.Set("sync-start", one.Since)
		v.Set("replication-source", one.Source)
	}
	if s.Claim != "" {
		on(v, append(found, step.SyncStarted{})[0])
		return
	}
	setMembers(v, s, err, func(i int, m *result.Values) {
		if i < len(found) {
			on(m, found[i])
		}
	})
}
