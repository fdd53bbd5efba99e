package tasks

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/container"

	"github.com/copytrigger/copytrigger/internal/cli"
	"github.com/copytrigger/copytrigger/internal/yamltest"
)

const (
	uid   = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	usage = 64 // the program's exit code for a command line that is wrong
)

// values are what a run might give for parameters and variables.
var values = map[string]string{
	"params.namespace": "shop", "params.run-id": "$(context.taskRun.uid)", "params.trigger": uid + ".0123456789abcdef",
	"params.start-sync": "true", "params.timeout": "1s", "params.wait-timeout": "1s", "params.copy-timeout": "1m",
	"params.ack-timeout": "30s", "params.pods-timeout": "1s",
	"params.max-freeze": "1m", "params.unquiesce-timeout": "1s",
	"params.until": "completed", "params.ready-line": "QUIESCED",
	"params.quiesce-command": "true", "params.unquiesce-command": `["true"]`, "params.hold-command": "",
	"params.volume": "program", "params.pvc-only": "false",
	"params.copy": "none", "params.command": "true", "params.pod": "",
	"params.in-pod": "true", "params.pod-selector": "app=db", "params.container": "db",
	"params.pvc": "data", "params.cronjob": "check", "params.replication-source": "",
	"params.name": "", "params.keep": "false",
	"params.selector":     "",
	"params.await-pods":   "tekton.dev/pipelineRunUID=" + uid + ",tekton.dev/pipelineTask=quiesced-copy",
	"context.taskRun.uid": uid, "context.taskRun.namespace": "shop",
	"steps.await-waiting.results.trigger": uid + ".0123456789abcdef",
}

// lists are the same for arrays.
var lists = map[string][]string{
	"steps.await-waiting.results.pvcs": {"data"}, "steps.disarm.results.pvcs": {"data"},
	"params.pvcs": {"data"}, "params.quiesce-command": {"true"}, "params.unquiesce-command": {"true"},
}

// inUsersImage is the program as it is run there.
const inUsersImage = "/opt/copytrigger/copytrigger"

// commandLine is what the container of a step runs, with everything filled in. It sets the
// step's environment.
func commandLine(t *testing.T, step v1.Step) []string {
	t.Helper()
	dir := t.TempDir()
	known := maps.Clone(values)
	for _, r := range step.Results {
		known["step.results."+r.Name+".path"] = filepath.Join(dir, r.Name)
	}
	for _, name := range slices.Concat(freezeOrder, cleanupOrder) {
		file := filepath.Join(dir, "step-"+name)
		yamltest.Must(t, os.WriteFile(file, []byte("0"), 0o600))
		known["steps.step-"+name+".exitCode.path"] = file
	}
	step = *step.DeepCopy()
	for range 2 { // a value may have a variable
		container.ApplyStepReplacements(&step, known, lists)
	}
	for _, e := range step.Env {
		t.Setenv(e.Name, e.Value)
	}
	for i, arg := range step.Args {
		if arg == filepath.Dir(inUsersImage) {
			step.Args[i] = dir
		}
	}
	return append(slices.Clone(step.Command), step.Args...)
}

// wrong is what is wrong with a command line, given a server that has nothing.
func wrong(args []string) []string {
	return yamltest.Wrong(args, variable, "/copytrigger", inUsersImage)
}

// The program takes every command line that a pod of ours has.
func TestCommandLines(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	commands := map[string]bool{}
	for name, task := range s.tasks {
		spec, problems := merge(s, task)
		yamltest.None(t, problems)
		for _, step := range spec.Steps {
			if strings.HasPrefix(step.Image, "$(params.") && step.Command[0] != inUsersImage {
				continue
			}
			commands[step.Args[0]] = true
			t.Run(name+"/"+step.Name, func(t *testing.T) {
				args := commandLine(t, step)
				yamltest.None(t, wrong(args))
				yamltest.Some(t, wrong(slices.Insert(slices.Clone(args), 2, "--no-such-flag")), "no-such-flag")
			})
		}
	}
	wanted := map[string]bool{} // fire-and-await and await-cut are await-completed, too
	for _, action := range s.actions {
		wanted[action.Spec.Args[0]] = true
	}
	if want := len(wanted) + len(oneStep) + len([]string{"record"}); len(commands) != want ||
		len(wanted) != len(s.actions)-2 {
		t.Errorf("the Tasks have %d commands, the %d StepActions %d", len(commands), len(s.actions), len(wanted))
	}
	yamltest.Some(
		t,
		wrong([]string{"/copytrigger", "disarm", "--run-id=$(context.none)", "--", "data"}),
		"nobody fills in",
	)
	yamltest.Some(t, wrong([]string{"/copytrigger", "disarm", "--run-id=x"}), "pvc")
}

