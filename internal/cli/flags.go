package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

// options is what the flags say, checked as far as that is possible without a cluster.
type options struct {
	where      kube.Where
	claims     []string
	claimOnly  bool
	run        string
	runGiven   bool
	trigger    handshake.Trigger
	timeout    time.Duration
	ack        time.Duration
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

// common are the flags of every command; the names are kubectl's where it has them.
func common() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "pvc", EnvVars: env("pvc"), Usage: "`NAME` of the claim that VolSync copies"},
		text("namespace", "`NAMESPACE` of the claim (default: the context's, in a pod the pod's own)", "n"),
		text("kubeconfig", "`FILE` to use (default: as kubectl; in a pod its service account)"),
		text("context", "`NAME` of the kubeconfig context"),
		text("results-dir", "also write each result to a file in `DIR`"),
		&cli.StringFlag{Name: "log-format", EnvVars: env("log-format"), Value: "text", Usage: "progress on stderr as `text` or json"},
	}
}

func runFlag(usage string) cli.Flag     { return text("run-id", usage) }
func triggerFlag(usage string) cli.Flag { return text("trigger", usage) }

func timeoutFlag(d time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: "timeout", EnvVars: env("timeout"), Value: d, Usage: usage}
}

func ackFlag() cli.Flag {
	return &cli.DurationFlag{Name: "ack-timeout", EnvVars: env("ack-timeout"), Value: time.Minute,
		Usage: "give the trigger back if VolSync has not reacted to it after `DURATION`"}
}

func claimOnlyFlag() cli.Flag {
	return &cli.BoolFlag{Name: "pvc-only", EnvVars: env("pvc-only"),
		Usage: "read the claim only, where reading ReplicationSources and VolumeSnapshots is not granted; weaker checks"}
}

// notAName is the hint for what cannot be the name of an object. The server is not asked:
// as a part of a URL it might mean another object ("..", "a/b").
const notAName = "was a variable of the pipeline not expanded? a name has lower case letters, digits and \"-\""

// parse turns flags into options. Every error is a usageError.
func parse(c *cli.Context) (options, error) {
	o := options{
		where: kube.Where{
			Kubeconfig: c.String("kubeconfig"), Context: c.String("context"),
			Namespace: c.String("namespace"), UserAgent: "copytrigger/" + c.App.Version,
		},
		claims: c.StringSlice("pvc"), claimOnly: c.Bool("pvc-only"),
		timeout: c.Duration("timeout"), ack: c.Duration("ack-timeout"),
		resultsDir: c.String("results-dir"),
	}
	var err error
	switch {
	case c.NArg() > 0:
		return o, usageError{fmt.Errorf("unexpected argument %q", c.Args().First()), "every parameter is a flag; see copytrigger " + c.Command.Name + " --help"}
	case len(o.claims) == 0:
		return o, usageError{errors.New("--pvc is missing"), "name the claim that VolSync copies: --pvc NAME"}
	case len(o.claims) > 1:
		return o, usageError{fmt.Errorf("--pvc names several claims: %s", strings.Join(o.claims, ", ")), "this version coordinates one claim; use one run a claim"}
	case len(validation.IsDNS1123Subdomain(o.claims[0])) > 0:
		return o, usageError{fmt.Errorf("--pvc %q is not a claim's name", o.claims[0]), notAName}
	case c.IsSet("namespace") && o.where.Namespace == "":
		// The default would be another claim of the same name, in another namespace.
		return o, usageError{errors.New("--namespace is empty"), "was a parameter of the pipeline not given? leave it out for the context's or the pod's own namespace"}
	case o.where.Namespace != "" && len(validation.IsDNS1123Label(o.where.Namespace)) > 0:
		return o, usageError{fmt.Errorf("--namespace %q is not a namespace's name", o.where.Namespace), notAName}
	case o.timeout < 0 || o.ack < 0:
		return o, usageError{errors.New("a limit is negative"), "0 looks once and does not wait"}
	case has(c, "ack-timeout") && o.ack == 0:
		return o, usageError{errors.New("--ack-timeout is 0"), "VolSync needs some time to react; the default is 1m"}
	}
	if has(c, "run-id") {
		switch o.run = c.String("run-id"); {
		case o.run == "" && c.IsSet("run-id"):
			return o, usageError{errors.New("--run-id is empty"), "give the id that await-waiting got"}
		case o.run == "" && c.Command.Name == "disarm":
			return o, usageError{errors.New("--run-id is missing"), "give the id that await-waiting got"}
		}
		if o.runGiven = o.run != ""; !o.runGiven {
			o.run = strings.ToLower(rand.Text()[:16])
		}
		if err := handshake.CheckRun(o.run); err != nil {
			return o, usageError{fmt.Errorf("--run-id: %w", err), "use the engine's id of the run: Tekton $(context.taskRun.uid), Argo {{workflow.uid}}"}
		}
	}
	if has(c, "trigger") {
		if o.trigger, err = handshake.ParseTrigger(c.String("trigger")); err != nil {
			return o, usageError{fmt.Errorf("--trigger: %w", err), "pass on the result \"trigger\" of await-waiting"}
		}
	}
	if err := result.CheckDir(o.resultsDir); err != nil {
		return o, usageError{err, "give an existing, writable directory with --results-dir"}
	}
	return o, nil
}

// has says whether the command has the flag at all.
func has(c *cli.Context, name string) bool {
	for _, f := range c.Command.Flags {
		if f.Names()[0] == name {
			return true
		}
	}
	return false
}
