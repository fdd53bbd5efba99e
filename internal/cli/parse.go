package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/verdict"
)

// parse turns flags into options. Every error is a usageError.
func parse(c *cli.Context) (options, error) {
	o := options{
		where: kube.Where{
			Kubeconfig: c.String("kubeconfig"), Context: c.String("context"),
			Namespace: c.String("namespace"), UserAgent: "copytrigger/" + c.App.Version,
		},
		claimOnly: c.Bool("pvc-only"), lock: c.Bool("lock"), keepOut: c.Bool("keep-out"), fire: c.Bool("fire"),
		timeout: c.Duration("timeout"), ack: c.Duration("ack-timeout"),
	}
	for _, read := range []func(*cli.Context, *options) error{
		readClaims, checkNamespace, checkLimits, readRun, readTrigger, readAfter, readFiles, readSelector, readUntil, readApplication, readCommand, readDir, readResultsDir,
	} {
		if err := read(c, &o); err != nil {
			return o, err
		}
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

// notAName is the hint for what cannot be the name of an object. The server is not asked:
// as a part of a URL it might mean another object ("..", "a/b").
const notAName = "was a variable of the pipeline not expanded? a name has lower case letters, digits and \"-\""

// readClaims takes the claims of --pvc and of the arguments together: the array parameter
// of an engine can only be handed over as arguments.
func readClaims(c *cli.Context, o *options) error {
	names := c.Args().Slice()
	if !has(c, "pvc") {
		if len(names) > 0 && c.Command.ArgsUsage == "" {
			return usageError{fmt.Errorf("unexpected argument %q", names[0]), "every parameter is a flag; see copytrigger " + c.Command.Name + " --help"}
		}
		return nil
	}
	flags := c.StringSlice("pvc")
	for _, name := range flags {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return usageError{fmt.Errorf("--pvc %q is not a claim's name", name), notAName}
		}
	}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "-"):
			return usageError{fmt.Errorf("argument %q is not a claim's name", name), "arguments are names of claims; put flags before the first of them, and before --"}
		case len(validation.IsDNS1123Subdomain(name)) > 0:
			return usageError{fmt.Errorf("argument %q is not a claim's name", name), notAName}
		}
	}
	switch o.claims = slices.Concat(flags, names); {
	case len(o.claims) == 0:
		return usageError{errors.New("--pvc is missing"), "name the claim that VolSync copies: --pvc NAME, or NAME alone after all flags"}
	case len(o.claims) > 1:
		return usageError{fmt.Errorf("several claims are named: %s", strings.Join(o.claims, ", ")), "this version coordinates one claim; use one run a claim"}
	}
	return nil
}

func checkNamespace(c *cli.Context, o *options) error {
	switch ns := o.where.Namespace; {
	case has(c, "namespace") && c.IsSet("namespace") && ns == "":
		// The default would be another claim of the same name, in another namespace.
		return usageError{errors.New("--namespace is empty"), "was a parameter of the pipeline not given? leave it out for the context's or the pod's own namespace"}
	case ns != "" && len(validation.IsDNS1123Label(ns)) > 0:
		return usageError{fmt.Errorf("--namespace %q is not a namespace's name", ns), notAName}
	}
	return nil
}

func checkLimits(c *cli.Context, o *options) error {
	switch {
	case o.timeout < 0 || o.ack < 0 || c.Duration("copy-timeout") < 0:
		return usageError{errors.New("a limit is negative"), "0 looks once and does not wait"}
	case has(c, "ack-timeout") && o.ack == 0:
		return usageError{errors.New("--ack-timeout is 0"), "VolSync needs some time to react; the default is 1m"}
	}
	if !has(c, "unquiesce-timeout") {
		return nil
	}
	for _, name := range []string{"max-freeze", "unquiesce-timeout", "copy-timeout"} {
		if has(c, name) && c.Duration(name) <= 0 {
			return usageError{fmt.Errorf("--%s is %s", name, c.Duration(name)), "give the time that it may take, such as 5m"}
		}
	}
	o.limits = step.Limits{Wait: o.timeout, Ack: o.ack, Copy: c.Duration("copy-timeout"), Freeze: c.Duration("max-freeze"), Unquiesce: c.Duration("unquiesce-timeout")}
	return nil
}

func readUntil(c *cli.Context, o *options) error {
	if !has(c, "until") {
		return nil
	}
	switch until := c.String("until"); until {
	case "completed":
	case "cut":
		o.untilCut = true
	default:
		return usageError{fmt.Errorf("--until %q is neither cut nor completed", until), "the default is completed: until VolSync has recorded the trigger"}
	}
	if o.copy = c.String("copy"); has(c, "copy") && c.IsSet("copy") && o.copy == "" {
		// Without it another copy would do.
		return usageError{errors.New("--copy is empty"), "give the result copy of await-completed --until=cut, which must have ended with 0"}
	}
	switch {
	case o.untilCut && o.copy != "":
		return usageError{errors.New("--until=cut and --copy are both given"), "--copy is for afterwards: until VolSync has recorded the trigger for that copy"}
	case o.fire && (o.untilCut || o.copy != ""):
		return usageError{errors.New("--fire is given, and --until=cut or --copy as well"), "--fire waits until VolSync has recorded the trigger; for less use fire-trigger, then await-completed"}
	case o.claimOnly && (o.untilCut || o.copy != "" && o.copy != step.Recorded):
		return usageError{errors.New("--pvc-only does not look at the copy"), "grant get and watch of volumesnapshots, or leave --until=cut out"}
	}
	return nil
}

