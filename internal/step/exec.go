package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// ExecOptions are those of [Step.Exec].
type ExecOptions struct {
	Cluster quiesce.Cluster
	Args    []string
	Env     []string
	Timeout time.Duration // for the command, and to find its pod
}

// Executed is a command in the application's pod, as far as it came.
type Executed struct {
	In    pods.Target
	Ended bool // with Code
	Code  int
}

// Exec runs a command in the application's pod. The error of one that ended with a code other than
// 0 is no [outcome.Ending]: the code is the user's. Whatever keeps it from being run is a refusal,
// so it is told apart from a command that ended with a shell's code for that.
func (s Step) Exec(ctx context.Context, o ExecOptions) (e Executed, err error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	bare := false
	err = s.persist(ctx, kube.Passing, func(ctx context.Context) (err error) {
		if e.In, err = o.Cluster.Find(ctx); err != nil {
			return err
		}
		shell, err := o.Cluster.Check(ctx, e.In, o.Args)
		bare = !shell
		return err
	})
	if err != nil {
		return e, s.inPod(err)
	}
	s.Log.Info("running the command in " + e.In.String())
	code, err := o.Cluster.Run(ctx, e.In, podexec.Command{Args: o.Args, Env: o.Env, Bare: bare})
	var (
		notRun *podexec.NotRun
		broken *podexec.Broken
	)
	switch {
	case errors.As(err, &notRun):
		return e, s.inPod(err)
	case errors.As(err, &broken):
		return e, s.notSeen(err, broken)
	}
	e.Ended, e.Code = true, code
	return e, err
}

// notSeen is the end of a command that nobody has seen to end.
func (s Step) notSeen(err error, broken *podexec.Broken) error {
	how := outcome.Failed
	var up timeUp
	switch stop := (outcome.Stop{}); {
	case errors.As(err, &up):
		how = outcome.TimedOut
	case errors.As(err, &stop):
		how = outcome.Signalled
	}
	return &outcome.Ending{
		Outcome: how, Err: err, Why: fmt.Sprintf("%s: %v", s.subject(), err), Hint: broken.Hint(),
	}
}
