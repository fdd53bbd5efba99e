package cli

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

// flagValues are a value of a flag, and one that is refused.
type flagValues struct {
	good string
	bad  string
	says string // of the bad one; "" for a flag that takes every value
}

// knownFlags has every flag: one that is not in it fails [TestEveryFlag].
func knownFlags(t *testing.T) map[string]flagValues {
	t.Helper()
	dir := t.TempDir()
	return map[string]flagValues{
		"all-namespaces":     {good: "true", bad: "soon", says: "all-namespaces"},
		"as":                 {good: "system:serviceaccount:app:copytrigger"},
		"watch":              {good: "true", bad: "soon", says: "watch"},
		"all":                {good: "true", bad: "soon", says: "all"},
		"keep-cleanup":       {good: "true", bad: "soon", says: "keep-cleanup"},
		"output":             {good: "json", bad: "xml", says: `--output "xml" is n`},
		"one-at-a-time":      {good: "true", bad: "soon", says: "one-at-a-time"},
		"state-file":         {good: dir + "/locked"},
		"ack-timeout":        {good: "5s", bad: "0", says: "--ack-timeout is 0"},
		"await-pods":         {good: "a=b", bad: "a=b=c", says: "--await-pods"},
		"after":              {good: "exitCode", bad: "", says: "--after is empty"},
		"container":          {good: "db", bad: "D_", says: "--container"},
		"in-pod":             {good: "true", bad: "soon", says: "in-pod"},
		"pod":                {good: "db-0", bad: "..", says: "--pod"},
		"pod-selector":       {good: "a=b", bad: "a=b=c", says: "--pod-selector"},
		"command":            {good: `["true"]`, bad: "[]", says: "COMMAND is missing"},
		"context":            {good: "ctx"},
		"copy":               {good: "uid-1", bad: "", says: "--copy is empty"},
		"copy-timeout":       {good: "9s", bad: "-1s", says: "a limit is negative"},
		"dry-run":            {good: "true", bad: "soon", says: "dry-run"},
		"exit":               {good: "true", bad: "soon", says: "exit"},
		"fire":               {good: "true", bad: "soon", says: "fire"},
		"hold":               {good: "cat", bad: " ", says: "--hold: the command is empty"},
		"kubeconfig":         {good: "kc"},
		"log-format":         {good: "json", bad: "xml", says: `--log-format "xml" is neither text nor json`},
		"max-freeze":         {good: "11s", bad: "0", says: "--max-freeze is 0s"},
		"namespace":          {good: "app", bad: "", says: "--namespace is empty"},
		"pvc":                {good: "data", bad: "..", says: "is not a claim's name"},
		"pvc-only":           {good: "true", bad: "soon", says: "pvc-only"},
		"quiesce":            {good: "date", bad: `["true"`, says: "--quiesce: "},
		"ready-line":         {good: "HELD", bad: "", says: "--ready-line"},
		"results-dir":        {good: dir, bad: dir + "/none", says: "results directory"},
		"results-limit":      {good: "1000", bad: "511", says: "--results-limit is 511"},
		"cronjob":            {good: "data-check", bad: "..", says: "--cronjob"},
		"keep":               {good: "true", bad: "soon", says: "keep"},
		"name":               {good: "tried", bad: "..", says: "--name"},
		"replication-source": {good: "nightly", bad: "..", says: "--replication-source"},
		"run-ended":          {good: "true", bad: "soon", says: "run-ended"},
		"run-id":             {good: "run-1", bad: "", says: "--run-id is empty"},
		"selector":           {good: "a=b,c=d", bad: "a=b=c", says: "--selector"},
		"start-sync":         {good: "true", bad: "soon", says: "start-sync"},
		"await-synced":       {good: "true", bad: "soon", says: "await-synced"},
		"sync-timeout":       {good: "13s", bad: "0", says: "--sync-timeout is 0s"},
		"step":               {good: "quiesce=a,await-completed=b", bad: "quiesce", says: "--step"},
		"metrics-file":       {good: "file", says: ""},
		"outcome":            {good: "ok", bad: "fine", says: `--outcome "fine" is no outcome`},
		"timeout":            {good: "7s", bad: "-1s", says: "a limit is negative"},
		"trigger":            {good: mine, bad: "by-hand", says: "--trigger: "},
		"unquiesce":          {good: `["sh", "-c", "date"]`, bad: "[]", says: "--unquiesce: "},
		"unquiesce-timeout":  {good: "12s", bad: "0", says: "--unquiesce-timeout is 0s"},
		"until":              {good: "cut", bad: "ready", says: "--until"},
		"cleanup-id":         {good: "pod-1", bad: "a/b", says: "--cleanup-id"},
		"with-pvcs":          {good: "true", bad: "soon", says: "with-pvcs"},
	}
}