// A step takes several claims, or the labels of claims in place of their names; of both, and of
// neither, it says so.
func TestClaimsOfAStep(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	names, selector := lists["params.pvcs"], values["params.selector"]
	t.Cleanup(func() { lists["params.pvcs"], values["params.selector"] = names, selector })
	steps := 0
	for name, task := range s.tasks {
		spec, problems := merge(s, task)
		yamltest.None(t, problems)
		for _, step := range spec.Steps {
			if !slices.Contains(step.Args, "$(params.pvcs[*])") || step.Args[0] == "record" {
				continue
			}
			steps++
			t.Run(name+"/"+step.Name, func(t *testing.T) {
				for _, c := range []struct {
					pvcs           []string
					selector, says string
				}{
					{[]string{"data", "wal"}, "", ""},
					{nil, "app=db", ""},
					{[]string{"data"}, "app=db", "--selector is given, and claims are named, too"},
					{nil, "", "--selector is empty"},
				} {
					lists["params.pvcs"], values["params.selector"] = c.pvcs, c.selector
					if args := commandLine(t, step); c.says == "" {
						yamltest.None(t, wrong(args))
					} else {
						yamltest.Some(t, wrong(args), c.says)
					}
				}
			})
		}
	}
	if steps < 12 {
		t.Errorf("there are %d steps about claims", steps)
	}
}

// await-completed is told which copy was cut, and refuses an empty answer: any copy would do
// then.
func TestCopyThatWasCut(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	spec, problems := merge(s, s.tasks["copytrigger-await-completed"])
	yamltest.None(t, problems)
	given := values["params.copy"]
	t.Cleanup(func() { values["params.copy"] = given })

	values["params.copy"] = uid
	args := commandLine(t, spec.Steps[0])
	yamltest.None(t, wrong(args))
	if !slices.Contains(args, "--copy="+uid) {
		t.Errorf("the copy is not in %q", args)
	}
	values["params.copy"] = ""
	yamltest.Some(t, wrong(commandLine(t, spec.Steps[0])), "--copy is empty")
}

// The results that a StepAction declares are those that its command writes.
func TestResultsAreWritten(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	s := applied(t)
	for _, name := range slices.Sorted(maps.Keys(s.actions)) {
		t.Run(name, func(t *testing.T) {
			yamltest.None(t, unwritten(t, s, name))
			a := s.actions[name]
			a.Spec.Results = append(a.Spec.Results, v1.StepResult{Name: "no-such-result"})
			yamltest.Some(t, unwritten(t, s, name), "no-such-result")
		})
	}
}

// unwritten are the results that are missing after the command has run. A command that is
// refused writes all of them, empty or not.
func unwritten(t *testing.T, s *shipped, action string) []string {
	t.Helper()
	for _, task := range s.tasks {
		for i, ref := range task.Spec.Steps {
			if ref.Ref == nil || ref.Ref.Name != action {
				continue
			}
			spec, _ := merge(s, task)
			return unwrittenBy(t, spec.Steps[i])
		}
	}
	return []string{"no Task has it"}
}

func unwrittenBy(t *testing.T, step v1.Step) []string {
	t.Helper()
	args := commandLine(t, step)
	wrong(args)
	dir := t.TempDir() // of a command that has none
	if flag := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--results-dir=") }); flag >= 0 {
		dir = filepath.Clean(strings.TrimPrefix(args[flag], "--results-dir="))
	}
	var problems []string
	for _, r := range step.Results {
		if _, err := os.Stat(filepath.Join(dir, r.Name)); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// Environment variables of ours are the program's.
func TestEnvironment(t *testing.T) {
	s := applied(t)
	yamltest.None(t, unknownEnv(t, s))
	s.actions["copytrigger-disarm"].Spec.Args = []string{"disarm", "$(COPYTRIGGER_NONE)"}
	yamltest.Some(t, unknownEnv(t, s), "COPYTRIGGER_NONE")
}

func unknownEnv(t *testing.T, s *shipped) []string {
	t.Helper()
	var problems []string
	for _, a := range s.actions {
		problems = append(problems, unknownVariables(t, a.Spec.Args[0], []any{a.Spec.Env, a.Spec.Args, a.Spec.Command})...)
	}
	return problems
}

// unknownVariables are those in a text that a command of the program does not know.
func unknownVariables(t *testing.T, command string, text any) []string {
	t.Helper()
	var problems []string
	var help bytes.Buffer
	cli.Main([]string{"copytrigger", command, "--help"}, cli.Build{}, &help, &help)
	for _, env := range regexp.MustCompile(`COPYTRIGGER_\w+`).FindAllString(fmt.Sprint(text), -1) {
		if !strings.Contains(help.String(), "$"+env) {
			problems = append(problems, fmt.Sprintf("%s: the program does not know %s", command, env))
		}
	}
	return problems
}
