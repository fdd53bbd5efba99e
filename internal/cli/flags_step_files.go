package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/verdict"
)

// stepFilesFlags are of the commands that make one outcome of the exit codes of a run's steps.
type stepFilesFlags struct {
	files map[string]string // with the exit codes of steps, by their names
}

func (f *stepFilesFlags) flags() []cli.Flag {
	return []cli.Flag{
		texts("step", "`NAME=FILE`: the exit code of step NAME is in FILE; once for each step of the run"),
	}
}

func (f *stepFilesFlags) check(c *cli.Context) error {
	f.files = map[string]string{}
	for _, s := range c.StringSlice("step") {
		if err := f.addStep(s); err != nil {
			return err
		}
	}
	switch {
	case verdict.Overlap(f.files):
		return usageError{errors.New("--step fire-and-await is given, and fire-trigger or await-completed as well"),
			"fire-and-await is both of them, by await-completed --fire"}
	case verdict.Incomplete(f.files):
		return usageError{errors.New("--step await-completed is missing"),
			"without it nobody knows whether there is a copy: give each step of the run as --step NAME=FILE"}
	}
	return nil
}

func (f *stepFilesFlags) addStep(s string) error {
	name, file, found := strings.Cut(s, "=")
	switch _, twice := f.files[name]; {
	case !found:
		return usageError{fmt.Errorf("--step %q has no \"=\"", s), "give each step as --step NAME=FILE"}
	case !slices.Contains(verdict.Steps(), name):
		return usageError{fmt.Errorf("--step %q: there is no step %q", s, name),
			"the steps are " + strings.Join(verdict.Steps(), ", ")}
	case file == "":
		return usageError{fmt.Errorf("--step %q names no file", s),
			"was a parameter of the pipeline not given? Tekton's file is $(steps.step-NAME.exitCode.path)"}
	case twice:
		return usageError{fmt.Errorf("--step %s is given twice", name), "give each step of the run once"}
	}
	f.files[name] = file
	return nil
}