// lineWith returns a command line that is right but for the flag that is to be added to it.
func lineWith(t *testing.T, command, flag string, known map[string]flagValues) []string {
	t.Helper()
	line := []string{command}
	for _, name := range map[string][]string{
		"await-waiting":    {"pvc", "run-id"},
		"start-sync":       {"pvc", "run-id"},
		"await-synced":     {"pvc", "trigger"},
		"fire-trigger":     {"pvc", "trigger"},
		"await-completed":  {"pvc", "trigger"},
		"disarm":           {"pvc", "run-id"},
		"unlock":           {"pvc", "run-id"},
		"run":              {"pvc", "run-id", "quiesce", "unquiesce", "in-pod"},
		"cleanup":          {"pvc", "run-id", "in-pod"},
		"exec":             {"pvc"},
		"check":            {"pvc", "in-pod"},
		"check-restore":    {"pvc", "run-id", "cronjob"},
		"verdict":          {"step"},
		"await-pods-ended": {"selector"},
	}[command] {
		if name == flag || flag == "hold" && strings.HasSuffix(name, "quiesce") || flag == "selector" && name == "pvc" {
			continue
		}
		line = append(line, "--"+name+"="+known[name].good)
	}
	switch {
	case command == "completion":
		line = append(line, "bash")
	case command == "exec" && flag != "command":
		line = append(line, "--", "true")
	case command == "exec":
	case command == "install":
		line = append(line, "dir")
	case flag == "command":
		line = append(line, "file")
	case flag == "with-pvcs":
		line = append(line, "file", "data", "--", "true")
	case command == "record":
		line = append(line, "file", "--", "true")
	}
	return line
}

// given returns a command line with a flag in front of all others.
func given(line []string, flag, value string) []string {
	return slices.Insert(slices.Clone(line), 1, "--"+flag+"="+value)
}

// everyFlag calls f for each flag of each command, with a command line that lacks it.
func everyFlag(t *testing.T, f func(t *testing.T, flag cli.Flag, values flagValues, line []string)) {
	t.Helper()
	noEnv(t)
	known := knownFlags(t)
	for _, c := range newProgram(nil, nil, withSignals()).commands() {
		for _, flag := range c.flags.flags() {
			name := flag.Names()[0]
			t.Run(c.name+" --"+name, func(t *testing.T) {
				values, is := known[name]
				if !is {
					t.Fatalf("add --%s to knownFlags: a good value, a bad one, and what is said of that", name)
				}
				f(t, flag, values, lineWith(t, c.name, name, known))
			})
		}
	}
}

