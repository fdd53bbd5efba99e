package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// execCommand runs a command in the application's pod, as a step.
func (m *program) execCommand() command {
	f := &execFlags{}
	return command{
		name:    "exec",
		usage:   "run a command in the application's pod",
		example: `copytrigger exec -n app --pvc data -- psql -c CHECKPOINT`,
		description: "For a quiesce or unquiesce step that needs no image of its own. The pod is the running one that\n" +
			"mounts the claims; none or several is a refusal. What the command says goes to stderr, with the\n" +
			"pod's name before each line. It finds the end of its stdin at once.\n\n" +
			"It exits with the code of the command: 128+n if signal n killed it. With 3 (refused) nothing\n" +
			"was run: no such pod, container, program or right (the Role of rbac/exec). With 1 (failed), 124\n" +
			"or 128+n for a signal to itself nobody has seen the command's end, and it may go on in the pod:\n" +
			"give it a limit of its own. The result exit-code is there only if the command has ended.\n\n" +
			"Of the variables of this step the command finds $COPYTRIGGER_RUN_ID, NAMESPACE, PVCS and\n" +
			"MAX_FREEZE_SECONDS, where they are set; none without a shell. Where they are not, NAMESPACE\n" +
			"and PVCS are those of the claims here.\n\n" +
			"With --command an argument NAME means --pvc NAME, as in the other commands.\n\n" +
			"Results: pod, container, exit-code.",
		args:  "[--] COMMAND [ARG...], or --command CMD [--] [NAME...]",
		flags: f,
		action: m.onCluster(f, action{do: func(ctx context.Context, s step.Step) (result.Values, error) {
			return f.run(ctx, s, m)
		}}),
	}
}

type execFlags struct {
	claimFlags
	podFlags
	text string // the command, as that of --quiesce
	timeoutFlags

	command []string
}

func (f *execFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.podFlags.flags(),
		[]cli.Flag{text(&f.text, "command", "`CMD` for the shell, or a JSON array of strings, instead of COMMAND")},
		f.timeoutFlags.flags(10*time.Minute, "give up waiting for the command after `DURATION`; it may go on in the pod"),
	)
}

func (f *execFlags) check(c *cli.Context) error {
	var claims []string
	if c.IsSet("command") {
		claims = c.Args().Slice()
	}
	return cmp.Or(
		f.checkNames(c, claims),
		f.podFlags.check(c),
		f.timeoutFlags.check(c),
		positive("timeout", f.timeout),
		f.checkCommand(c),
		f.outputFlags.check(c),
	)
}

// checkCommand reads the command of --command, or of the arguments.
func (f *execFlags) checkCommand(c *cli.Context) (err error) {
	see := "copytrigger exec --pvc NAME -- COMMAND [ARG...], flags before COMMAND"
	if c.IsSet("command") {
		if f.command, err = commandLine(f.text); err != nil {
			return usageError{fmt.Errorf("COMMAND is missing, or cannot be read: --command: %w", err), see}
		}
		return nil
	}
	if f.command = c.Args().Slice(); len(f.command) == 0 || f.command[0] == "" {
		return usageError{errors.New("COMMAND is missing"), see}
	}
	return nil
}

func (f *execFlags) run(ctx context.Context, s step.Step, m *program) (result.Values, error) {
	s, err := f.selected(ctx, s, step.SelectOptions{Timeout: f.timeout})
	var done step.Executed
	if err == nil {
		done, err = s.Exec(ctx, step.ExecOptions{
			Cluster: f.in(m, &f.clusterFlags, s, nil).Cluster, Args: f.command, Env: environmentInPod(s), Timeout: f.timeout,
		})
	}
	v := claimValues(s)
	v.Set("pod", done.In.Name)
	v.Set("container", done.In.Container)
	v.Set("exit-code", "")
	if !done.Ended {
		return v, err
	}
	v.Set("exit-code", done.Code)
	if done.Code == 0 {
		return v, nil
	}
	m.log.Warn(err.Error())
	return v, commandExit(done.Code)
}
