package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

// timeoutFlags are of every command that asks a cluster.
type timeoutFlags struct {
	timeout time.Duration
}

func (f *timeoutFlags) flags(value time.Duration, usage string) []cli.Flag {
	return []cli.Flag{duration(&f.timeout, "timeout", value, usage)}
}

func (f *timeoutFlags) check(*cli.Context) error { return notNegative(f.timeout) }

// ackFlags are of the commands that wait for VolSync to react to the trigger.
type ackFlags struct {
	ack time.Duration
}

func (f *ackFlags) flags() []cli.Flag {
	return []cli.Flag{duration(&f.ack, "ack-timeout", time.Minute,
		"give the trigger back if VolSync has not reacted to it after `DURATION`")}
}

func (f *ackFlags) check(*cli.Context) error {
	if f.ack == 0 {
		return usageError{errors.New("--ack-timeout is 0"), "VolSync needs some time to react; the default is 1m"}
	}
	return notNegative(f.ack)
}

// copyTimeoutFlags are for what await-completed by itself has as --timeout.
type copyTimeoutFlags struct {
	copyTimeout time.Duration
}

func (f *copyTimeoutFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{duration(&f.copyTimeout, "copy-timeout", 10*time.Minute, usage)}
}

func (f *copyTimeoutFlags) check(*cli.Context) error { return notNegative(f.copyTimeout) }

func notNegative(limit time.Duration) error {
	if limit < 0 {
		return usageError{errors.New("a limit is negative"), "0 looks once and does not wait"}
	}
	return nil
}

// positive refuses a limit that leaves no time, of the flag with a name.
func positive(name string, limit time.Duration) error {
	if limit <= 0 {
		return usageError{fmt.Errorf("--%s is %s", name, limit), "give the time that it may take, such as 5m"}
	}
	return nil
}