// Every flag of every command changes what the command does, and can be given by the
// environment instead.
func TestEveryFlag(t *testing.T) {
	everyFlag(t, func(t *testing.T, flag cli.Flag, values flagValues, line []string) {
		name := flag.Names()[0]
		variable := "COPYTRIGGER_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if got := flag.(cli.DocGenerationFlag).GetEnvVars(); !slices.Equal(got, []string{variable}) {
			t.Errorf("got variables %q, want %s", got, variable)
		}
		without, _ := parsed(line...)
		want, err := parsed(given(line, name, values.good)...)
		if err != nil || reflect.DeepEqual(want, without) {
			t.Fatalf("got %+v, %v, and without it %+v", want, err, without)
		}
		t.Setenv(variable, values.good)
		if got, err := parsed(line...); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("by environment: got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

// Every command checks each of its flags.
func TestEveryFlagIsChecked(t *testing.T) {
	everyFlag(t, func(t *testing.T, flag cli.Flag, values flagValues, line []string) {
		if values.says == "" {
			return
		}
		_, err := parsed(given(line, flag.Names()[0], values.bad)...)
		if exitCode(err) != 64 || !strings.Contains(fmt.Sprint(err), values.says) {
			t.Errorf("got %v, want a usage error with %q", err, values.says)
		}
	})
}

// What a flag says is in the options of the step, too.
func TestFlagsReachTheOptions(t *testing.T) {
	for _, c := range []struct {
		args []string
		want any
	}{
		{
			args: []string{"await-waiting", "--run-id", "run-1", "--until", "cut", "--start-sync", "--timeout", "7s"},
			want: step.AwaitWaitingOptions{Run: "run-1", UntilCut: true, Start: true, Timeout: 7 * time.Second},
		},
		{
			args: []string{"start-sync", "--run-id", "run-1", "--timeout", "7s"},
			want: step.StartSyncOptions{Run: "run-1", Timeout: 7 * time.Second},
		},
		{
			args: []string{"await-synced", "--trigger", mine, "--timeout", "7s"},
			want: step.AwaitSyncedOptions{Trigger: trigger(t, mine).trigger, Timeout: 7 * time.Second},
		},
		{
			args: []string{
				"check-restore", "--run-id", "run-1", "--cronjob", "c", "--name", "n", "--replication-source", "s", "--keep",
				"--timeout", "7s",
			},
			want: step.CheckRestoreOptions{
				Run: "run-1", CronJob: "c", Name: "n", Source: "s", Keep: true, Timeout: 7 * time.Second,
			},
		},
		{
			args: []string{"fire-trigger", "--trigger", mine, "--after", "file", "--timeout", "7s"},
			want: step.FireTriggerOptions{Trigger: trigger(t, mine).trigger, After: "file", Timeout: 7 * time.Second},
		},
		{
			args: []string{"await-completed", "--trigger", mine, "--until", "cut", "--ack-timeout", "5s", "--timeout", "7s"},
			want: step.AwaitCompletedOptions{
				Trigger: trigger(t, mine).trigger, UntilCut: true, Timeout: 7 * time.Second, Ack: 5 * time.Second,
			},
		},
		{
			args: []string{"await-completed", "--trigger", mine, "--copy", "uid-1", "--timeout", "7s"},
			want: step.AwaitCompletedOptions{
				Trigger: trigger(t, mine).trigger, Copy: "uid-1", Timeout: 7 * time.Second, Ack: time.Minute,
			},
		},
		{
			args: []string{"unlock", "--run-id", "run-1", "--after", "file", "--timeout", "7s"},
			want: step.UnlockOptions{
				Run: "run-1", Last: handshake.LastRun{Run: "run-1"}, After: "file", Timeout: 7 * time.Second,
			},
		},
		{
			args: []string{"unlock", "--run-id", "run-1", "--outcome", "ok"},
			want: step.UnlockOptions{
				Run: "run-1", Last: handshake.LastRun{Run: "run-1", Outcome: "ok"}, Timeout: 20 * time.Second,
			},
		},
		{
			args: []string{"unlock", "--run-id", "run-1", "--step", "await-completed=/none"},
			want: step.UnlockOptions{
				Run: "run-1", Timeout: 20 * time.Second,
				Last: handshake.LastRun{
					Run: "run-1", Outcome: "tainted", Reason: "await-completed did not run to its end (there is no /none): " +
						"the trigger of the run may be armed until disarm has run, and a copy be cut after the application ran again",
				},
			},
		},
		{
			args: []string{"unlock", "--run-id", "run-1", "--step", "unquiesce=/none"},
			want: step.UnlockOptions{Run: "run-1", Last: handshake.LastRun{Run: "run-1"}, Timeout: 20 * time.Second},
		},
		{
			args: []string{
				"run", "--run-id", "run-1", "--until", "cut", "--hold", "cat", "--timeout", "7s", "--ack-timeout", "5s",
				"--copy-timeout", "9s", "--max-freeze", "11s", "--unquiesce-timeout", "12s",
				"--start-sync", "--await-synced", "--sync-timeout", "13s",
			},
			want: step.RunOptions{Run: "run-1", UntilCut: true, Start: true, Synced: true, Limits: step.Limits{
				Wait: 7 * time.Second, Ack: 5 * time.Second, Copy: 9 * time.Second,
				Freeze: 11 * time.Second, Unquiesce: 12 * time.Second, Sync: 13 * time.Second,
			}},
		},
	} {
		f, err := parsed(append(c.args, "--pvc", "data")...)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		switch f := f.(type) {
		case *awaitWaitingFlags:
			got = f.options()
		case *startSyncFlags:
			got = f.options()
		case *awaitSyncedFlags:
			got = f.options()
		case *checkRestoreFlags:
			got = f.options()
		case *fireTriggerFlags:
			got = f.options()
		case *awaitCompletedFlags:
			got = f.options()
		case *unlockFlags:
			got = f.options()
		case *runFlags:
			got = f.options(nil, nil)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, want %+v", c.args, got, c.want)
		}
	}
}

func TestFlagGoesBeforeEnvironment(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "other")
	t.Setenv("COPYTRIGGER_TIMEOUT", "1h")
	want := disarmOf(claim("data"))
	want.timeout = time.Second
	got, err := parsed("disarm", "--pvc", "data", "--run-id", "run-1", "--timeout", "1s")
	if err != nil || !reflect.DeepEqual(got, flagSet(want)) {
		t.Errorf("got %+v, %v, want what the flags say", got, err)
	}
}

// A command about no claim ignores the variables of a pod in which other steps run, too.
func TestEnvironmentOfOthers(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "..")
	t.Setenv("COPYTRIGGER_RUN_ID", "")
	if _, err := parsed("await-pods-ended", "-l", "a=b"); err != nil {
		t.Error(err)
	}
	t.Setenv("COPYTRIGGER_NAMESPACE", "")
	t.Setenv("COPYTRIGGER_KUBECONFIG", "none")
	if _, err := parsed("verdict", "--step", "disarm=f"); err != nil {
		t.Error(err)
	}
}

// Claims of the environment and of the arguments add up, as those of the flag do.
func TestArgumentsAddToEnvironment(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "data")
	f, err := parsed("disarm", "--run-id", "r", "--", "other")
	if err != nil || !slices.Equal(f.(*disarmFlags).claims, []string{"data", "other"}) {
		t.Errorf("got %+v, %v", f, err)
	}
}

