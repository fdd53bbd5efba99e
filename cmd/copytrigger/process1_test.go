//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProcess1 makes a command process 1 of its own, without a terminal, as a container runtime does.
func asProcess1(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	}
	switch err := cmd.Start(); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC):
		t.Skip("no process 1 can be made here: ", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
}

// What an image names as STOPSIGNAL ends a step as SIGTERM does.
func TestStopSignals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal syscall.Signal
		code   int
	}{
		"SIGTERM":    {syscall.SIGTERM, 143},
		"SIGQUIT":    {syscall.SIGQUIT, 131},
		"SIGUSR1":    {syscall.SIGUSR1, 138},
		"SIGWINCH":   {syscall.SIGWINCH, 156},
		"SIGRTMIN+3": {37, 165},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, asked := deaf(t)
			var out bytes.Buffer
			cmd := exec.Command("copytrigger", "await-waiting", "--kubeconfig", config, "--pvc", "data",
				"--run-id", "r", "--timeout", "1h")
			cmd.Stdout = &out
			asProcess1(t, cmd)
			defer time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
			<-asked
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(out.String(), `"outcome":"signalled"`) {
				t.Errorf("got code %d, %s", got, out.String())
			}
		})
	}
}

// A command that record runs gets SIGTERM: no shell has a trap for what its image names.
func TestStopSignalOfRecord(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "code")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("copytrigger", "record", file, "--", "sh", "-c",
		`trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done`)
	cmd.Stdout = w
	asProcess1(t, cmd)
	w.Close()
	defer time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	err = cmd.Wait()
	code, rerr := os.ReadFile(file)
	if string(code) != "7" || err != nil || rerr != nil {
		t.Errorf("got %q, %v, %v", code, err, rerr)
	}
}
