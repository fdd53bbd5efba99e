//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"copytrigger": main, "signalled-at-the-end": signalledAtTheEnd})
}

// signalledAtTheEnd is main, with every signal that a step ends by in the last moment.
func signalledAtTheEnd() {
	code := cli.Main(os.Args, build(), os.Stdout, os.Stderr)
	runtime.LockOSThread() // a signal to its own thread has come when the call returns
	for name, s := range signals {
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), s); err != nil {
			fmt.Fprintf(os.Stderr, "SIG%s was not sent: %v\n", name, err)
			os.Exit(70)
		}
	}
	os.Exit(code)
}

// The stories of a user that need no cluster.
func TestScripts(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) { // by nohup; what is started from here would inherit it
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		t.Cleanup(func() { signal.Stop(hangups) })
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or every success takes a second
			env.Values["vars"] = env.Vars
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "stopped": stopped, "json": onlyJSON,
		},
	})
}

// exits CODE PROGRAM ARGS... runs a program that must exit with exactly this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	wants(ts, args[0], ts.Exec(args[1], args[2:]...))
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP,
	"QUIT": syscall.SIGQUIT}

// stopped SIGNALS CODE PATTERN PROGRAM ARGS... sends signals when a line of stderr matches.
// They are separated by commas. Among them, a duration is a pause, /PATTERN/ waits for another
// line, and a signal with a + is sent again and again until the program has ended: however slow
// the machine is, one of them comes late enough.
func stopped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: stopped SIGNAL CODE PATTERN PROGRAM ARGS...")
	}
	todo := append([]string{"/" + args[2] + "/"}, strings.Split(args[0], ",")...)
	cmd := exec.Command(lookup(ts, args[3]), args[4:]...)
	cmd.Env, cmd.Dir, cmd.Stdout = ts.Value("vars").([]string), ts.MkAbs("."), ts.Stdout()
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		_, err := io.WriteString(ts.Stderr(), lines.Text()+"\n")
		ts.Check(err)
		if pattern, found := waitsFor(todo); found && regexp.MustCompile(pattern).MatchString(lines.Text()) {
			for todo = todo[1:]; len(todo) > 0; todo = todo[1:] {
				if _, found := waitsFor(todo); found {
					break
				}
				ts.Check(send(cmd.Process, todo[0], ended))
			}
		}
	}
	err = cmd.Wait()
	close(ended)
	if pattern, found := waitsFor(todo); found {
		ts.Fatalf("it ended before it said %q", pattern)
	}
	wants(ts, args[1], err)
}

// waitsFor is the pattern of the line that is waited for before anything else.
func waitsFor(todo []string) (pattern string, found bool) {
	if len(todo) == 0 || !strings.HasPrefix(todo[0], "/") {
		return "", false
	}
	return strings.Trim(todo[0], "/"), true
}

func send(p *os.Process, sign string, ended <-chan struct{}) error {
	sign, again := strings.CutSuffix(sign, "+")
	number, known := signals[sign]
	if !known {
		pause, err := time.ParseDuration(sign)
		time.Sleep(pause)
		return err
	}
	if err := p.Signal(number); err != nil {
		return fmt.Errorf("%s: %w", sign, err)
	}
	if again {
		go func() {
			for tick := time.Tick(100 * time.Millisecond); ; {
				select {
				case <-ended:
					return
				case <-tick:
					_ = p.Signal(number) // it may have ended just now
				}
			}
		}()
	}
	return nil
}

func lookup(ts *testscript.TestScript, program string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	ts.Fatalf("%s is not in the PATH", program)
	return ""
}

// wants compares an exit code, or the name of the signal that killed.
func wants(ts *testscript.TestScript, code string, err error) {
	got := "0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			got = unix.SignalName(status.Signal())
		}
	} else {
		ts.Check(err)
	}
	if got != code {
		ts.Fatalf("exit code %s, want %s", got, code)
	}
}

// json says that stdout has one JSON object on one line, and nothing else.
func onlyJSON(ts *testscript.TestScript, neg bool, args []string) {
	out := ts.ReadFile("stdout")
	object := strings.Count(out, "\n") == 1 && strings.HasPrefix(out, "{") && strings.HasSuffix(out, "}\n")
	if neg || len(args) > 0 || !object {
		ts.Fatalf("stdout is not one JSON object:\n%s", out)
	}
}
