package cli

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
)

// logFlags are of every command.
type logFlags struct {
	logFormat string
}

func (f *logFlags) flags() []cli.Flag {
	return []cli.Flag{textOr(&f.logFormat, "log-format", "text", "progress on stderr as `text` or json")}
}

func (f *logFlags) format() (string, error) {
	switch f.logFormat {
	case "":
		return "text", nil
	case "text", "json":
		return f.logFormat, nil
	}
	return "", usageError{fmt.Errorf("--log-format %q is neither text nor json", f.logFormat), ""}
}

// outputFlags are of every command that has results.
type outputFlags struct {
	logFlags
	resultsDir   string
	resultsLimit int
}

func (f *outputFlags) flags() []cli.Flag {
	return append([]cli.Flag{
		text(&f.resultsDir, "results-dir",
			"also write each result to a file in `DIR`; DIR/NAME/.. means DIR, also where there is no NAME"),
		number(&f.resultsLimit, "results-limit", result.FilesLimit,
			"cut the lists in these files to what Tekton carries of all of them, in `BYTES`: of a pod's containers "+
				"together 12 KiB, of one at most 4 KiB"),
	}, f.logFlags.flags()...)
}

// check cleans the name first. A Tekton StepAction knows only the file of a result, which is
// not yet written, so that its directory is $(step.results.NAME.path)/.. there.
func (f *outputFlags) check(*cli.Context) error {
	if f.resultsLimit < leastResults {
		return usageError{fmt.Errorf("--results-limit is %d", f.resultsLimit), fmt.Sprintf("give at least %d", leastResults)}
	}
	if f.resultsDir != "" {
		f.resultsDir = filepath.Clean(f.resultsDir)
	}
	err := within(filesLimit, "results directory", func() error { return result.CheckDir(f.resultsDir) })
	if err != nil {
		return usageError{err, "give an existing, writable directory with --results-dir"}
	}
	return nil
}

// leastResults is what results take of which nothing can be cut.
const leastResults = 512

// fit cuts the results' files.
func (f *outputFlags) fit(v *result.Values) { v.FitInto(f.resultsLimit) }

// dir returns the directory for the results; "" for none.
func (f *outputFlags) dir() string { return f.resultsDir }
