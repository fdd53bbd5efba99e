package cli

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"
)

// startFlags are of the commands that may start a sync before they wait.
type startFlags struct {
	start bool
}

func (f *startFlags) flags() []cli.Flag {
	return []cli.Flag{boolean(&f.start, "start-sync",
		"first begin a sync where VolSync is idle, as the command start-sync does; with the Role of rbac/start-sync")}
}

// check refuses what a start-sync needs and is not to have.
func (f *startFlags) check(claimOnly claimOnlyFlags, limit timeoutFlags) error {
	if f.start && limit.timeout == 0 {
		return usageError{errors.New("--start-sync is given, and --timeout is 0"), "VolSync needs some time to begin a sync"}
	}
	return mayStart(f.start, claimOnly)
}

// mayStart refuses a start without a look at what is started.
func mayStart(start bool, claimOnly claimOnlyFlags) error {
	if !start || !claimOnly.claimOnly {
		return nil
	}
	return usageError{errors.New("--start-sync and --pvc-only are both given"),
		"a sync is started on the ReplicationSource: grant rbac/start-sync, or leave --start-sync out"}
}

// syncFlags are of run: how it ends.
type syncFlags struct {
	synced bool
	sync   time.Duration
}

func (f *syncFlags) flags() []cli.Flag {
	return []cli.Flag{
		boolean(&f.synced, "await-synced", "when the application runs again, wait until VolSync has moved the data, "+
			"as the command await-synced does"),
		duration(&f.sync, "sync-timeout", time.Hour, "with --await-synced, end after `DURATION`, with exit code 7"),
	}
}

// check refuses what await-synced needs and is not to have.
func (f *syncFlags) check(claimOnly claimOnlyFlags) error {
	if f.synced && claimOnly.claimOnly {
		return usageError{errors.New("--await-synced and --pvc-only are both given"),
			"whether the data were moved stands on the ReplicationSource: grant list and watch of it"}
	}
	return positive("sync-timeout", f.sync)
}
