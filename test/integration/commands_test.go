package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// commands are what a story can do beyond testscript's own. README.md beside the stories
// explains them.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":          exits,
	"start":          start,
	"says":           says,
	"signal":         signal,
	"ends":           ends,
	"result":         takeResult,
	"volsync-source": volsyncSource,
	"sync":           words(1, func(t *teller, a []string) { t.site.SyncAgain(a[0]) }),
	"may":            words(1, may),
	"syncs-by":       words(2, func(t *teller, a []string) { t.site.SyncsBy(a[0], a[1]) }),
	"mover-done":     words(0, func(t *teller, _ []string) { t.site.FinishSync() }),
	"volsync":        words(1, volsync),
	"storage":        words(1, storage),
	"api":            words(1, api),
	"app":            words(1, app),
	"annotate":       words(2, func(t *teller, a []string) { t.site.Annotate(annotationKey(a[0]), a[1]) }),
	"claim":          claim,
	"locked":         words(1, func(t *teller, a []string) { t.site.LeftLocked(a[0]) }),
	"copies": words(
		1,
		func(t *teller, a []string) { n, err := strconv.Atoi(a[0]); t.site.Must(err); t.site.Copied(n) },
	),
	"copy-is-frozen": words(0, copyIsFrozen),
}

// words is a command with a fixed number of arguments.
func words(n int, f func(*teller, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != n {
			ts.Fatalf("want %d arguments, and no !", n)
		}
		f(of(ts), args)
	}
}

// exits CODE PROGRAM ARGS...: runs a program, which must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], of(ts).site.Report())
	}
}

// running is a program in the background.
type running struct{ *harness.Process }

// start NAME copytrigger ARGS...: runs copytrigger in the background.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || args[1] != "copytrigger" {
		ts.Fatalf("usage: start NAME copytrigger ARGS...")
	}
	told := of(ts)
	told.ran[args[0]] = &running{
		told.site.StartRaw(append(args[2:], "--results-dir", ts.Getenv("COPYTRIGGER_RESULTS_DIR"))...),
	}
}

func (t *teller) running(name string) *running {
	r, is := t.ran[name]
	if !is {
		t.site.Fatalf("nothing was started as %q", name)
	}
	return r
}

// says NAME TEXT: waits until it has said something.
func says(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: says NAME TEXT")
	}
	of(ts).running(args[0]).Says(args[1])
}

// signal NAME TERM: sends it a signal.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	known := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || known[args[1]] == 0 {
		ts.Fatalf("usage: signal NAME TERM|INT|KILL")
	}
	of(ts).running(args[0]).Signal(known[args[1]])
}

// ends NAME CODE: waits for its end; stdout and stderr then mean its own.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ends NAME CODE")
	}
	r := of(ts).running(args[0]).End()
	_, err := ts.Stdout().Write([]byte(r.Stdout))
	ts.Check(err)
	_, err = ts.Stderr().Write([]byte(r.Stderr))
	ts.Check(err)
	if strconv.Itoa(r.Code) != args[1] {
		ts.Fatalf("exit code %d, want %s\n%s", r.Code, args[1], of(ts).site.Report())
	}
}

// result NAME VARIABLE: what a pipeline does with a result.
func takeResult(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: result NAME VARIABLE")
	}
	text, err := os.ReadFile(filepath.Join(ts.Getenv("COPYTRIGGER_RESULTS_DIR"), args[0]))
	ts.Check(err)
	ts.Setenv(args[1], string(text))
}

// may start-sync: grants the right.
func may(t *teller, a []string) {
	if a[0] != "start-sync" {
		t.site.Fatalf("usage: may start-sync")
	}
	t.site.MayStartSync()
}

// annotationKey is a short name's annotation.
func annotationKey(short string) string { return "volsync.backube/" + short }

// claim [trigger=VALUE] [latest=VALUE] [status=VALUE]: what the claim's annotations are
// in the end.
func claim(ts *testscript.TestScript, neg bool, args []string) {
	want := map[string]string{}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		want[key] = value
	}
	of(ts).site.Leaves(want["trigger"], want["latest"], want["status"])
}