// An engine hands over the parameters for names and for labels, of which one is empty.
func TestNamesOrLabels(t *testing.T) {
	noEnv(t)
	for name, c := range map[string]struct {
		args     []string
		claims   []string
		selector string
	}{
		"names":                     {[]string{"--pvc=data,wal", "--selector="}, []string{"data", "wal"}, ""},
		"names as arguments":        {[]string{"--selector=", "--", "data"}, []string{"data"}, ""},
		"labels":                    {[]string{"--pvc=", "--selector=app = db"}, nil, "app=db"},
		"labels and no arguments":   {[]string{"-l", "app=db", "--"}, nil, "app=db"},
		"labels in one of two ways": {[]string{"-l", "app in (db,mail),!old"}, nil, "app in (db,mail),!old"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parsed(append([]string{"disarm", "--run-id", "r"}, c.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.(*disarmFlags); !slices.Equal(got.claims, c.claims) || got.selector != c.selector {
				t.Errorf("got %q and %q", got.claims, got.selector)
			}
		})
	}
}

// The copies that were cut name the claims of a group that was selected.
func TestCopiesNameTheClaims(t *testing.T) {
	noEnv(t)
	f, err := parsed("await-completed", "-l", "app=db", "--trigger", mine, "--copy", "wal=2,data=1")
	if err != nil {
		t.Fatal(err)
	}
	got := f.(*awaitCompletedFlags)
	if !slices.Equal(got.claims, []string{"data", "wal"}) || !slices.Equal(got.copies, []string{"1", "2"}) ||
		got.selector != "" {
		t.Errorf("got %q, %q, %q", got.claims, got.copies, got.selector)
	}
}

// A variable, and a parameter of an engine that knows no arrays, names several with commas.
func TestClaimsWithCommas(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "wal,data")
	for _, args := range [][]string{{}, {"--pvc", "data,wal"}, {"--pvc", "data", "--pvc", "wal"}} {
		f, err := parsed(append([]string{"disarm", "--run-id", "r"}, args...)...)
		if err != nil || !slices.Equal(f.(*disarmFlags).claims, []string{"data", "wal"}) {
			t.Errorf("%q: got %+v, %v", args, f, err)
		}
	}
}