func readRun(c *cli.Context, o *options) error {
	if !has(c, "run-id") {
		return nil
	}
	switch o.run = handshake.RunOf(c.String("run-id")); { // as it may stand in a claim's lock
	case o.run == "" && c.IsSet("run-id"):
		return usageError{errors.New("--run-id is empty"), "give the id that await-waiting got"}
	case o.run == "" && c.Command.Name != "await-waiting" && c.Command.Name != "run":
		return usageError{errors.New("--run-id is missing"), "give the id that await-waiting got"}
	}
	if o.runGiven = o.run != ""; !o.runGiven {
		o.run = strings.ToLower(rand.Text()[:16])
	}
	if err := handshake.CheckRun(o.run); err != nil {
		return usageError{fmt.Errorf("--run-id: %w", err), "use the engine's id of the run: Tekton $(context.taskRun.uid), Argo {{workflow.uid}}"}
	}
	return nil
}

func readTrigger(c *cli.Context, o *options) (err error) {
	if !has(c, "trigger") {
		return nil
	}
	given := c.String("trigger")
	if file, is := strings.CutPrefix(given, "@"); is {
		if given, err = result.Read(file); err != nil {
			return usageError{fmt.Errorf("--trigger: %w", err), "await-waiting --results-dir DIR writes it to DIR/trigger, if it ends well"}
		}
	}
	if o.trigger, err = handshake.ParseTrigger(given); err != nil {
		return usageError{fmt.Errorf("--trigger: %w", err), "pass on the result \"trigger\" of await-waiting"}
	}
	return nil
}

func readAfter(c *cli.Context, o *options) error {
	if !has(c, "after") {
		return nil
	}
	if o.after = c.String("after"); o.after == "" && c.IsSet("after") {
		// A parameter that was not given must not open the gate.
		return usageError{errors.New("--after is empty"), "give the file with the exit code of the step before: Tekton $(steps.step-quiesce.exitCode.path), or that of record"}
	}
	return nil
}

// readFiles reads the steps of a verdict.
func readFiles(c *cli.Context, o *options) error {
	if !has(c, "step") {
		return nil
	}
	o.files = map[string]string{}
	known := strings.Join(verdict.Steps(), ", ")
	for _, s := range c.StringSlice("step") {
		name, file, found := strings.Cut(s, "=")
		switch _, twice := o.files[name]; {
		case !found:
			return usageError{fmt.Errorf("--step %q has no \"=\"", s), "give each step as --step NAME=FILE"}
		case !slices.Contains(verdict.Steps(), name):
			return usageError{fmt.Errorf("--step %q: there is no step %q", s, name), "the steps are " + known}
		case file == "":
			return usageError{fmt.Errorf("--step %q names no file", s), "was a parameter of the pipeline not given? Tekton's file is $(steps.step-NAME.exitCode.path)"}
		case twice:
			return usageError{fmt.Errorf("--step %s is given twice", name), "give each step of the run once"}
		}
		o.files[name] = file
	}
	switch {
	case verdict.Overlap(o.files):
		return usageError{errors.New("--step fire-and-await is given, and fire-trigger or await-completed as well"), "fire-and-await is both of them, by await-completed --fire"}
	case verdict.Incomplete(o.files):
		return usageError{errors.New("--step await-completed is missing"), "without it nobody knows whether there is a copy: give each step of the run as --step NAME=FILE"}
	case len(o.files) == 0:
		return usageError{errors.New("--step is missing"), "give each step of the run as --step NAME=FILE; the steps are " + known}
	}
	return nil
}

// readCommand reads where the exit code of which command goes.
func readCommand(c *cli.Context, o *options) error {
	if !has(c, "command") {
		return nil
	}
	o.dryRun, o.exit = c.Bool("dry-run"), c.Bool("exit")
	see := "copytrigger record FILE -- COMMAND [ARG...], flags before FILE"
	rest := c.Args().Slice()
	if o.exit {
		see = "copytrigger record --exit -- COMMAND [ARG...]"
	} else {
		if len(rest) == 0 || rest[0] == "" {
			return usageError{errors.New("FILE is missing"), see + "; or --exit instead of FILE"}
		}
		o.file, rest = rest[0], rest[1:]
	}
	asJSON, given := c.String("command"), c.IsSet("command")
	switch {
	case given && len(rest) > 0:
		return usageError{fmt.Errorf("there is --command, and also %q", rest[0]), "give the command once"}
	case given:
		if err := json.Unmarshal([]byte(asJSON), &o.command); err != nil {
			// It can be no command of any image: to be recorded like one that cannot be run.
			o.unreadable = usageError{fmt.Errorf("--command %q is not a JSON array of strings", asJSON), `give it as ["psql", "--file=x.sql"]; for a shell, ["sh", "-c", "…"]; was a variable of the pipeline not expanded?`}
			o.command = []string{"the command"}
		}
	case o.exit:
		o.command = rest
	case len(rest) > 0 && rest[0] != "--":
		return usageError{fmt.Errorf("unexpected argument %q", rest[0]), see}
	case len(rest) > 0:
		o.command = rest[1:]
	}
	if len(o.command) == 0 || o.command[0] == "" {
		return usageError{errors.New("COMMAND is missing"), see}
	}
	return nil
}

