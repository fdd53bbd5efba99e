package yamltest

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/cli"
)

// Step is a command of the program as YAML offers it to users.
type Step struct {
	Name   string   // GROUP/NAME
	Flags  []string // those of the command
	Passed []string // those whose value is a parameter of the step
}

// Exception is a flag that is not a parameter of some steps.
type Exception struct {
	Step string // a pattern of [path.Match] for names of steps
	Flag string
	Why  string // for readers
}

// FlagsOf returns the flags of a command, as its help lists them.
func FlagsOf(t *testing.T, command string) []string {
	t.Helper()
	var help bytes.Buffer
	if code := cli.Main([]string{"copytrigger", command, "--help"}, cli.Build{}, &help, &help); code != 0 {
		t.Fatalf("%s --help exits with %d: %s", command, code, &help)
	}
	_, options, _ := strings.Cut(help.String(), "\nOPTIONS:\n")
	var flags []string
	for _, m := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(options, -1) {
		if m[1] != "help" {
			flags = append(flags, m[1])
		}
	}
	if len(flags) == 0 {
		t.Fatalf("%s --help lists no flags: %s", command, &help)
	}
	return flags
}

// Disparities returns the flags of steps that are neither parameters nor exceptions, and the
// exceptions that no longer apply.
func Disparities(steps []Step, exceptions []Exception) []string {
	var problems []string
	applies := make([]bool, len(exceptions))
	for _, s := range steps {
		for _, flag := range s.Flags {
			passed := slices.Contains(s.Passed, flag)
			i := slices.IndexFunc(exceptions, func(e Exception) bool {
				matches, _ := path.Match(e.Step, s.Name)
				return matches && e.Flag == flag
			})
			switch {
			case i < 0 && !passed:
				problems = append(problems, fmt.Sprintf("%s: --%s is neither a parameter nor an exception: "+
					"pass it by a parameter in the YAML, or give the reason in notParameters", s.Name, flag))
			case i >= 0 && passed:
				problems = append(problems, fmt.Sprintf("%s: --%s is an exception, but also a parameter", s.Name, flag))
				applies[i] = true
			case i >= 0:
				applies[i] = true
			}
		}
	}
	for i, e := range exceptions {
		if !applies[i] {
			problems = append(problems, fmt.Sprintf("%s: the exception --%s applies to no step", e.Step, e.Flag))
		}
		if e.Why == "" {
			problems = append(problems, fmt.Sprintf("%s: the exception --%s has no reason", e.Step, e.Flag))
		}
	}
	return problems
}
