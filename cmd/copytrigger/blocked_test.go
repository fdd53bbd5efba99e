//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

// fullPipe is a pipe that nobody reads and that has no room left. The end to write to
// blocks, as one of a shell's pipeline does.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	for room := bytes.Repeat([]byte("."), 4096); ; {
		if _, err := unix.Write(fds[1], room); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fds[1]), "full")
	t.Cleanup(func() { w.Close(); unix.Close(fds[0]) })
	return w
}

// deaf gives the kubeconfig of a server that hangs up on everybody, and says when it has
// been asked first.
func deaf(t *testing.T) (config string, asked <-chan struct{}) {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	first, once := make(chan struct{}), sync.Once{}
	go func() {
		for conn, err := server.Accept(); err == nil; conn, err = server.Accept() {
			conn.Close()
			once.Do(func() { close(first) })
		}
	}()
	config = filepath.Join(t.TempDir(), "config")
	text := `{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "http://` +
		server.Addr().String() + `"}}], contexts: [{name: c, context: {cluster: c}}]}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config, first
}

// A log that nobody takes holds up neither the time limit nor a signal.
func TestBlockedStderr(t *testing.T) {
	for name, c := range map[string]struct {
		timeout string
		signal  bool
		code    int
		outcome string
	}{
		"time limit": {timeout: "2s", code: 124, outcome: "timed-out"},
		"signal":     {timeout: "1h", signal: true, code: 143, outcome: "signalled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, asked := deaf(t)
			var out bytes.Buffer
			cmd := exec.Command("copytrigger", "await-waiting", "--kubeconfig", config, "--pvc", "data",
				"--run-id", "r", "--timeout", c.timeout)
			cmd.Stdout, cmd.Stderr = &out, fullPipe(t)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
			if c.signal {
				<-asked // it cannot say that it is waiting
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			err := cmd.Wait()
			says := strings.Contains(out.String(), `"outcome":"`+c.outcome+`"`)
			if got := cmd.ProcessState.ExitCode(); got != c.code || !says {
				t.Errorf("got code %d, %v, %s", got, err, out.String())
			}
		})
	}
}

// talk says more than any pipe takes, and then does something.
func talk(then string) string {
	return `head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; ` + then
}

// Nothing that nobody reads holds up a step while the application may be quiesced: neither the log,
// nor the results, nor what the user's commands say.
func TestNobodyReads(t *testing.T) {
	trigger := "r.0123456789abcdef"
	for name, c := range map[string]struct {
		args    []string
		records bool // VolSync records the trigger
		stdout  bool // is read
		armed   bool // before, with the trigger
		code    int
		leaves  string // on the claim, as trigger
		creates string // a file, by the user's command
	}{
		"run": {
			args:    []string{"run", "--pvc", "data", "--quiesce", talk("true"), "--unquiesce", talk("touch thawed")},
			records: true, stdout: true, code: 0, leaves: "r.", creates: "thawed",
		},
		"run, without results": {
			args:    []string{"run", "--pvc", "data", "--quiesce", talk("true"), "--unquiesce", talk("touch thawed")},
			records: true, code: 1, leaves: "r.", creates: "thawed",
		},
		"run --hold": {
			args: []string{
				"run", "--pvc", "data", "--hold", `echo QUIESCED; head -c 300000 /dev/zero >&2; cat; touch thawed`,
			},
			records: true, stdout: true, code: 0, leaves: "r.", creates: "thawed",
		},
		"await-waiting": {args: []string{"await-waiting", "--pvc", "data"}, code: 1},
		"await-completed": {
			args: []string{"await-completed", "--pvc", "data", "--trigger", trigger}, records: true, armed: true,
			code: 1, leaves: trigger,
		},
		"cleanup": {
			args: []string{"cleanup", "--pvc", "data", "--unquiesce", talk("touch thawed")}, armed: true,
			code: 1, creates: "thawed",
		},
		"disarm": {args: []string{"disarm", "--pvc", "data"}, armed: true, code: 1},
		"record": {
			args: []string{"record", "code", "--", "sh", "-c", talk("touch thawed")}, creates: "thawed",
		},
		"record --exit": {
			args: []string{"record", "--exit", "--", "sh", "-c", talk("touch thawed; exit 7")}, code: 7, creates: "thawed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.records)
			if c.armed {
				s.mu.Lock()
				lock := "r"
				s.annotate(map[string]*string{handshake.TriggerAnnotation: &trigger, handshake.LockAnnotation: &lock})
				s.mu.Unlock()
			}
			dir := t.TempDir()
			cmd := exec.Command("copytrigger", c.args...)
			cmd.Dir, cmd.Stderr, cmd.Stdout = dir, fullPipe(t), fullPipe(t)
			if c.stdout {
				cmd.Stdout = &bytes.Buffer{}
			}
			cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, "COPYTRIGGER_PVC_ONLY=true")
			if c.args[0] != "await-completed" {
				cmd.Env = append(cmd.Env, "COPYTRIGGER_RUN_ID=r")
			}
			runInTime(t, cmd, c.code)
			if got := s.get(handshake.TriggerAnnotation); !strings.HasPrefix(got, c.leaves) || c.leaves == "" && got != "" {
				t.Errorf("the trigger is %q, want %q", got, c.leaves)
			}
			if _, err := os.Stat(filepath.Join(dir, c.creates)); c.creates != "" && err != nil {
				t.Error(err)
			}
			if got := s.get(handshake.LockAnnotation); got != "" && c.args[0] != "await-completed" && c.args[0] != "disarm" {
				t.Errorf("the claim is locked by %q", got)
			}
		})
	}
}

// The results of fire-trigger cannot be left to the next step: it gives the trigger back.
func TestFireTriggerNobodyReads(t *testing.T) {
	t.Parallel()
	s := newServer(t, false)
	var out bytes.Buffer
	cmd := exec.Command("copytrigger", "await-waiting", "--kubeconfig", s.kubeconfig, "--pvc", "data", "--pvc-only",
		"--run-id", "r", "--results-dir", t.TempDir())
	cmd.Stdout = &out
	runInTime(t, cmd, 0)
	var waiting struct{ Trigger string }
	if err := json.Unmarshal(out.Bytes(), &waiting); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("copytrigger", "fire-trigger", "--kubeconfig", s.kubeconfig, "--pvc", "data", "--pvc-only",
		"--trigger", waiting.Trigger)
	cmd.Stdout, cmd.Stderr = fullPipe(t), fullPipe(t)
	runInTime(t, cmd, 4)
	if got := s.get(handshake.TriggerAnnotation); got != "" {
		t.Errorf("the trigger %q is left", got)
	}
}

// runInTime runs a command that is to end with a code, and by itself.
func runInTime(t *testing.T, cmd *exec.Cmd, code int) {
	t.Helper()
	hangs := false
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*time.Minute, func() { hangs = true; _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); !timer.Stop() && hangs || got != code {
		t.Errorf("%q: got code %d, %v, want %d; hangs: %v", cmd.Args[1:], got, err, code, hangs)
	}
}
