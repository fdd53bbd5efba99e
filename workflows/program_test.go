package workflows

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/workflow/common"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

const (
	uid   = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	usage = 64 // the program's exit code for a command line that is wrong
)

// values are what a run might give for parameters.
var values = map[string]string{
	"pvcs": "data", "namespace": "shop", "run-id": uid, "trigger": uid + ".0123456789abcdef", "selector": "",
	"outcome": "ok",
	"timeout": "1s", "wait-timeout": "0", "copy-timeout": "1m", "ack-timeout": "1s", "deadline-seconds": "60",
	"pvc": "data", "cronjob": "check", "replication-source": "", "name": "", "keep": "false",
	"pvc-only":      "false",
	"start-sync":    "false",
	"await-synced":  "true",
	"sync-timeout":  "1h",
	"in-pod":        "true",
	"pod":           "",
	"command":       `["true"]`,
	"pod-selector":  "app=db",
	"container":     "db",
	"quiesce-image": "registry.shop.example/q:1", "unquiesce-image": "registry.shop.example/u:1",
	"env-secret": "s", "scripts": "s", "image": "registry.shop.example/db:1",
	"hold-command": "", "ready-line": "QUIESCED", "max-freeze": "1m", "unquiesce-timeout": "1m",
	"until": "completed", "copy": "none",
	"quiesce-command": `["sh", "-c", "echo \"it's\" $HOME"]`, "unquiesce-command": `["true"]`,
}

var global = common.Parameters{"workflow.uid": uid, "workflow.name": "run-1", "workflow.namespace": "shop"}

// filled is a template as the controller makes a pod of it.
func filled(t *testing.T, tmpl *wfv1.Template) *wfv1.Template {
	t.Helper()
	var args wfv1.Arguments
	for _, p := range tmpl.Inputs.Parameters {
		value, given := values[p.Name]
		if !given {
			t.Fatalf("nobody gives %s", p.Name)
		}
		if tmpl.Name == "await-pods-ended" && p.Name == "selector" { // of pods
			value = "a=b"
		}
		args.Parameters = append(args.Parameters, wfv1.Parameter{Name: p.Name, Value: wfv1.AnyStringPtr(value)})
	}
	got, err := common.ProcessArgs(logged(), tmpl, &args, global, common.Parameters{}, false, "shop", nil)
	yamltest.Must(t, err)
	return got
}

// container is what one container of ours or of the user's runs.
type container struct {
	name, image string
	words       []string
	env         map[string]string
}

// containers are those of a template, with state and verdict in directories of the test.
func containers(t *testing.T, tmpl *wfv1.Template) []container {
	t.Helper()
	tmpl = filled(t, tmpl)
	state, verdict := t.TempDir(), t.TempDir()
	yamltest.Must(t, os.WriteFile(filepath.Join(state, "given"), []byte(values["trigger"]), 0o600))
	for _, name := range freezeOrder {
		yamltest.Must(t, os.WriteFile(filepath.Join(state, name), []byte("0"), 0o600))
	}
	var all []container
	add := func(c wfv1.ContainerNode) {
		one := container{name: c.Name, image: c.Image, words: slices.Concat(c.Command, c.Args), env: map[string]string{}}
		for i, w := range one.words {
			// A step that fails here writes an empty trigger.
			w = strings.Replace(w, "@/run/copytrigger/trigger", "@"+state+"/given", 1)
			w = strings.Replace(w, "/run/copytrigger", state, 1)
			one.words[i] = strings.Replace(w, "/run/verdict", verdict, 1)
		}
		for _, e := range c.Env {
			one.env[e.Name] = e.Value
		}
		all = append(all, one)
	}
	switch {
	case tmpl.ContainerSet != nil:
		for _, c := range tmpl.ContainerSet.Containers {
			add(c)
		}
	case tmpl.Container != nil:
		add(wfv1.ContainerNode{Container: *tmpl.Container})
	}
	return all
}

// wrong is what is wrong with a command line, given a server that has nothing. What record
// would run is asked by itself: a wrong one would be recorded.
func wrong(words []string) []string {
	var problems []string
	if i := slices.Index(words, "--"); i > 0 && words[1] == "record" {
		problems = wrong(words[i+1:])
		words = append(slices.Clone(words[:i+1]), "true")
	}
	return append(problems, yamltest.Wrong(words, variable, "/copytrigger", "/opt/copytrigger/copytrigger")...)
}

