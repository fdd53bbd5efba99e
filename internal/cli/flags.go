package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// flagSet is what a command reads its command line into: its own flags, and the groups of
// flags that it embeds (flags_*.go). A command has exactly the groups that it embeds.
type flagSet interface {
	// flags returns the flags in the order of --help, each bound to a field.
	flags() []cli.Flag
	// format returns the format of the log: every command embeds [logFlags].
	format() (string, error)
	// check returns a usageError for a command line that cannot be meant. It asks no
	// cluster. It also fills the fields that are made of what was given, such as a trigger.
	check(c *cli.Context) error
}

// env returns the environment variable of a flag. Pipelines pass parameters by environment,
// where no shell can misread them.
func env(flag string) []string {
	return []string{"COPYTRIGGER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))}
}

// group returns the heading under which --help lists a flag; "" for the common ones, which come
// first.
func group(flag string) string {
	switch flag {
	case "context", "kubeconfig":
		return "Which cluster:"
	case "container", "pod", "pod-selector":
		return "Which pod:"
	case "ack-timeout", "copy-timeout", "sync-timeout", "unquiesce-timeout":
		return "More limits:"
	case "log-format", "metrics-file", "output", "results-dir", "results-limit":
		return "Output:"
	case "all", "keep-cleanup", "one-at-a-time", "pvc-only", "ready-line", "state-file":
		return "Special cases:"
	}
	return ""
}

func text(to *string, name, usage string, aliases ...string) cli.Flag {
	return textOr(to, name, "", usage, aliases...)
}

// textOr returns a text flag with a default.
func textOr(to *string, name, value, usage string, aliases ...string) cli.Flag {
	return &cli.StringFlag{
		Name: name, Category: group(name), Aliases: aliases, EnvVars: env(name), Value: value, Destination: to,
		Usage: usage,
	}
}

func duration(to *time.Duration, name string, value time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{
		Name: name, Category: group(name), EnvVars: env(name), Value: value, Destination: to, Usage: usage,
	}
}

func number(to *int, name string, value int, usage string) cli.Flag {
	return &cli.IntFlag{
		Name: name, Category: group(name), EnvVars: env(name), Value: value, Destination: to, Usage: usage,
	}
}

func boolean(to *bool, name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Category: group(name), EnvVars: env(name), Destination: to, Usage: usage}
}

// texts returns a flag that may be given several times. [cli.Context.StringSlice] has its
// values: bound to a field, they would differ by where they come from.
func texts(name, usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Category: group(name), EnvVars: env(name), Usage: usage}
}
