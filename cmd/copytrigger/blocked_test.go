package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// A log that nobody takes holds up neither the time limit nor a signal.
func TestBlockedStderr(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: c, context: {cluster: c}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		timeout string
		signal  bool
		code    int
		outcome string
	}{
		"time limit": {"300ms", false, 124, "timed-out"},
		"signal":     {"1h", true, 143, "signalled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			cmd := exec.Command("copytrigger", "await-waiting", "--kubeconfig", config, "--pvc", "data", "--run-id", "r", "--timeout", c.timeout)
			cmd.Stdout, cmd.Stderr = &out, fullPipe(t)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
			if c.signal {
				time.Sleep(2 * time.Second) // it cannot say that it is waiting
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			err := cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(out.String(), `"outcome":"`+c.outcome+`"`) {
				t.Errorf("got code %d, %v, %s", got, err, out.String())
			}
		})
	}
}