// The program takes every command line that a container has, and writes the results that
// are outputs.
func TestCommandLines(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	commands := map[string]bool{}
	for name, o := range applied(t).templates {
		for _, tmpl := range o.Spec.Templates {
			for _, c := range containers(t, &tmpl) {
				t.Run(name+"/"+tmpl.Name+"/"+c.name, func(t *testing.T) {
					for k, v := range c.env {
						t.Setenv(k, v)
					}
					yamltest.None(t, wrong(c.words))
					yamltest.Some(t, wrong(slices.Insert(slices.Clone(c.words), 2, "--no-such-flag")), "no-such-flag")
				})
				for _, w := range c.words {
					commands[w] = true
				}
			}
		}
	}
	for _, want := range []string{
		"await-waiting", "fire-trigger", "await-completed", "--fire", "--until=cut", "--until=completed",
		"disarm", "unlock", "await-pods-ended", "verdict", "record",
	} {
		if !commands[want] {
			t.Errorf("nobody uses %s", want)
		}
	}
	yamltest.Some(t, wrong([]string{"/copytrigger", "record", t.TempDir() + "/x", "--", "/copytrigger", "disarm"}), "pvc")
	yamltest.Some(t, wrong([]string{"/copytrigger", "disarm", "--run-id={{workflow.none}}", "data"}), "nobody fills in")
}

// await-completed is told which copy was cut, and refuses an empty answer: any copy would do
// then.
func TestCopyThatWasCut(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	tmpl := named(applied(t).templates["copytrigger"], "await-completed")
	given := values["copy"]
	t.Cleanup(func() { values["copy"] = given })

	values["copy"] = uid
	words := containers(t, tmpl)[0].words
	yamltest.None(t, wrong(words))
	if !slices.Contains(words, "--copy="+uid) {
		t.Errorf("the copy is not in %q", words)
	}
	values["copy"] = ""
	yamltest.Some(t, wrong(containers(t, tmpl)[0].words), "--copy is empty")
}

// The user's commands reach the program whole, by the environment: nothing that is in them
// is read by Argo or by a shell.
func TestUsersCommands(t *testing.T) {
	for _, c := range containers(t, templateOf(t, applied(t), "freeze")) {
		which := strings.TrimSuffix(c.name, "-check")
		if which != "quiesce" && which != "unquiesce" {
			if len(c.env) > 0 || !strings.HasPrefix(c.image, "ghcr.io/copytrigger/copytrigger:") {
				t.Errorf("%s: %v", c.name, c)
			}
			continue
		}
		var got, want []string
		yamltest.Must(t, json.Unmarshal([]byte(c.env["COPYTRIGGER_COMMAND"]), &got))
		yamltest.Must(t, json.Unmarshal([]byte(values[which+"-command"]), &want))
		if !slices.Equal(got, want) || c.image != values[which+"-image"] || slices.Contains(c.words, "--") {
			t.Errorf("%s: %v", c.name, c)
		}
	}
}

// The outputs are results that the program writes.
func TestOutputsAreWritten(t *testing.T) {
	yamltest.Answering(t, http.StatusNotFound)
	once := applied(t).templates["quiesced-copy-run"]
	steps := applied(t).templates["copytrigger"].Spec.Templates
	for _, tmpl := range append(steps, *named(once, "freeze"), *named(once, "cleanup")) {
		yamltest.None(t, unwritten(t, &tmpl))
		tmpl.Outputs.Parameters[0].ValueFrom.Path = "/run/copytrigger/no-such-result"
		yamltest.Some(t, unwritten(t, &tmpl), "no-such-result")
	}
}

func unwritten(t *testing.T, tmpl *wfv1.Template) []string {
	t.Helper()
	c := containers(t, tmpl)[0]
	var dir string
	for k, v := range c.env {
		t.Setenv(k, v)
	}
	for _, w := range c.words {
		if d, is := strings.CutPrefix(w, "--results-dir="); is {
			dir = d
		}
	}
	yamltest.Must(t, os.RemoveAll(dir))
	yamltest.Must(t, os.Mkdir(dir, 0o700))
	wrong(c.words)
	var problems []string
	for _, p := range tmpl.Outputs.Parameters {
		if _, err := os.Stat(filepath.Join(dir, filepath.Base(p.ValueFrom.Path))); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}
