package cli

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// versionCommand says what this program is, for a report of a bug. It needs no cluster.
func (m *program) versionCommand() command {
	f := &versionFlags{}
	return command{
		name:    "version",
		usage:   "print the version, the commit and its date, and the Go that compiled it",
		example: "copytrigger version -o json",
		description: "As text, one line for people. As JSON, one object with version, commit, date, go and\n" +
			"platform; what is not known is empty. copytrigger --version prints the version alone.",
		flags:  f,
		action: m.withoutResults(f, func() error { return f.run(m) }),
	}
}

type versionFlags struct {
	logFlags
	output string
}

func (f *versionFlags) flags() []cli.Flag {
	return append([]cli.Flag{
		textOr(&f.output, "output", "text", "print it as `text` or json", "o"),
	}, f.logFlags.flags()...)
}

func (f *versionFlags) check(*cli.Context) error {
	if f.output == "" { // an engine that was not given one sets an empty variable
		f.output = "text"
	}
	if f.output != "text" && f.output != "json" {
		return usageError{fmt.Errorf("--output %q is neither text nor json", f.output), "copytrigger version -o json"}
	}
	return nil
}

func (f *versionFlags) run(m *program) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	var err error
	if f.output == "json" {
		var v result.Values
		v.Set("version", m.build.Version)
		v.Set("commit", m.build.Commit)
		v.Set("date", m.build.Date)
		v.Set("go", m.build.Go)
		v.Set("platform", platform)
		err = v.Write(m.stdout, "")
	} else {
		text := m.build.Version
		for _, known := range []string{m.build.Commit, m.build.Date, m.build.Go, platform} {
			if known != "" {
				text += " " + known
			}
		}
		_, err = fmt.Fprintln(m.stdout, text)
	}
	if err != nil {
		return &outcome.Ending{
			Outcome: outcome.Failed, Err: err, Why: "the version was not printed: " + err.Error(),
			Hint: "was stdout closed?",
		}
	}
	return nil
}
