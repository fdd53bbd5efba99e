package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Restores is what a restore asks of VolSync's objects; volsync.Objects is it.
type Restores interface {
	RestoreSources(ctx context.Context) ([]handshake.RestoreFrom, error)
	Shape(ctx context.Context, claim string) (handshake.Shape, error)
	Destination(ctx context.Context, name string) (*handshake.Destination, error)
	MakeDestination(
		ctx context.Context, d handshake.Destination, spec map[string]any) (*handshake.Destination, error)
	DeleteDestination(ctx context.Context, name, uid string) error
	FollowDestination(ctx context.Context, name string, changed func(), trouble kube.Trouble) error
	Scratch(ctx context.Context, name string) (*handshake.Owned, error)
	FollowScratch(ctx context.Context, name string, changed func(), trouble kube.Trouble) error
}

// CheckJobs is what it asks of Jobs; jobs.Jobs is it.
type CheckJobs interface {
	Template(ctx context.Context, cronJob string) (map[string]any, handshake.CheckTemplate, error)
	Make(ctx context.Context, manifest map[string]any) (*handshake.CheckJob, error)
	Get(ctx context.Context, name string) (*handshake.CheckJob, error)
	Follow(ctx context.Context, name string, changed func(), trouble kube.Trouble) error
	Said(ctx context.Context, job string) string
}

// CheckRestoreOptions are those of [Step.CheckRestore].
type CheckRestoreOptions struct {
	Run      string
	Source   string // the ReplicationSource; "" for the only one of the claim
	Name     string // of the ReplicationDestination; "" for one made of the ReplicationSource's
	CronJob  string // that has the check
	Keep     bool   // throw nothing away
	Timeout  time.Duration
	Restores Restores
	Jobs     CheckJobs
	Account  Access // of whoever restores
}

// RestoreChecked is how far a check has come.
type RestoreChecked struct {
	Source      string // the ReplicationSource
	Destination string // the ReplicationDestination; the Job has the same name
	Scratch     string // the claim
	RestoredAt  string // when VolSync had restored the copy; "" if it has not
	MoverLog    string // its last words
	Check       string // Complete or Failed; "" for a check that has not ended
	CheckLog    string // its last words
}

// The limits of throwing away.
const (
	throwAwayLimit = 2 * time.Minute // the claim goes when the last pod has gone that has it
	untilSlack     = 5 * time.Minute // more than throwing away takes, and clocks differ
)

// CheckRestore restores the last copy that VolSync has moved to a claim of its own, runs a check on it, and
// throws all of it away however it ends.
func (s Step) CheckRestore(ctx context.Context, o CheckRestoreOptions) (RestoreChecked, error) {
	limited, cancel := limit(ctx, o.Timeout)
	defer cancel()
	r := &restoring{Step: s, o: o}
	err := s.persist(limited, kube.Passing, r.prepare)
	if err != nil {
		return r.found, r.unmade(err, "reaching the API server")
	}
	reason, err := r.begin(limited)
	if err == nil {
		reason, err = r.restore(limited)
	}
	if err == nil {
		reason, err = r.check(limited)
	}
	return r.found, r.end(ctx, r.unmade(err, reason))
}

// restoring is a restore under way.
type restoring struct {
	Step
	o     CheckRestoreOptions
	found RestoreChecked

	from     handshake.RestoreFrom
	shape    handshake.Shape
	template map[string]any // of the CronJob

	tried   bool   // the ReplicationDestination may have been made
	doubt   bool   // a write that makes it may be under way still, if it is not there
	uid     string // of it; "" while nobody knows
	job     string // the uid of the check's Job
	remains string // of what was to be thrown away, as kubectl has it
}

// prepare refuses what can be refused before anything is made.
func (r *restoring) prepare(ctx context.Context) error {
	all, err := r.o.Restores.RestoreSources(ctx)
	if err != nil {
		return err
	}
	from, no := handshake.ChooseSource(r.Claim, r.o.Source, all)
	if no != nil {
		return r.refusal(no)
	}
	if r.shape, err = r.o.Restores.Shape(ctx, r.Claim); err != nil {
		return err
	}
	name := cmp.Or(r.o.Name, from.Source.Name+"-restored")
	r.from = from
	r.found = RestoreChecked{Source: from.Source.Name, Destination: name, Scratch: handshake.ScratchName(name)}
	if err := r.rights(ctx); err != nil {
		return err
	}
	var check handshake.CheckTemplate
	r.template, check, err = r.o.Jobs.Template(ctx, r.o.CronJob)
	if kube.IsNotFound(err) {
		return r.refusal(&handshake.Decision{
			Outcome: outcome.Refused, Why: fmt.Sprintf("CronJob %s with the check is not there", r.o.CronJob),
			Hint: "apply it, or name another with --cronjob; what is there",
			Next: handshake.Move{Kind: handshake.MoveShow, Object: "cronjobs"},
		})
	}
	if err != nil {
		return err
	}
	var used []string
	for _, one := range all {
		used = append(used, one.Source.Claim)
	}
	return r.refusal(check.Refusal(r.found.Scratch, used))
}

