// Package process runs commands: each in a process group of its own, that gets the signals, and
// that is ended as a whole.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// The codes of a shell for what it cannot run.
const (
	NotExecutable = 126
	notFound      = 127
	bySignal      = 128 // plus its number
)

// Command is a command of the user's.
type Command struct {
	Args   []string // the program first
	Env    []string
	Stdin  io.Reader
	Stdout io.Writer // a file is the command's own: nothing stands in between
	Stderr io.Writer // another writer gets whole lines, and must not make anybody wait
	Bound  bool      // it gets SIGTERM when this process dies, however it dies
}

// Run runs the command to its end, and returns its exit code as a shell has it. An error
// says why it could not be started; the code is then 126 or 127.
//
// The command has a process group of its own, which gets the signals that come meanwhile:
// a shell that waits for a program would not pass them on. What the command leaves running
// is not waited for: it may be meant to stay, such as a limit of the freeze.
func (c Command) Run(signals <-chan os.Signal) (code int, err error) {
	p, err := c.Start()
	if err != nil {
		return notStarted(err), why(err)
	}
	for {
		select {
		case s := <-signals:
			if number, ok := s.(syscall.Signal); ok {
				p.signal(passedOn(number))
			}
		case <-p.over:
			return p.code, nil
		}
	}
}

// passedOn returns the signal that a command gets for one that came. The command's image may name
// another STOPSIGNAL than it knows itself, and no shell's trap is for that.
func passedOn(s syscall.Signal) syscall.Signal {
	switch s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL:
		return s
	}
	return syscall.SIGTERM
}

// RunUntil is [Command.Run] until ctx ends: the command's process group gets SIGTERM then, and
// SIGKILL killGrace later. The error says how it did not end well.
func (c Command) RunUntil(ctx context.Context) (code int, err error) {
	if ctx.Err() != nil {
		return NotExecutable, c.NotRun(context.Cause(ctx))
	}
	p, err := c.Start()
	if err != nil {
		return notStarted(err), c.NotRun(why(err))
	}
	select {
	case <-p.over:
	case <-ctx.Done():
		if !p.End() {
			return NotExecutable, fmt.Errorf("%s could not be ended", Name(c.Args))
		}
	}
	return p.code, c.Failure(p.code)
}

// NotRun is the error of a command that was not run.
func (c Command) NotRun(err error) error { return fmt.Errorf("%s was not run: %w", Name(c.Args), err) }

// Failure returns how the command ended with a code; nil for well.
func (c Command) Failure(code int) error {
	switch {
	case code > bySignal:
		return fmt.Errorf("%s ended with exit code %d (%s)", Name(c.Args), code, syscall.Signal(code-bySignal))
	case code != 0:
		return fmt.Errorf("%s ended with exit code %d", Name(c.Args), code)
	}
	return nil
}

// CanRun returns the code and the error of a program that is not there, without running it.
func CanRun(program string) (code int, err error) {
	if _, err := LookPath(program); err != nil {
		return notStarted(err), why(err)
	}
	return 0, nil
}

// askLimit is how long the shell may take to say whether it knows a program.
const askLimit = 3 * time.Second

// unknown is the exit code of asks for a program that the shell does not know.
const unknown = 99

// CanRunLine asks the shell that a line is for whether it could run the program of [FirstProgram],
// without running it. It returns nil, too, where the shell does not say so.
func CanRunLine(args, env []string) error {
	program := FirstProgram(args)
	if program == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	ask := Command{Args: []string{Shell, "-c", asks, "sh", program}, Env: env}
	if code, _ := ask.RunUntil(ctx); code != unknown {
		return nil
	}
	_, err := CanRun(program)
	if err == nil {
		err = errors.New("the shell does not find it")
	}
	return fmt.Errorf("%s: %w", program, err)
}

// own is the name by which a command calls this program. In a pod of an engine it is on a volume,
// and in an image of its own at the root: not in PATH.
const own = "copytrigger"

// LookPath is [exec.LookPath], and finds this program itself by its name, too.
func LookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if program != own || !errors.Is(err, exec.ErrNotFound) {
		return path, err
	}
	self, serr := os.Executable()
	if serr != nil {
		return "", err
	}
	return self, nil
}

func notStarted(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return notFound
	}
	return NotExecutable
}

func codeOf(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return bySignal + int(status.Signal())
	}
	return p.ExitCode()
}
