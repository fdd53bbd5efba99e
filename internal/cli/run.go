package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// runCommand is all steps in one process.
func (m *program) runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "a whole run in one process, around commands of yours",
		Description: "It waits until VolSync waits, quiesces, fires, waits for the copy, and unquiesces: also\n" +
			"after a quiesce that failed, at --max-freeze, and when it gets SIGTERM. CMD is for the shell,\n" +
			"or a JSON array: '[\"psql\", \"--file=quiesce.sql\"]'. What it says goes to stderr.\n\n" +
			"--hold is for locks that end with a session: one command that takes the lock, says QUIESCED,\n" +
			"keeps the lock until its stdin ends, and ends with 0 only if it still had it.\n\n" +
			"The commands find COPYTRIGGER_RUN_ID and COPYTRIGGER_MAX_FREEZE_SECONDS in their environment.\n" +
			"Results: those of the steps, and how long each part took, in seconds.\n\n" +
			"Example:\n   copytrigger run -n app --pvc data --quiesce 'fsfreeze -f /data' --unquiesce 'fsfreeze -u /data'",
		Flags: append(common(),
			text("quiesce", "`CMD` that quiesces the application"),
			text("unquiesce", "`CMD` that lets it run again; it must do no harm where nothing is quiesced, and is repeated until it ends with 0, or with 106: it found that the application was not quiesced any more"),
			text("hold", "`CMD` that keeps it quiesced as long as it runs, instead of both"),
			lineFlag(),
			duration("max-freeze", 10*time.Minute, "let the application go `DURATION` after the start of quiesce, whatever comes"),
			untilFlag("unquiesce when VolSync has recorded the trigger (completed), or already when the VolumeSnapshot is cut, and see to the end whether that copy is recorded (cut)"),
			copyTimeoutFlag("give the trigger back if VolSync has not recorded it `DURATION` after it was fired"),
			ackFlag(),
			duration("unquiesce-timeout", 5*time.Minute, "give up unquiescing after `DURATION`, all attempts together"),
			claimOnlyFlag(),
			lockFlag("lock the claim for this run, and refuse one that another run has locked; let the application go if an attempt of this run was lost"),
			runFlag("`ID` of this run, the same for each of its retries (default: a random one)"),
			timeoutFlag(time.Hour, "give up waiting for VolSync after `DURATION`, with nothing quiesced; 0 looks once")),
		Action: m.run(action{do: m.wholeRun}),
	}
}

func (m *program) wholeRun(ctx context.Context, s step.Step, o options) (result.Values, error) {
	m.ignoreSecondSignal()
	s.Times = &step.Timeline{}
	shown := m.show(s.Times)
	s.Log = m.log
	if !o.runGiven {
		s.Log.Info("no --run-id given; this run is " + o.run)
	}
	values, err := s.Run(ctx, o.run, m.application(o, s), o.limits)
	m.secondSignalIgnored.Store(false)
	shown.end()
	m.logDurations(s.Times)
	return values, err
}

// ignoreSecondSignal is for who has to let an application go: a second signal does not kill, nor a
// broken pipe, and the terminal does not stop it.
func (m *program) ignoreSecondSignal() {
	m.secondSignalIgnored.Store(true)
	m.catch(syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
}

func (m *program) application(o options, s step.Step) step.Application {
	out := m.rawStderr
	if _, file := out.(*os.File); !file {
		out = m.stderr // the log is written to it as well
	}
	command := func(args []string) quiesce.Command {
		return quiesce.Command{Args: args, Env: o.environment(), Stdout: out, Stderr: out}
	}
	if o.hold != nil {
		return quiesce.NewHold(command(o.hold), o.readyLine, m.stderr)
	}
	on := command(o.quiesce)
	on.Bound = true // nobody would unquiesce after it
	return quiesce.Commands{On: on, Off: command(o.unquiesce), Log: s.Log}
}

// environment is that of the user's commands: without what was meant for run or release itself.
func (o options) environment() []string {
	kept := append(environmentWithout("quiesce", "unquiesce", "hold", "ready-line", "run-id", "until", "results-dir", "selector"),
		env("run-id")[0]+"="+o.run)
	if o.limits.Freeze > 0 {
		kept = append(kept, env("max-freeze-seconds")[0]+"="+strconv.Itoa(int(max(o.limits.Freeze, time.Second)/time.Second)))
	}
	return kept
}

// logDurations logs how long each part of the run took.
func (m *program) logDurations(times *step.Timeline) {
	width := 0
	for _, span := range times.Spans() {
		width = max(width, len([]rune(span.Says)))
	}
	for _, span := range times.Spans() {
		if span.Came {
			m.log.Info(fmt.Sprintf("%-*s %10s", width, span.Says, span.Took.Round(time.Millisecond)), span.Name, span.Took.Seconds())
		}
	}
}