// refusal is the ending of a decision; nil for none.
func (r *restoring) refusal(no *handshake.Decision) error {
	if no == nil {
		return nil
	}
	return r.ending(*no)
}

// rights refuses where a right is missing: after the restore there would be no check.
func (r *restoring) rights(ctx context.Context) error {
	c := &checking{step: r.Step, options: CheckOptions{Account: r.o.Account}}
	named := map[string]string{
		"replicationdestinations": r.found.Destination, "cronjobs": r.o.CronJob,
		"jobs": r.found.Destination, "persistentvolumeclaims": r.found.Scratch,
	}
	for _, right := range Rights() {
		if right.Use != OfRestores {
			continue
		}
		lacks, err := c.lacks(ctx, right, []string{named[right.Resource]})
		if err != nil {
			return err
		}
		if len(lacks.verbs) > 0 {
			who := account(r.o.Account.WhoAmI(ctx))
			return &outcome.Ending{
				Outcome: outcome.Refused,
				Why: r.about(fmt.Sprintf("%s may not %s %s: that is for %s",
					who, strings.Join(lacks.verbs, ", "), right.Resource, right.For)),
				Hint: "grant it, by the Role of rbac/check-restore",
			}
		}
	}
	return nil
}

// watching is a wait of a restore, for what follows of all the objects that are followed.
func (r *restoring) watching(
	ctx context.Context, look func(context.Context) (done bool, why string, err error),
	follow ...func(context.Context, string, func(), kube.Trouble) error,
) (reason string, err error) {
	w := newWaiter(r.Log, true, nil)
	err = w.during(ctx, func(ctx context.Context) error {
		for _, f := range follow {
			w.watchAll(ctx, func(ctx context.Context, changed func()) error {
				return f(ctx, r.found.Destination, changed, w.trouble)
			})
		}
		return w.until(ctx, func(ctx context.Context) (done bool, why string, err error) {
			err = kube.Retry(ctx, w.trouble, func(ctx context.Context) (err error) {
				done, why, err = look(ctx)
				return err
			})
			return done, why, err
		})
	})
	return w.why(), err
}

// followScratch follows the claim of the ReplicationDestination with the name.
func (r *restoring) followScratch(ctx context.Context, _ string, changed func(), trouble kube.Trouble) error {
	return r.o.Restores.FollowScratch(ctx, r.found.Scratch, changed, trouble)
}

// scene is what there is of the restore's name.
func (r *restoring) scene(ctx context.Context) (handshake.RestoreScene, error) {
	s := handshake.RestoreScene{Name: r.found.Destination}
	var err error
	if s.Destination, err = r.o.Restores.Destination(ctx, s.Name); err != nil {
		return s, err
	}
	if s.Destination != nil {
		until, err := time.Parse(time.RFC3339, s.Destination.Until)
		s.Over = err != nil || time.Now().After(until)
	}
	scratch, err := r.o.Restores.Scratch(ctx, r.found.Scratch)
	if err != nil {
		return s, err
	}
	job, err := r.o.Jobs.Get(ctx, s.Name)
	if scratch != nil {
		s.Owned = append(s.Owned, *scratch)
	}
	if job != nil {
		s.Owned = append(s.Owned, handshake.Owned{
			Kind: "job", Name: s.Name, UID: job.UID, Owner: job.Owner, OwnerName: job.OwnerName,
		})
	}
	return s, err
}

// begin makes the ReplicationDestination, or finds that of an earlier attempt of the run.
func (r *restoring) begin(ctx context.Context) (reason string, err error) {
	return r.watching(ctx, func(ctx context.Context) (done bool, why string, err error) {
		for !done && why == "" && err == nil {
			done, why, err = r.beginOnce(ctx)
		}
		return done, why, err
	}, r.o.Restores.FollowDestination, r.followScratch, r.o.Jobs.Follow)
}

