package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// awaitCompletedCommand is the step before unquiesce; with --copy, the step after it.
func (m *program) awaitCompletedCommand() command {
	return m.onClaims(&awaitCompletedFlags{}, command{
		name:    "await-completed",
		usage:   "wait until VolSync has recorded the trigger, so that the application may run again",
		example: `copytrigger await-completed -n app --pvc data --trigger "$TRIGGER" --timeout 5m`,
		description: "Results: trigger, cut-time, copy-seconds, copy. When it gives up, for time or a signal,\n" +
			"it gives the trigger back first (exit 4), or says that it was too late for that (exit 5).\n" +
			"--until=cut ends as soon as the storage has cut the VolumeSnapshot: the application may run\n" +
			"again, but the copy is good only when await-completed --copy has ended with 0, too.\n" +
			"--fire fires the trigger first, in the same process; --after then keeps it from firing\n" +
			"where quiesce failed. A trigger that is set already is taken back: nobody knows in which\n" +
			"freeze it was set.",
	})
}

type awaitCompletedFlags struct {
	claimFlags
	claimOnlyFlags
	ackFlags
	untilFlags
	copy   string   // uid of the copy that was cut; "" before the cut
	copies []string // of the claims of a group, in their order
	triggerFlags
	fire bool // the trigger, before it is awaited
	afterFlags
	timeoutFlags
}

func (f *awaitCompletedFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.claimOnlyFlags.flags(),
		f.ackFlags.flags(),
		f.untilFlags.flags(
			"completed: until VolSync has recorded the trigger; cut: until the VolumeSnapshot is cut"),
		[]cli.Flag{text(&f.copy, "copy",
			"the result copy of await-completed --until=cut, as `UID`, of several claims as CLAIM=UID,…: "+
				"only that copy is good; the application may run again; none where that was not run")},
		f.triggerFlags.flags("`TRIGGER` that was fired, or is to be with --fire"),
		[]cli.Flag{boolean(&f.fire, "fire",
			"fire the trigger first, as fire-trigger does: one step less while the application is quiesced")},
		f.afterFlags.flags(),
		f.timeoutFlags.flags(10*time.Minute, "give the trigger back and end after `DURATION`; 0 looks once"),
	)
}

func (f *awaitCompletedFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.ackFlags.check(c),
		f.triggerFlags.check(c),
		f.afterFlags.check(c),
		f.untilFlags.check(c),
		f.checkWhatFor(c),
		f.checkCopies(),
		f.mayLookAtCopy(f.untilCut() || f.copy != "" && f.copy != step.Recorded),
		f.outputFlags.check(c),
	)
}

// noCopy is the value of --copy for no copy: in an engine a parameter cannot be left out.
const noCopy = "none"

// checkWhatFor refuses flags that ask to wait for different things.
func (f *awaitCompletedFlags) checkWhatFor(c *cli.Context) error {
	switch {
	case f.copy == noCopy:
		f.copy = ""
	case f.copy == "" && c.IsSet("copy"):
		// Without it another copy would do.
		return usageError{errors.New("--copy is empty"),
			"give the result copy of await-completed --until=cut, which must have ended with 0"}
	case f.untilCut() && f.copy != "":
		return usageError{errors.New("--until=cut and --copy are both given"),
			"--copy is for afterwards: until VolSync has recorded the trigger for that copy"}
	case f.fire && (f.untilCut() || f.copy != ""):
		return usageError{errors.New("--fire is given, and --until=cut or --copy as well"),
			"--fire waits until VolSync has recorded the trigger; for less use fire-trigger, then await-completed"}
	}
	return nil
}

// checkCopies reads the copy of each claim of a group.
func (f *awaitCompletedFlags) checkCopies() error {
	f.copies = nil
	if f.copy == "" || len(f.claims) == 1 || f.selector != "" && !strings.Contains(f.copy, "=") {
		return nil
	}
	uids := map[string]string{}
	for _, one := range strings.Split(f.copy, ",") {
		claim, uid, _ := strings.Cut(one, "=")
		uids[claim] = uid
	}
	if f.selector != "" { // the copies name the claims
		f.claims, f.selector = slices.Sorted(maps.Keys(uids)), ""
	}
	for _, claim := range f.claims {
		if uids[claim] == "" || len(uids) != len(f.claims) {
			return usageError{fmt.Errorf("--copy does not name a copy of each claim, and of no other: %s", claim),
				"give the result copy of await-completed --until=cut for the same claims"}
		}
		f.copies = append(f.copies, uids[claim])
	}
	return nil
}

func (f *awaitCompletedFlags) options() step.AwaitCompletedOptions {
	return step.AwaitCompletedOptions{
		Trigger: f.trigger, UntilCut: f.untilCut(), Copy: f.copy, Copies: f.copies, Timeout: f.timeout, Ack: f.ack,
	}
}

func (f *awaitCompletedFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	s.ClaimOnly = f.claimOnly
	s, fired, copied, err := f.await(ctx, s)
	v := claimValues(s)
	v.Set("unchecked", f.unchecked())
	v.Set("trigger", f.trigger.String())
	setCopied(&v, s, copied, err)
	if f.fire {
		setFired(&v, s, fired, err)
	}
	if f.untilCut() {
		setCopies(&v, s, copied)
	}
	return v, err
}

// await fires first where that is asked.
func (f *awaitCompletedFlags) await(
	ctx context.Context, s step.Step,
) (_ step.Step, fired step.Fired, cs []step.Copied, err error) {
	o := step.SelectOptions{Purpose: step.ToAwait, Run: f.trigger.Run(), Trigger: f.trigger, Timeout: f.timeout}
	if f.fire {
		o.Purpose = step.ToFire
	}
	if s, err = f.selected(ctx, s, o); err != nil {
		return s, fired, nil, err
	}
	if !f.fire {
		cs, err = s.Members().AwaitCompleted(ctx, f.options())
		return s, fired, cs, err
	}
	fire := step.FireTriggerOptions{Trigger: f.trigger, After: f.after}
	fired, cs, err = s.Members().FireAndAwait(ctx, fire, f.options())
	return s, fired, cs, err
}
