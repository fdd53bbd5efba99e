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

// awaitSyncedCommand is the step after a run that ended well.
func (m *program) awaitSyncedCommand() command {
	return m.onClaims(&awaitSyncedFlags{}, command{
		name:    "await-synced",
		usage:   "wait until VolSync has moved the data of the copy: only then it is a backup",
		example: `copytrigger await-synced -n app --pvc data --trigger "$TRIGGER" --timeout 2h`,
		description: "For after await-completed has ended with 0, and the application runs again. It waits for the\n" +
			"end of the very sync that the trigger was fired into. A mover that fails is tried again by\n" +
			"VolSync, with the same copy: what it said last is told meanwhile, and where the step gives up\n" +
			"(exit 7: the copy is good, and not yet a backup).\n\n" +
			"Results: synced-at, mover-result, mover-log. It writes nothing.",
	})
}

type awaitSyncedFlags struct {
	claimFlags
	triggerFlags
	timeoutFlags
}

func (f *awaitSyncedFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.triggerFlags.flags("`TRIGGER` that VolSync has recorded"),
		f.timeoutFlags.flags(time.Hour, "end after `DURATION`, with exit code 7; 0 looks once"),
	)
}

func (f *awaitSyncedFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.triggerFlags.check(c),
		f.outputFlags.check(c),
	)
}

func (f *awaitSyncedFlags) options() step.AwaitSyncedOptions {
	return step.AwaitSyncedOptions{Trigger: f.trigger, Timeout: f.timeout}
}

func (f *awaitSyncedFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	s, err := f.selected(ctx, s, step.SelectOptions{Timeout: f.timeout})
	v := claimValues(s)
	v.Set("trigger", f.trigger.String())
	if err != nil {
		return v, err
	}
	found, err := s.Members().AwaitSynced(ctx, f.options())
	setSynced(&v, found)
	setMembers(&v, s, err, func(i int, m *result.Values) { setSyncedOf(m, found[i]) })
	return v, err
}

// setSynced sets what became of the data: of a group the last end, and of the movers the one that
// has not succeeded.
func setSynced(v *result.Values, found []step.Synced) {
	var whole step.Synced
	all := len(found) > 0
	for _, one := range found {
		all = all && one.At != ""
		whole.At = max(whole.At, one.At)
		if whole.Result == "" || one.Result != "Successful" {
			whole.Result, whole.Log = one.Result, one.Log
		}
	}
	if !all {
		whole.At = ""
	}
	setSyncedOf(v, whole)
}

func setSyncedOf(v *result.Values, one step.Synced) {
	v.Set("synced-at", one.At)
	v.Set("mover-result", one.Result)
	v.Set("mover-log", one.Log)
}