// beginOnce looks, and does what the look asks for. Where it is not done, and why is "", it is called
// again at once.
func (r *restoring) beginOnce(ctx context.Context) (done bool, why string, err error) {
	scene, err := r.scene(ctx)
	if err != nil {
		return false, "", err
	}
	do, why, no := scene.Begin(r.o.Run)
	d := scene.Destination
	switch {
	case no != nil:
		return false, "", r.ending(*no)
	case do == handshake.RestoreMake:
		done, err = r.make(ctx)
		return done, "", err
	case do == handshake.RestoreGoOn:
		r.tried, r.uid = true, d.UID
		r.Log.Info(r.about("going on with ReplicationDestination " + d.Name + " of an earlier attempt"))
		return true, "", nil
	case do == handshake.RestoreDiscard:
		r.Log.Info(r.about(fmt.Sprintf("deleting ReplicationDestination %s, which run %s has left", d.Name, d.Run)))
		return false, "", r.o.Restores.DeleteDestination(ctx, d.Name, d.UID)
	}
	return false, why, nil
}

// make makes the ReplicationDestination. It reports false where somebody else was faster, or an earlier try,
// whose reply was lost.
func (r *restoring) make(ctx context.Context) (bool, error) {
	until := time.Now().Add(r.o.Timeout + untilSlack).UTC().Format(time.RFC3339)
	r.tried = true
	ctx, cancel := uninterrupted(ctx)
	defer cancel()
	made, err := r.o.Restores.MakeDestination(ctx, handshake.Destination{
		Name: r.found.Destination, Run: r.o.Run, Until: until,
	}, r.from.Spec(r.shape, r.o.Run))
	if kube.AlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		r.doubt = r.doubt || !kube.Undone(err)
		return false, err
	}
	r.uid = made.UID
	r.Log.Info(r.about("restoring the last copy to PVC " + r.found.Scratch + ", by ReplicationDestination " + made.Name))
	return true, nil
}

// restore waits until VolSync has restored the copy.
func (r *restoring) restore(ctx context.Context) (reason string, err error) {
	return r.watching(ctx, func(ctx context.Context) (bool, string, error) {
		d, err := r.o.Restores.Destination(ctx, r.found.Destination)
		if err != nil {
			return false, "", err
		}
		if d != nil {
			r.found.MoverLog = d.Log
		}
		decided := d.Restored(r.uid, r.o.Run, r.from.Source.Mover)
		if decided.Do == handshake.Look {
			return false, decided.Why + r.failing(ctx, handshake.RestoreMover(r.found.Destination)), nil
		}
		if decided.Outcome != outcome.OK {
			return false, "", r.ending(decided)
		}
		scratch, err := r.o.Restores.Scratch(ctx, r.found.Scratch)
		if err != nil {
			return false, "", err
		}
		if why := scratch.Belongs(r.uid); why != "" {
			return false, "", &outcome.Ending{Outcome: outcome.Failed, Why: r.about(why)}
		}
		r.found.RestoredAt = d.LastSync
		r.Log.Info(r.about(decided.Why))
		return true, "", nil
	}, r.o.Restores.FollowDestination)
}

// failing returns how often a Job's pods have failed, and the last words of one; "" where none has.
func (r *restoring) failing(ctx context.Context, job string) string {
	j, err := r.o.Jobs.Get(ctx, job)
	if err != nil || j == nil || j.Errors == 0 {
		return ""
	}
	return fmt.Sprintf("; its mover has failed %d times, and says: %s", j.Errors, r.o.Jobs.Said(ctx, job))
}

// check runs the check, and waits for its end.
func (r *restoring) check(ctx context.Context) (reason string, err error) {
	name := r.found.Destination
	manifest := handshake.CheckManifest(name, r.template, handshake.Destination{Name: name, UID: r.uid})
	return r.watching(ctx, func(ctx context.Context) (bool, string, error) {
		if r.job == "" {
			if err := r.makeJob(ctx, manifest); err != nil {
				return false, "", err
			}
		}
		j, err := r.o.Jobs.Get(ctx, name)
		if err != nil {
			return false, "", err
		}
		decided := j.Checked(r.job)
		if decided.Do == handshake.Look {
			return false, decided.Why, nil
		}
		r.found.CheckLog = r.o.Jobs.Said(ctx, name)
		if decided.Outcome != outcome.OK {
			r.found.Check = "Failed"
			if r.found.CheckLog != "" {
				decided.Why += "; it says: " + r.found.CheckLog
			}
			return false, "", r.ending(decided)
		}
		r.found.Check = "Complete"
		r.Log.Info(r.about(decided.Why + ": " + r.found.CheckLog))
		return true, "", nil
	}, r.o.Jobs.Follow)
}

