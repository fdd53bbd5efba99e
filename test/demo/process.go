package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runner starts processes as one user, in groups of their own (Ctrl-C is for the demo,
// which stops them in order), and so that they do not outlive the demo.
type runner struct {
	dir        string // working directory, which the user can read
	env        []string
	credential *syscall.Credential // nil for our own user
	work       chan func()
}

// newRunner keeps one thread for starting processes: the kernel tells a child of the
// end of the thread that started it, and Go ends threads as it likes.
func newRunner(dir string, credential *syscall.Credential, env ...string) *runner {
	r := &runner{dir: dir, credential: credential, work: make(chan func())}
	r.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C"}, env...)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for f := range r.work {
			f()
		}
	}()
	return r
}

// command is a process that is to be started by start. If ctx ends it gets SIGTERM.
func (r *runner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: r.credential, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 25 * time.Second
	return cmd
}

func (r *runner) start(cmd *exec.Cmd) error {
	result := make(chan error)
	r.work <- func() { result <- cmd.Start() }
	return <-result
}

// with is r with more environment. Only one of them is to be closed.
func (r *runner) with(env ...string) *runner {
	other := *r
	other.env = append(slices.Clone(r.env), env...)
	return &other
}

// run starts a command, waits for it and returns what it printed. The error of one that
// fails has its last lines.
func (r *runner) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := r.command(ctx, name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := r.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	text := strings.TrimSpace(said.String())
	if err != nil {
		return text, fmt.Errorf("running %s: %w: %s", filepath.Base(name), err, lastLines(text, 3))
	}
	return text, nil
}

// close lets go of the thread.
func (r *runner) close() { close(r.work) }

// lastLines puts the end of a text into one line.
func lastLines(text string, most int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-most):], "; ")
}
