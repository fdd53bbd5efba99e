package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/jobs"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// checkRestoreCommand proves that what was copied can be restored.
func (m *program) checkRestoreCommand() command {
	f := &checkRestoreFlags{}
	return command{
		name:    "check-restore",
		usage:   "restore the last copy to a claim of its own, run a check on it, and throw it away",
		example: "copytrigger check-restore -n app --pvc data --cronjob data-check",
		description: "Makes a ReplicationDestination NAME of what the claim's ReplicationSource says (restic, rclone),\n" +
			"waits until VolSync has restored the last copy to PVC volsync-NAME-dest, runs a Job of the\n" +
			"template of a CronJob on it, which is suspended and mounts that PVC, and deletes all three\n" +
			"however it ends. The application and its claim are not touched. What is wrong with the CronJob,\n" +
			"and a right that is missing (the Role of rbac/check-restore), is refused before anything is made.\n\n" +
			"Exits with 0 only if VolSync has restored something for this run, and the Job of this run is\n" +
			"complete; with 1 where either has failed. What a run that was killed has left, the next attempt\n" +
			"with the same --run-id goes on with; another run deletes it when that one's --timeout has passed.\n\n" +
			"Results: replication-source, replication-destination, scratch-pvc, restored-at, mover-log,\n" +
			"check (Complete or Failed), check-log.",
		flags:  f,
		action: m.onCluster(f, action{do: f.run}),
	}
}

type checkRestoreFlags struct {
	clusterFlags
	runIDFlags
	timeoutFlags
	claim   string
	cronJob string
	source  string
	name    string
	keep    bool
}

func (f *checkRestoreFlags) flags() []cli.Flag {
	return slices.Concat(
		[]cli.Flag{
			text(&f.claim, "pvc", "`NAME` of the claim whose last copy is restored"),
			text(&f.cronJob, "cronjob", "`NAME` of the suspended CronJob that has the check"),
			text(&f.source, "replication-source", "`NAME` of the ReplicationSource, where several copy the claim"),
			text(&f.name, "name", "`NAME` of the ReplicationDestination and of the Job "+
				"(default: the ReplicationSource's, with -restored)"),
			boolean(&f.keep, "keep", "throw nothing away, for a look; the next run does when --timeout has passed"),
		},
		f.runIDFlags.flags("`ID` of this run, the same for each of its attempts (default: a random one)"),
		f.timeoutFlags.flags(time.Hour, "give up after `DURATION`: restore and check together"),
		f.clusterFlags.flags("claim"),
	)
}

func (f *checkRestoreFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.clusterFlags.check(c),
		f.runIDFlags.checkOrMake(c),
		f.timeoutFlags.check(c),
		positive("timeout", f.timeout),
		f.checkNames(c),
		f.outputFlags.check(c),
	)
}

// checkNames refuses what cannot be the name of an object. An engine's parameter that was not given is an
// empty name.
func (f *checkRestoreFlags) checkNames(*cli.Context) error {
	switch {
	case f.claim == "":
		return usageError{errors.New("--pvc is missing"), "name the claim whose copy is restored: --pvc NAME"}
	case len(validation.IsDNS1123Subdomain(f.claim)) > 0:
		return usageError{fmt.Errorf("--pvc %q is not a claim's name", f.claim), notAClaim(f.claim)}
	case f.cronJob == "":
		return usageError{errors.New("--cronjob is missing"), "name the suspended CronJob that has the check"}
	}
	for _, n := range []struct{ flag, value string }{
		{"cronjob", f.cronJob}, {"replication-source", f.source}, {"name", f.name},
	} {
		if n.value != "" && len(validation.IsDNS1123Subdomain(n.value)) > 0 {
			return usageError{fmt.Errorf("--%s %q is not the name of an object", n.flag, n.value), notAName}
		}
	}
	return nil
}

func (f *checkRestoreFlags) connect(m *program, version string) (step.Step, error) {
	s, err := f.clusterFlags.connect(m, version)
	if err != nil {
		return s, err
	}
	m.log = m.log.With("pvc", f.claim)
	s.Claim, s.Group, s.Log = f.claim, []string{f.claim}, m.log
	return s, nil
}

func (f *checkRestoreFlags) options() step.CheckRestoreOptions {
	return step.CheckRestoreOptions{
		Run: f.runID, Source: f.source, Name: f.name, CronJob: f.cronJob, Keep: f.keep, Timeout: f.timeout,
	}
}

func (f *checkRestoreFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	f.logRunID(s)
	o, cluster := f.options(), f.connected
	o.Restores = volsync.In(cluster.Dynamic, cluster.Metadata, s.Namespace, "copytrigger")
	o.Jobs, o.Account = jobs.In(cluster, s.Namespace, "copytrigger"), cluster
	found, err := s.CheckRestore(ctx, o)
	var v result.Values
	v.Set("outcome", "ok")
	v.Set("reason", "")
	v.Set("pvc", s.Namespace+"/"+s.Claim)
	v.Set("replication-source", found.Source)
	v.Set("replication-destination", found.Destination)
	v.Set("scratch-pvc", found.Scratch)
	v.Set("restored-at", found.RestoredAt)
	v.Set("mover-log", found.MoverLog)
	v.Set("check", found.Check)
	v.Set("check-log", found.CheckLog)
	return v, err
}