// makeJob makes the Job of the check, or finds that it has.
func (r *restoring) makeJob(ctx context.Context, manifest map[string]any) error {
	name := r.found.Destination
	ctx, cancel := uninterrupted(ctx)
	defer cancel()
	j, err := r.o.Jobs.Make(ctx, manifest)
	if kube.AlreadyExists(err) {
		j, err = r.o.Jobs.Get(ctx, name)
		if err == nil && (j == nil || j.Owner != r.uid) {
			return &outcome.Ending{
				Outcome: outcome.Failed, Why: r.about("Job " + name + " is there, and belongs to no restore of this run"),
				Hint: "give another name with --name",
			}
		}
	}
	if err != nil {
		return err
	}
	r.job = j.UID
	return nil
}

// unmade gives an error its outcome, and nil none.
func (r *restoring) unmade(err error, reason string) error {
	var (
		ending *outcome.Ending
		up     timeUp
		stop   outcome.Stop
		failed *kube.Error
	)
	switch {
	case err == nil || errors.As(err, &ending):
		return err
	case errors.As(err, &up):
		return &outcome.Ending{
			Outcome: outcome.TimedOut, Err: err, Why: r.about(during(err, reason)),
			Hint: "raise --timeout, or see why it waits; --keep leaves it for a look",
		}
	case errors.As(err, &stop):
		return &outcome.Ending{Outcome: outcome.Signalled, Err: err, Why: r.about(during(err, reason))}
	case !r.tried:
		return r.unfired(err, reason)
	case errors.As(err, &failed):
		return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: r.about(err.Error()), Hint: r.hintAfter(failed)}
	}
	return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: r.about(err.Error())}
}

// end throws away what the run has made. err is how the run has ended.
func (r *restoring) end(ctx context.Context, err error) error {
	if !r.tried {
		return err
	}
	made := "replicationdestination/" + r.found.Destination
	r.remains = made
	away := func() string { return r.then("", handshake.Move{Kind: handshake.MoveDelete, Object: r.remains}) }
	if r.o.Keep {
		r.Log.Info(r.about("the restored claim " + r.found.Scratch + " stays for a look; then: " + away()))
		return err
	}
	within := throwAwayLimit
	if ctx.Err() != nil { // a pod has 30 s after a signal
		within = giveBackLimit
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), within, timeUp{within})
	defer cancel()
	reason, terr := r.throwAway(ctx)
	if terr == nil && r.doubt && r.uid == "" {
		r.remains = made
		terr = errors.New("the write that makes it may still be under way")
	}
	if terr == nil {
		return err
	}
	ending := &outcome.Ending{Outcome: outcome.Failed, Err: terr, Why: r.about("the check has ended well")}
	if err != nil {
		copied := *endingOf(err)
		ending = &copied
	}
	ending.Left |= outcome.LeftRestored
	ending.Why += "; and what it restored was not thrown away: " + during(terr, reason)
	ending.Hint = joinHints(away(), ending.Hint)
	return ending
}

// throwAway deletes the ReplicationDestination of the run, and waits until what it owned has gone.
func (r *restoring) throwAway(ctx context.Context) (reason string, err error) {
	return r.watching(ctx, func(ctx context.Context) (bool, string, error) {
		scene, err := r.scene(ctx)
		if err != nil {
			return false, "", err
		}
		d := scene.Destination
		if d != nil && r.uid == "" && d.Run == r.o.Run {
			r.uid = d.UID // the reply to its creation was lost
		}
		if d != nil && d.UID == r.uid && !d.Deleting {
			if err := r.o.Restores.DeleteDestination(ctx, d.Name, d.UID); err != nil {
				return false, "", err
			}
		}
		if r.remains = scene.Left(r.uid); r.remains != "" {
			return false, r.remains + " is being deleted", nil
		}
		return true, "", nil
	}, r.o.Restores.FollowDestination, r.followScratch, r.o.Jobs.Follow)
}
