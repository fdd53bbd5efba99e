package cli

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

const mine = "run-1.0123456789abcdef"

var trigger = must(handshake.ParseTrigger(mine))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// parsed is what a command line comes to, short of doing it.
func parsed(args ...string) (o options, err error) {
	m := newProgram(io.Discard, io.Discard)
	app := m.app("v1")
	for _, c := range app.Commands {
		c.Action = func(c *cli.Context) error {
			var perr error
			o, perr = parse(c)
			return perr
		}
	}
	err = app.Run(append([]string{"copytrigger"}, args...))
	return o, err
}

// noEnv takes away the variables of the environment that the tests run in.
func noEnv(t *testing.T) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "COPYTRIGGER_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
}

func TestParse(t *testing.T) {
	noEnv(t)
	dir := t.TempDir()
	base := func(change func(*options)) options {
		o := options{where: kube.Where{UserAgent: "copytrigger/v1"}, claims: []string{"data"}}
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		args []string
		want options
	}{
		"await-waiting": {[]string{"await-waiting", "--pvc", "data", "--run-id", "run-1"},
			base(func(o *options) { o.run, o.runGiven, o.timeout = "run-1", true, time.Hour })},
		"fire-trigger": {[]string{"fire-trigger", "--pvc", "data", "--trigger", mine},
			base(func(o *options) { o.trigger, o.timeout = trigger, 30*time.Second })},
		"await-completed": {[]string{"await-completed", "--pvc", "data", "--trigger", mine},
			base(func(o *options) { o.trigger, o.timeout, o.ack = trigger, 10*time.Minute, time.Minute })},
		"disarm": {[]string{"disarm", "--pvc", "data", "--run-id", "run-1"},
			base(func(o *options) { o.run, o.runGiven, o.timeout = "run-1", true, 20*time.Second })},
		"a name with dots": {[]string{"disarm", "--pvc", "data.db-0", "--run-id", "run-1"},
			base(func(o *options) {
				o.claims, o.run, o.runGiven, o.timeout = []string{"data.db-0"}, "run-1", true, 20*time.Second
			})},
		"everything": {[]string{"await-completed", "--pvc=data", "-n", "app", "--kubeconfig", "kc", "--context", "ctx", "--results-dir", dir,
			"--pvc-only", "--trigger", mine, "--timeout", "0", "--ack-timeout", "5s", "--log-format", "json"},
			base(func(o *options) {
				o.where.Namespace, o.where.Kubeconfig, o.where.Context = "app", "kc", "ctx"
				o.resultsDir, o.claimOnly, o.trigger, o.ack = dir, true, trigger, 5*time.Second
			})},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsed(c.args...)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestParseMakesARun(t *testing.T) {
	noEnv(t)
	one, err1 := parsed("await-waiting", "--pvc", "data")
	two, err2 := parsed("await-waiting", "--pvc", "data")
	if err1 != nil || err2 != nil || one.runGiven || one.run == two.run || handshake.CheckRun(one.run) != nil {
		t.Errorf("got runs %q, %q, %v, %v; want two that differ", one.run, two.run, err1, err2)
	}
}

func TestParseRefuses(t *testing.T) {
	noEnv(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args       []string
		says, hint string
	}{
		"no claim":                {[]string{"disarm", "--run-id", "r"}, "--pvc is missing", "--pvc NAME"},
		"two claims":              {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--pvc", "b"}, "several claims: a, b", "one run a claim"},
		"two claims, by comma":    {[]string{"disarm", "--run-id", "r", "--pvc", "a,b"}, "several claims: a, b", "one run a claim"},
		"empty claim":             {[]string{"disarm", "--run-id", "r", "--pvc", ""}, "not a claim's name", "variable"},
		"Tekton's variable":       {[]string{"disarm", "--run-id", "r", "--pvc", "$(params.pvc)"}, "not a claim's name", "variable"},
		"Argo's variable":         {[]string{"disarm", "--run-id", "r", "--pvc", "{{inputs.parameters.pvc}}"}, "not a claim's name", "variable"},
		"the directory above":     {[]string{"disarm", "--run-id", "r", "--pvc", ".."}, "not a claim's name", "variable"},
		"the directory":           {[]string{"disarm", "--run-id", "r", "--pvc", "."}, "not a claim's name", "variable"},
		"a path":                  {[]string{"disarm", "--run-id", "r", "--pvc", "a/b"}, "not a claim's name", "variable"},
		"a shell's variable":      {[]string{"disarm", "--run-id", "r", "--pvc", "$(x)"}, "not a claim's name", "variable"},
		"blank claim":             {[]string{"disarm", "--run-id", "r", "--pvc", " "}, "not a claim's name", "variable"},
		"capitals":                {[]string{"disarm", "--run-id", "r", "--pvc", "Data"}, "not a claim's name", "lower case"},
		"namespace above":         {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ".."}, "not a namespace's name", "variable"},
		"namespace here":          {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "."}, "not a namespace's name", "variable"},
		"namespace with a path":   {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a/b"}, "not a namespace's name", "variable"},
		"namespace with a dot":    {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a.b"}, "not a namespace's name", "variable"},
		"namespace's variable":    {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "$(x)"}, "not a namespace's name", "variable"},
		"blank namespace":         {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", " "}, "not a namespace's name", "variable"},
		"empty namespace":         {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--namespace", ""}, "--namespace is empty", "leave it out"},
		"empty namespace, short":  {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ""}, "--namespace is empty", "leave it out"},
		"an argument":             {[]string{"disarm", "--run-id", "r", "--pvc", "a", "extra"}, `unexpected argument "extra"`, "disarm --help"},
		"no run to disarm":        {[]string{"disarm", "--pvc", "a"}, "--run-id is missing", "await-waiting"},
		"empty run to disarm":     {[]string{"disarm", "--pvc", "a", "--run-id", ""}, "--run-id is empty", "await-waiting"},
		"empty run":               {[]string{"await-waiting", "--pvc", "a", "--run-id", ""}, "--run-id is empty", "await-waiting"},
		"Tekton's run":            {[]string{"await-waiting", "--pvc", "a", "--run-id", "$(context.taskRun.uid)"}, "Tekton variable", "context.taskRun.uid"},
		"Argo's run":              {[]string{"await-waiting", "--pvc", "a", "--run-id", "{{workflow.uid}}"}, "Argo variable", "workflow.uid"},
		"odd run":                 {[]string{"await-waiting", "--pvc", "a", "--run-id", "a b"}, "run id", "context.taskRun.uid"},
		"no trigger":              {[]string{"fire-trigger", "--pvc", "a"}, "--trigger: it is empty", "await-waiting"},
		"Tekton's trigger":        {[]string{"fire-trigger", "--pvc", "a", "--trigger", "$(tasks.await.results.trigger)"}, "Tekton variable", "await-waiting"},
		"somebody's trigger":      {[]string{"await-completed", "--pvc", "a", "--trigger", "mine"}, "was not made by await-waiting", "await-waiting"},
		"negative":                {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "-1s"}, "negative", "0 looks once"},
		"negative ack":            {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "-1s"}, "negative", ""},
		"no time to react":        {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "0"}, "--ack-timeout is 0", "1m"},
		"not a duration":          {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "10"}, "timeout", "disarm --help"},
		"no such results dir":     {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--results-dir", filepath.Join(dir, "none")}, "results directory", "--results-dir"},
		"unknown flag":            {[]string{"disarm", "--force"}, "force", "disarm --help"},
		"another command's flag":  {[]string{"disarm", "--trigger", mine}, "trigger", "disarm --help"},
		"flag before the command": {[]string{"--pvc", "a", "disarm"}, "pvc", "copytrigger --help"},
		"unknown command":         {[]string{"fire"}, `unknown command "fire"`, "lists the commands"},
		"help of no command":      {[]string{"help", "fire"}, "No help topic for 'fire'", "lists the commands"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsed(c.args...)
			if exitCode(err) != exitUsage {
				t.Fatalf("got %v, want a usage error", err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(hintOf(err), c.hint) {
				t.Errorf("got %q, hint %q, want %q, %q", err, hintOf(err), c.says, c.hint)
			}
		})
	}
}