// readApplication reads how run is to quiesce the application, and release to let it go. An
// empty command is none: an engine that was not given one sets an empty variable.
func readApplication(c *cli.Context, o *options) error {
	if !has(c, "unquiesce") {
		return nil
	}
	for name, to := range map[string]*[]string{"quiesce": &o.quiesce, "unquiesce": &o.unquiesce, "hold": &o.hold} {
		if c.String(name) == "" {
			continue
		}
		command, err := commandLine(c.String(name))
		if err != nil {
			return usageError{fmt.Errorf("--%s: %w", name, err), `give it as a shell has it, or as JSON array: '["psql", "--file=x.sql"]'`}
		}
		if _, err := quiesce.CanRun(command[0]); err != nil {
			return usageError{fmt.Errorf("--%s cannot be run: %w", name, err), cannotRun}
		}
		*to = command
	}
	if !has(c, "hold") {
		return nil
	}
	see := "give --quiesce CMD and --unquiesce CMD, or --hold CMD"
	switch {
	case o.hold != nil && (o.quiesce != nil || o.unquiesce != nil):
		return usageError{errors.New("--hold is given, and --quiesce or --unquiesce as well"), "the command of --hold does both: it lets the application go when it ends"}
	case o.hold == nil && o.quiesce == nil && o.unquiesce == nil:
		return usageError{errors.New("nothing says how to quiesce the application"), see}
	case o.hold == nil && o.unquiesce == nil:
		return usageError{errors.New("--unquiesce is missing: the application would stay quiesced"), see}
	case o.hold == nil && o.quiesce == nil:
		return usageError{errors.New("--quiesce is missing"), see}
	}
	if o.readyLine = c.String("ready-line"); o.readyLine == "" || strings.TrimSpace(o.readyLine) != o.readyLine || strings.Contains(o.readyLine, "\n") {
		return usageError{fmt.Errorf("--ready-line %q is not one line without white space around it", o.readyLine), "the default is QUIESCED"}
	}
	return nil
}

// commandLine reads a command as a Dockerfile does: a JSON array is the program and its
// arguments, anything else is for the shell.
func commandLine(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	var args []string
	err := json.Unmarshal([]byte(text), &args)
	switch {
	case text == "":
		return nil, errors.New("the command is empty")
	case err == nil && (len(args) == 0 || args[0] == ""):
		return nil, errors.New("the command names no program")
	case err == nil:
		return args, nil
	case strings.HasPrefix(text, `["`): // it was meant to be one
		return nil, fmt.Errorf("%q is not a JSON array of strings", text)
	}
	return []string{"/bin/sh", "-c", text}, nil
}

func readDir(c *cli.Context, o *options) error {
	if c.Command.Name != "install" {
		return nil
	}
	if o.dir = c.Args().First(); o.dir == "" || c.NArg() > 1 {
		return usageError{fmt.Errorf("one directory is wanted, not %q", c.Args().Slice()), "copytrigger install DIR"}
	}
	return nil
}

func readSelector(c *cli.Context, o *options) error {
	if !has(c, "selector") {
		return nil
	}
	given := c.String("selector")
	if given == "" && c.Command.Name == "release" { // there are no pods to wait for
		return nil
	}
	parsed, err := labels.Parse(given)
	switch {
	case err != nil:
		return usageError{fmt.Errorf("--selector %q: %w", given, err), "give labels as kubectl get -l takes them: KEY=VALUE,..."}
	case parsed.Empty():
		return usageError{errors.New("--selector is empty"), "that would be every pod of the namespace; give labels: KEY=VALUE,..."}
	}
	o.selector = parsed.String()
	return nil
}

// readResultsDir cleans the name first: a Tekton StepAction knows the file of a result
// alone, and not yet written, so that its directory is $(step.results.NAME.path)/.. there.
func readResultsDir(c *cli.Context, o *options) error {
	if o.resultsDir = c.String("results-dir"); o.resultsDir != "" {
		o.resultsDir = filepath.Clean(o.resultsDir)
	}
	if err := result.CheckDir(o.resultsDir); err != nil {
		return usageError{err, "give an existing, writable directory with --results-dir"}
	}
	return nil
}
