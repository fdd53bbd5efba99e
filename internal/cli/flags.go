package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/step"
)

// options is what the flags say, checked as far as that is possible without a cluster.
type options struct {
	where      kube.Where
	claims     []string
	claimOnly  bool
	lock       bool
	keepOut    bool
	run        string
	runGiven   bool
	trigger    handshake.Trigger
	timeout    time.Duration
	ack        time.Duration
	after      string            // the file with quiesce's exit code; "" for no such gate
	selector   string            // of pods
	files      map[string]string // with the exit codes of steps, by their names
	file       string            // for the exit code of command
	command    []string          // to run
	unreadable error             // why command is not what was meant; nil if it is
	dryRun     bool              // only see whether it can be run
	exit       bool              // with the code of the command, and keep no file
	dir        string            // to install to
	quiesce    []string          // command; nil with hold
	unquiesce  []string          // command; nil with hold
	hold       []string          // command; nil with quiesce and unquiesce
	readyLine  string            // of hold
	limits     step.Limits       // of run
	untilCut   bool              //
	fire       bool              // the trigger, before it is awaited
	copy       string            // uid of the copy that was cut
	resultsDir string
}

// env is the environment variable of a flag: pipelines pass parameters by environment,
// where no shell can misread them.
func env(flag string) []string {
	return []string{"COPYTRIGGER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))}
}

func text(name, usage string, aliases ...string) cli.Flag {
	return &cli.StringFlag{Name: name, Aliases: aliases, EnvVars: env(name), Usage: usage}
}

// common are the flags of every command about a claim; the names are kubectl's where it
// has them.
func common() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "pvc", EnvVars: env("pvc"), Usage: "`NAME` of the claim that VolSync copies; the same as an argument NAME"},
	}, clusterFlags("claim")...)
}

// clusterFlags are those of every command that talks to a cluster, about what.
func clusterFlags(what string) []cli.Flag {
	return append([]cli.Flag{
		text("namespace", "`NAMESPACE` of the "+what+" (default: the context's, in a pod the pod's own)", "n"),
		text("kubeconfig", "`FILE` to use (default: as kubectl; in a pod its service account)"),
		text("context", "`NAME` of the kubeconfig context"),
	}, outputFlags()...)
}

// outputFlags are those of every command.
func outputFlags() []cli.Flag {
	return []cli.Flag{
		text("results-dir", "also write each result to a file in `DIR`; DIR/NAME/.. means DIR, also where there is no NAME"),
		logFlag(),
	}
}

func logFlag() cli.Flag {
	return &cli.StringFlag{Name: "log-format", EnvVars: env("log-format"), Value: "text", Usage: "progress on stderr as `text` or json"}
}

func runFlag(usage string) cli.Flag { return text("run-id", usage) }

func triggerFlag(usage string) cli.Flag {
	return text("trigger", usage+"; @FILE means what is in FILE")
}

func timeoutFlag(d time.Duration, usage string) cli.Flag {
	return duration("timeout", d, usage)
}

func ackFlag() cli.Flag {
	return duration("ack-timeout", time.Minute, "give the trigger back if VolSync has not reacted to it after `DURATION`")
}

// lockFlag must be given to all three steps of a run, or to none.
func lockFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "lock", EnvVars: env("lock"), Usage: usage}
}

// keepOutFlag is for a clean-up that has unlock at its end.
func keepOutFlag() cli.Flag {
	return &cli.BoolFlag{Name: "keep-out", EnvVars: env("keep-out"),
		Usage: "lock a claim that nobody has locked, until unlock: no run with --lock begins before the application is let go"}
}

// copyTimeoutFlag is of what await-completed by itself has as --timeout.
func copyTimeoutFlag(usage string) cli.Flag {
	return duration("copy-timeout", 10*time.Minute, usage)
}

func duration(name string, d time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: name, EnvVars: env(name), Value: d, Usage: usage}
}

func untilFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "until", EnvVars: env("until"), Value: "completed", Usage: usage}
}

func copyFlag() cli.Flag {
	return text("copy", "the result copy of await-completed --until=cut, as `UID`: only that copy is good; the application may run again")
}

func fireFlag() cli.Flag {
	return &cli.BoolFlag{Name: "fire", EnvVars: env("fire"), Usage: "fire the trigger first, as fire-trigger does: one step less while the application is quiesced"}
}

func lineFlag() cli.Flag {
	return &cli.StringFlag{Name: "ready-line", EnvVars: env("ready-line"), Value: "QUIESCED", Usage: "`LINE` by which the command of --hold says that the application is quiesced"}
}

func claimOnlyFlag() cli.Flag {
	return &cli.BoolFlag{Name: "pvc-only", EnvVars: env("pvc-only"),
		Usage: "read the claim only, where reading ReplicationSources and VolumeSnapshots is not granted; weaker checks"}
}

func afterFlag() cli.Flag {
	return text("after", "`FILE` with the exit code of the step before (of what fires: quiesce): refuse unless it says 0")
}

func commandFlag() cli.Flag {
	return text("command", "the command as `JSON` array of strings, for engines without array parameters, instead of -- COMMAND")
}

func exitFlag() cli.Flag {
	return &cli.BoolFlag{Name: "exit", EnvVars: env("exit"), Usage: "exit with the code instead of keeping it in FILE"}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", EnvVars: env("dry-run"), Usage: "only see whether the command can be run"}
}

func stepFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "step", EnvVars: env("step"),
		Usage: "`NAME=FILE`: the exit code of step NAME is in FILE; once for each step of the run"}
}

func selectorFlag() cli.Flag {
	return text("selector", "labels of the pods, as `SELECTOR` of kubectl", "l")
}
