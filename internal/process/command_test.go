package process

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunCodes(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "garbage": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("\x00\x01"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		args    []string
		code    int
		started bool
	}{
		"well":              {[]string{"true"}, 0, true},
		"failed":            {[]string{"sh", "-c", "exit 3"}, 3, true},
		"the highest":       {[]string{"sh", "-c", "exit 255"}, 255, true},
		"killed":            {[]string{"sh", "-c", "kill -KILL $$"}, 137, true},
		"terminated":        {[]string{"sh", "-c", "kill -TERM $$"}, 143, true},
		"not there":         {[]string{"no-such-program"}, 127, false},
		"no such path":      {[]string{filepath.Join(dir, "none")}, 127, false},
		"not executable":    {[]string{filepath.Join(dir, "plain")}, 126, false},
		"not a program":     {[]string{filepath.Join(dir, "garbage")}, 126, false},
		"a directory":       {[]string{dir}, 126, false},
		"an odd argument":   {[]string{"true", "a\x00b"}, 126, false},
		"arguments of many": {[]string{"sh", "-c", `[ "$#" = 3 ] && [ "$2" = "a b" ]`, "x", "--", "a b", ""}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			code, err := Command{Args: c.args, Env: os.Environ()}.Run(nil)
			if code != c.code || (err == nil) != c.started {
				t.Errorf("got %d, %v, want %d", code, err, c.code)
			}
		})
	}
}

