package main

import (
	"bytes"
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
