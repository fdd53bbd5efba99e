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
	m := newProgram(io.Discard, io.Discard, withSignals())
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
	file := filepath.Join(t.TempDir(), "trigger")
	if err := os.WriteFile(file, []byte(mine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
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
			base(func(o *options) { o.run, o.runGiven, o.timeout, o.ack = "run-1", true, time.Hour, time.Minute })},
		"await-waiting that locks": {[]string{"await-waiting", "--pvc", "data", "--run-id", "run-1", "--lock"},
			base(func(o *options) {
				o.run, o.runGiven, o.timeout, o.ack, o.lock = "run-1", true, time.Hour, time.Minute, true
			})},
		"unlock": {[]string{"unlock", "--pvc", "data", "--run-id", "run-1", "--after", "f"},
			base(func(o *options) { o.run, o.runGiven, o.timeout, o.after = "run-1", true, 20*time.Second, "f" })},
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
		"an argument": {[]string{"disarm", "--run-id", "run-1", "data"},
			base(func(o *options) { o.run, o.runGiven, o.timeout = "run-1", true, 20*time.Second })},
		"an argument behind --": {[]string{"disarm", "--run-id", "run-1", "--", "data"},
			base(func(o *options) { o.run, o.runGiven, o.timeout = "run-1", true, 20*time.Second })},
		"an argument like a command": {[]string{"disarm", "--run-id", "run-1", "--", "help"},
			base(func(o *options) {
				o.claims, o.run, o.runGiven, o.timeout = []string{"help"}, "run-1", true, 20*time.Second
			})},
		"an argument like a flag that is given": {[]string{"disarm", "--run-id", "run-1", "--", "run-id"},
			base(func(o *options) {
				o.claims, o.run, o.runGiven, o.timeout = []string{"run-id"}, "run-1", true, 20*time.Second
			})},
		"nothing behind --": {[]string{"disarm", "--run-id", "run-1", "--pvc", "data", "--"},
			base(func(o *options) { o.run, o.runGiven, o.timeout = "run-1", true, 20*time.Second })},
		"after": {[]string{"fire-trigger", "--pvc", "data", "--trigger", mine, "--after", "/tekton/steps/step-quiesce/exitCode"},
			base(func(o *options) {
				o.trigger, o.timeout, o.after = trigger, 30*time.Second, "/tekton/steps/step-quiesce/exitCode"
			})},
		"fire, and await": {[]string{"await-completed", "--fire", "--pvc", "data", "--trigger", mine, "--after", "/tekton/steps/step-quiesce/exitCode"},
			base(func(o *options) {
				o.trigger, o.timeout, o.ack, o.after, o.fire = trigger, 10*time.Minute, time.Minute, "/tekton/steps/step-quiesce/exitCode", true
			})},
		"a results dir that is above one that is not there": {[]string{"disarm", "--run-id", "run-1", "--pvc", "data", "--results-dir", dir + "/outcome/.."},
			base(func(o *options) { o.run, o.runGiven, o.timeout, o.resultsDir = "run-1", true, 20*time.Second, dir })},
		"record": {[]string{"record", "--after", "a", "f", "--", "sh", "-c", "--", "--help"},
			base(func(o *options) {
				o.claims, o.file, o.after, o.command = nil, "f", "a", []string{"sh", "-c", "--", "--help"}
			})},
		"record, as JSON": {[]string{"record", "--command", `["sh", "-c", "a \"b\""]`, "--dry-run", "f"},
			base(func(o *options) {
				o.claims, o.file, o.dryRun, o.command = nil, "f", true, []string{"sh", "-c", `a "b"`}
			})},
		"record, with no file": {[]string{"record", "--exit", "--dry-run", "--", "sh", "--help"},
			base(func(o *options) { o.claims, o.exit, o.dryRun, o.command = nil, true, true, []string{"sh", "--help"} })},
		"install": {[]string{"install", "d"}, base(func(o *options) { o.claims, o.dir = nil, "d" })},
		"a trigger from a file": {[]string{"fire-trigger", "--pvc", "data", "--trigger", "@" + file},
			base(func(o *options) { o.trigger, o.timeout = trigger, 30*time.Second })},
		"verdict of both in one": {[]string{"verdict", "--step", "quiesce=/a", "--step", "fire-and-await=/b"},
			base(func(o *options) {
				o.claims, o.files = nil, map[string]string{"quiesce": "/a", "fire-and-await": "/b"}
			})},
		"verdict": {[]string{"verdict", "--step", "quiesce=/a", "--step", "await-completed=/b=c"},
			base(func(o *options) {
				o.claims, o.files = nil, map[string]string{"quiesce": "/a", "await-completed": "/b=c"}
			})},
		"await-pods-ended": {[]string{"await-pods-ended", "-n", "app", "--selector", "b = c, a"},
			base(func(o *options) {
				o.claims, o.where.Namespace, o.selector, o.timeout = nil, "app", "a,b=c", 2*time.Minute
			})},
		"await-pods-ended, short": {[]string{"await-pods-ended", "-l", "a in (b,c)"},
			base(func(o *options) { o.claims, o.selector, o.timeout = nil, "a in (b,c)", 2*time.Minute })},
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
		"no claim":                         {[]string{"disarm", "--run-id", "r"}, "--pvc is missing", "--pvc NAME"},
		"two claims":                       {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--pvc", "b"}, "several claims are named: a, b", "one run a claim"},
		"two claims, by comma":             {[]string{"disarm", "--run-id", "r", "--pvc", "a,b"}, "several claims are named: a, b", "one run a claim"},
		"empty claim":                      {[]string{"disarm", "--run-id", "r", "--pvc", ""}, "not a claim's name", "variable"},
		"Tekton's variable":                {[]string{"disarm", "--run-id", "r", "--pvc", "$(params.pvc)"}, "not a claim's name", "variable"},
		"Argo's variable":                  {[]string{"disarm", "--run-id", "r", "--pvc", "{{inputs.parameters.pvc}}"}, "not a claim's name", "variable"},
		"the directory above":              {[]string{"disarm", "--run-id", "r", "--pvc", ".."}, "not a claim's name", "variable"},
		"the directory":                    {[]string{"disarm", "--run-id", "r", "--pvc", "."}, "not a claim's name", "variable"},
		"a path":                           {[]string{"disarm", "--run-id", "r", "--pvc", "a/b"}, "not a claim's name", "variable"},
		"a shell's variable":               {[]string{"disarm", "--run-id", "r", "--pvc", "$(x)"}, "not a claim's name", "variable"},
		"blank claim":                      {[]string{"disarm", "--run-id", "r", "--pvc", " "}, "not a claim's name", "variable"},
		"capitals":                         {[]string{"disarm", "--run-id", "r", "--pvc", "Data"}, "not a claim's name", "lower case"},
		"namespace above":                  {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ".."}, "not a namespace's name", "variable"},
		"namespace here":                   {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "."}, "not a namespace's name", "variable"},
		"namespace with a path":            {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a/b"}, "not a namespace's name", "variable"},
		"namespace with a dot":             {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a.b"}, "not a namespace's name", "variable"},
		"namespace's variable":             {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "$(x)"}, "not a namespace's name", "variable"},
		"blank namespace":                  {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", " "}, "not a namespace's name", "variable"},
		"empty namespace":                  {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--namespace", ""}, "--namespace is empty", "leave it out"},
		"empty namespace, short":           {[]string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ""}, "--namespace is empty", "leave it out"},
		"an argument more":                 {[]string{"disarm", "--run-id", "r", "--pvc", "a", "extra"}, "several claims are named: a, extra", "one run a claim"},
		"two arguments":                    {[]string{"disarm", "--run-id", "r", "--", "a", "b"}, "several claims are named: a, b", "one run a claim"},
		"a flag behind":                    {[]string{"disarm", "a", "--run-id", "r"}, `argument "--run-id" is not a claim's name`, "put flags before"},
		"a flag behind --":                 {[]string{"disarm", "--", "--run-id=r", "a"}, `argument "--run-id=r" is not a claim's name`, "put flags before"},
		"a short flag behind --":           {[]string{"disarm", "--run-id", "r", "--", "-h"}, `argument "-h" is not a claim's name`, "put flags before"},
		"twice --":                         {[]string{"disarm", "--run-id", "r", "--", "--", "a"}, `argument "--" is not a claim's name`, "put flags before"},
		"empty argument":                   {[]string{"disarm", "--run-id", "r", "--", ""}, `argument "" is not a claim's name`, "variable"},
		"Tekton's array":                   {[]string{"disarm", "--run-id", "r", "--", "$(params.pvcs[*])"}, `argument "$(params.pvcs[*])" is not a claim's name`, "variable"},
		"a path as argument":               {[]string{"disarm", "--run-id", "r", "--", "a/b"}, `argument "a/b" is not a claim's name`, "variable"},
		"nothing behind --":                {[]string{"disarm", "--run-id", "r", "--"}, "--pvc is missing", "NAME alone"},
		"fire, and wait for the cut":       {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--fire", "--until=cut"}, "--fire is given, and --until=cut", "fire-trigger, then await-completed"},
		"no file to go after":              {[]string{"fire-trigger", "--pvc", "a", "--trigger", mine, "--after", ""}, "--after is empty", "step-quiesce"},
		"no file to record":                {[]string{"record"}, "FILE is missing", "record FILE -- COMMAND"},
		"empty file to record":             {[]string{"record", "", "--", "true"}, "FILE is missing", "record FILE"},
		"no command":                       {[]string{"record", "f"}, "COMMAND is missing", "record FILE"},
		"no command behind --":             {[]string{"record", "f", "--"}, "COMMAND is missing", "record FILE"},
		"empty command":                    {[]string{"record", "f", "--", ""}, "COMMAND is missing", "record FILE"},
		"a command without --":             {[]string{"record", "f", "true"}, `unexpected argument "true"`, "record FILE -- COMMAND"},
		"a flag behind FILE":               {[]string{"record", "f", "--after=g", "--", "true"}, `unexpected argument "--after=g"`, "flags before FILE"},
		"two commands":                     {[]string{"record", "--command", `["true"]`, "f", "--", "true"}, "there is --command, and also", "once"},
		"an empty JSON array":              {[]string{"record", "--command", "[]", "f"}, "COMMAND is missing", "record FILE"},
		"nothing to record after":          {[]string{"record", "--after", "", "f", "--", "true"}, "--after is empty", "record"},
		"claim of a record":                {[]string{"record", "--pvc", "a", "f", "--", "true"}, "pvc", "record --help"},
		"nowhere to install":               {[]string{"install"}, "one directory is wanted", "install DIR"},
		"two places to install":            {[]string{"install", "a", "b"}, "one directory is wanted", "install DIR"},
		"no file with a trigger":           {[]string{"fire-trigger", "--pvc", "a", "--trigger", "@none"}, "--trigger: stat none", "DIR/trigger"},
		"no step":                          {[]string{"verdict"}, "--step is missing", "--step NAME=FILE; the steps are await-waiting, quiesce, fire-trigger, await-completed, disarm, unquiesce"},
		"an empty step":                    {[]string{"verdict", "--step", ""}, `--step "" has no "="`, "NAME=FILE"},
		"no file of a step":                {[]string{"verdict", "--step", "quiesce"}, `--step "quiesce" has no "="`, "NAME=FILE"},
		"empty file of a step":             {[]string{"verdict", "--step", "quiesce="}, "names no file", "parameter"},
		"unknown step":                     {[]string{"verdict", "--step", "freeze=f"}, `there is no step "freeze"`, "the steps are await-waiting"},
		"step without a name":              {[]string{"verdict", "--step", "=f"}, `there is no step ""`, "the steps are await-waiting"},
		"a step twice":                     {[]string{"verdict", "--step", "await-completed=f", "--step", "await-completed=g"}, "await-completed is given twice", "once"},
		"a step by itself, and in another": {[]string{"verdict", "--step", "fire-and-await=f", "--step", "fire-trigger=g"}, "--step fire-and-await is given, and", "both of them"},
		"nobody awaits":                    {[]string{"verdict", "--step", "quiesce=f", "--step", "unquiesce=g"}, "--step await-completed is missing", "each step"},
		"argument of a verdict":            {[]string{"verdict", "--step", "disarm=f", "extra"}, `unexpected argument "extra"`, "verdict --help"},
		"claim of a verdict":               {[]string{"verdict", "--step", "disarm=f", "--pvc", "a"}, "pvc", "verdict --help"},
		"no selector":                      {[]string{"await-pods-ended"}, "--selector is empty", "every pod"},
		"empty selector":                   {[]string{"await-pods-ended", "-l", ""}, "--selector is empty", "every pod"},
		"blank selector":                   {[]string{"await-pods-ended", "-l", " "}, "--selector is empty", "every pod"},
		"Tekton's selector":                {[]string{"await-pods-ended", "-l", "tekton.dev/pipelineRun=$(context.pipelineRun.name)"}, "--selector", "kubectl get -l"},
		"odd selector":                     {[]string{"await-pods-ended", "-l", "a=b=c"}, "--selector", "kubectl get -l"},
		"argument of a selector":           {[]string{"await-pods-ended", "-l", "a=b", "pod"}, `unexpected argument "pod"`, "await-pods-ended --help"},
		"claim of a selector":              {[]string{"await-pods-ended", "-l", "a=b", "--pvc", "a"}, "pvc", "await-pods-ended --help"},
		"negative, for pods":               {[]string{"await-pods-ended", "-l", "a=b", "--timeout", "-1s"}, "negative", "0 looks once"},
		"a namespace of no pods":           {[]string{"await-pods-ended", "-l", "a=b", "-n", ""}, "--namespace is empty", "leave it out"},
		"no run to disarm":                 {[]string{"disarm", "--pvc", "a"}, "--run-id is missing", "await-waiting"},
		"empty run to disarm":              {[]string{"disarm", "--pvc", "a", "--run-id", ""}, "--run-id is empty", "await-waiting"},
		"no run to unlock":                 {[]string{"unlock", "--pvc", "a"}, "--run-id is missing", "await-waiting"},
		"a later limit, bad":               {[]string{"await-waiting", "--pvc", "a", "--copy-timeout", "600"}, "copy-timeout", "await-waiting --help"},
		"a later limit, empty":             {[]string{"await-waiting", "--pvc", "a", "--ack-timeout="}, "ack-timeout", "await-waiting --help"},
		"a later limit, negative":          {[]string{"await-waiting", "--pvc", "a", "--copy-timeout", "-1s"}, "negative", "0 looks once"},
		"a later limit of 0":               {[]string{"await-waiting", "--pvc", "a", "--ack-timeout", "0"}, "--ack-timeout is 0", "react"},
		"empty run":                        {[]string{"await-waiting", "--pvc", "a", "--run-id", ""}, "--run-id is empty", "await-waiting"},
		"Tekton's run":                     {[]string{"await-waiting", "--pvc", "a", "--run-id", "$(context.taskRun.uid)"}, "Tekton variable", "context.taskRun.uid"},
		"Argo's run":                       {[]string{"await-waiting", "--pvc", "a", "--run-id", "{{workflow.uid}}"}, "Argo variable", "workflow.uid"},
		"odd run":                          {[]string{"await-waiting", "--pvc", "a", "--run-id", "a b"}, "run id", "context.taskRun.uid"},
		"no trigger":                       {[]string{"fire-trigger", "--pvc", "a"}, "--trigger: it is empty", "await-waiting"},
		"Tekton's trigger":                 {[]string{"fire-trigger", "--pvc", "a", "--trigger", "$(tasks.await.results.trigger)"}, "Tekton variable", "await-waiting"},
		"somebody's trigger":               {[]string{"await-completed", "--pvc", "a", "--trigger", "mine"}, "was not made by await-waiting", "await-waiting"},
		"negative":                         {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "-1s"}, "negative", "0 looks once"},
		"negative ack":                     {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "-1s"}, "negative", ""},
		"no time to react":                 {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "0"}, "--ack-timeout is 0", "1m"},
		"not a duration":                   {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "10"}, "timeout", "disarm --help"},
		"no such results dir":              {[]string{"disarm", "--run-id", "r", "--pvc", "a", "--results-dir", filepath.Join(dir, "none")}, "results directory", "--results-dir"},
		"nothing to quiesce by":            {[]string{"run", "--pvc", "a"}, "nothing says how", "--hold CMD"},
		"no unquiesce":                     {[]string{"run", "--pvc", "a", "--quiesce", "true"}, "--unquiesce is missing: the application would stay quiesced", "--unquiesce CMD"},
		"no quiesce":                       {[]string{"run", "--pvc", "a", "--unquiesce", "true"}, "--quiesce is missing", "--quiesce CMD"},
		"hold and quiesce":                 {[]string{"run", "--pvc", "a", "--hold", "true", "--quiesce", "true"}, "--hold is given, and", "does both"},
		"hold and unquiesce":               {[]string{"run", "--pvc", "a", "--hold", "true", "--unquiesce", "true"}, "--hold is given, and", "does both"},
		"empty quiesce":                    {[]string{"run", "--pvc", "a", "--quiesce", " ", "--unquiesce", "true"}, "--quiesce: the command is empty", "JSON array"},
		"broken quiesce":                   {[]string{"run", "--pvc", "a", "--quiesce", `["true"`, "--unquiesce", "true"}, "is not a JSON array of strings", "JSON array"},
		"no quiesce in it":                 {[]string{"run", "--pvc", "a", "--quiesce", `[]`, "--unquiesce", "true"}, "names no program", "JSON array"},
		"no such quiesce":                  {[]string{"run", "--pvc", "a", "--quiesce", `["no-such-program"]`, "--unquiesce", "true"}, "--quiesce cannot be run: exec: ", "in the image"},
		"no such unquiesce":                {[]string{"run", "--pvc", "a", "--quiesce", "true", "--unquiesce", `["/no/such"]`}, "--unquiesce cannot be run: ", "in the image"},
		"no such hold":                     {[]string{"run", "--pvc", "a", "--hold", `["/no/such"]`}, "--hold cannot be run: ", "in the image"},
		"no ready line":                    {[]string{"run", "--pvc", "a", "--hold", "cat", "--ready-line", ""}, "--ready-line", "QUIESCED"},
		"two ready lines":                  {[]string{"run", "--pvc", "a", "--hold", "cat", "--ready-line", "a\nb"}, "--ready-line", "QUIESCED"},
		"no freeze":                        {[]string{"run", "--pvc", "a", "--hold", "cat", "--max-freeze", "0"}, "--max-freeze is 0s", "such as 5m"},
		"a negative freeze":                {[]string{"run", "--pvc", "a", "--hold", "cat", "--max-freeze", "-1s"}, "--max-freeze is -1s", "such as 5m"},
		"no time to unquiesce":             {[]string{"run", "--pvc", "a", "--hold", "cat", "--unquiesce-timeout", "0"}, "--unquiesce-timeout is 0s", "such as 5m"},
		"until what":                       {[]string{"run", "--pvc", "a", "--hold", "cat", "--until", "ready"}, `--until "ready" is neither`, "completed"},
		"a cut that nobody sees":           {[]string{"run", "--pvc", "a", "--hold", "cat", "--until", "cut", "--pvc-only"}, "does not look at the copy", "volumesnapshots"},
		"empty run of run":                 {[]string{"run", "--pvc", "a", "--hold", "cat", "--run-id", ""}, "--run-id is empty", ""},
		"an empty copy":                    {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", ""}, "--copy is empty", "--until=cut"},
		"the cut of a copy":                {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", "u", "--until", "cut"}, "both given", "afterwards"},
		"a copy that nobody sees":          {[]string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", "u", "--pvc-only"}, "does not look at the copy", "volumesnapshots"},
		"unknown flag":                     {[]string{"disarm", "--force"}, "force", "disarm --help"},
		"another command's flag":           {[]string{"disarm", "--trigger", mine}, "trigger", "disarm --help"},
		"flag before the command":          {[]string{"--pvc", "a", "disarm"}, "pvc", "copytrigger --help"},
		"unknown command":                  {[]string{"fire"}, `unknown command "fire"`, "lists the commands"},
		"help of no command":               {[]string{"help", "fire"}, "No help topic for 'fire'", "lists the commands"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsed(c.args...)
			if exitCode(err) != 64 {
				t.Fatalf("got %v, want a usage error", err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(hintOf(err), c.hint) {
				t.Errorf("got %q, hint %q, want %q, %q", err, hintOf(err), c.says, c.hint)
			}
		})
	}
}