// interrupted runs a script, and sends it signals when it has written a line. $0 is a file
// with that line: what follows it with tail runs for certain when the line is read, and
// for ever. A shell that has only begun to start a program may lose a signal that it
// handles itself, as dash does with SIGINT: its vfork shares the handler's memory.
func interrupted(t *testing.T, script string, signals ...os.Signal) int {
	t.Helper()
	r, w := pipe(t)
	got := make(chan os.Signal, len(signals))
	go func() {
		_, _ = bufio.NewReader(r).ReadString('\n')
		for _, s := range signals {
			got <- s
		}
	}()
	code, err := Command{Args: []string{"sh", "-c", script, oneLine(t)}, Env: os.Environ(), Stdout: w}.Run(got)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// A signal reaches the whole group: sh, which waits for sleep, would not hand it on.
func TestRunPassesSignalsOn(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		signals []os.Signal
		code    int
	}{
		"by default":        {`tail -f "$0"; true`, []os.Signal{syscall.SIGTERM}, 143},
		"interrupt":         {`tail -f "$0"`, []os.Signal{syscall.SIGINT}, 130},
		"hangup":            {`tail -f "$0"; true`, []os.Signal{syscall.SIGHUP}, 129},
		"with its own code": {`trap 'exit 7' TERM; tail -f "$0" & wait`, []os.Signal{syscall.SIGTERM}, 7},
		"ignored at first":  {`trap '' TERM; tail -f "$0"`, []os.Signal{syscall.SIGTERM, syscall.SIGINT}, 130},
		"handled, goes on": {
			`trap 'ended=1' TERM; tail -f "$0" & wait; [ $ended = 1 ] && exit 5`,
			[]os.Signal{syscall.SIGTERM}, 5,
		},
		"of its image":       {`tail -f "$0"; true`, []os.Signal{syscall.SIGQUIT}, 143}, // STOPSIGNAL
		"through two shells": {`sh -c 'tail -f "$0"; true' "$0"; exit 9`, []os.Signal{syscall.SIGKILL}, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if slices.ContainsFunc(c.signals, signal.Ignored) {
				t.Skip("ignored by whoever started the tests")
			}
			start := time.Now()
			if code := interrupted(t, c.script, c.signals...); code != c.code {
				t.Errorf("got %d, want %d", code, c.code)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}

// What is over before it begins is not run, and a command that ended is told by its code as a shell has it.
func TestRunUntil(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("time is up"))
	mark := filepath.Join(t.TempDir(), "mark")
	for name, c := range map[string]struct {
		ctx    context.Context
		script string
		code   int
		says   string
	}{
		"well":            {t.Context(), "true", 0, ""},
		"failed":          {t.Context(), "exit 3", 3, "sh ended with exit code 3"},
		"not by a signal": {t.Context(), "exit 128", 128, "sh ended with exit code 128"},
		"by a signal":     {t.Context(), "kill -TERM $$", 143, "sh ended with exit code 143 (terminated)"},
		"over":            {over, "echo >" + mark, NotExecutable, "sh was not run: time is up"},
	} {
		code, err := Command{Args: []string{"sh", "-c", c.script}, Env: os.Environ()}.RunUntil(c.ctx)
		if says := fmt.Sprint(err); code != c.code || says != cmp.Or(c.says, "<nil>") {
			t.Errorf("%s: got %d, %s", name, code, says)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was run when all was over")
	}
}

// What the command leaves running is neither waited for nor ended, even if it holds stdout.
func TestRunLeavesTheRestAlone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	code, err := Command{Args: []string{"sh", "-c", "sleep 600 & echo $!; exit 4"}, Env: os.Environ(), Stdout: w}.Run(nil)
	w.Close()
	if code != 4 || err != nil {
		t.Errorf("got %d, %v, want 4", code, err)
	}
	line, _ := bufio.NewReader(r).ReadString('\n')
	if out, err := exec.Command("kill", "-0", strings.TrimSpace(line)).CombinedOutput(); err != nil {
		t.Errorf("%q does not run any more: %v: %s", line, err, out)
	}
	_ = exec.Command("kill", strings.TrimSpace(line)).Run()
}

// Streams and environment are the command's own.
func TestRunStreams(t *testing.T) {
	var out, errs bytes.Buffer
	code, err := Command{
		Args:   []string{"sh", "-c", `cat; echo "$WORD" >&2`},
		Env:    []string{"WORD=said", "PATH=" + os.Getenv("PATH")},
		Stdin:  strings.NewReader("given"),
		Stdout: &out,
		Stderr: &errs,
	}.Run(
		nil,
	)
	if code != 0 || err != nil || out.String() != "given" || errs.String() != "said\n" {
		t.Errorf("got %d, %v, %q, %q", code, err, out.String(), errs.String())
	}
}

func TestCanRun(t *testing.T) {
	for program, want := range map[string]int{"sh": 0, "no-such-program": 127, t.TempDir(): 126, "/no/such": 127} {
		if got, err := CanRun(program); got != want || (err == nil) != (want == 0) {
			t.Errorf("%s: got %d, %v, want %d", program, got, err, want)
		}
	}
}

// A command may call this program by its name, where that is not in PATH. Any other name is what
// PATH says.
func TestItself(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := LookPath("another"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("another: got %v", err)
	}
	for program, code := range map[string]int{own: 0, "another": notFound} {
		if got, err := CanRun(program); got != code || (err == nil) != (code == 0) {
			t.Errorf("%s: got %d, %v, want %d", program, got, err, code)
		}
		c := Command{Args: []string{program, "-test.run=^$"}, Env: os.Environ()}
		if got, err := c.Run(nil); got != code || (err == nil) != (code == 0) {
			t.Errorf("%s: got %d, %v, want %d", program, got, err, code)
		}
	}
}

// A command whose time is over is ended, all of it, and its code says by which signal.
func TestRunUntilEnds(t *testing.T) {
	r, w := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = bufio.NewReader(r).ReadString('\n')
		cancel()
	}()
	code, err := Command{
		Args: []string{"sh", "-c", `tail -f "$0"`, oneLine(t)}, Env: os.Environ(), Stdout: w,
	}.RunUntil(ctx)
	if code != 143 || fmt.Sprint(err) != "sh ended with exit code 143 (terminated)" {
		t.Errorf("got %d, %v", code, err)
	}
}

// pipe is a pipe that is closed when the test ends.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// oneLine is a file with one line.
func oneLine(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "line")
	if err := os.WriteFile(name, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Why a program was not run is said once, and with its name once.
func TestNotStartedSaysWhy(t *testing.T) {
	const program, why = "no-such-program", "executable file not found in $PATH"
	c := Command{Args: []string{program}, Env: os.Environ()}
	if code, err := c.RunUntil(t.Context()); code != 127 || fmt.Sprint(err) != program+" was not run: "+why {
		t.Errorf("got %d, %v", code, err)
	}
	if code, err := c.Run(nil); code != 127 || fmt.Sprint(err) != why {
		t.Errorf("got %d, %v", code, err)
	}
	if code, err := CanRun(program); code != 127 || fmt.Sprint(err) != why {
		t.Errorf("got %d, %v", code, err)
	}
}

// A command whose output nobody wants may say something all the same.
func TestRunWithoutStreams(t *testing.T) {
	code, err := Command{Args: []string{"sh", "-c", "echo out; echo err >&2; cat"}, Env: os.Environ()}.Run(nil)
	if code != 0 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
}
