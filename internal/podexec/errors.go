package podexec

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/copytrigger/copytrigger/internal/pods"
)

// The codes of a shell for what it cannot run.
const (
	notExecutable = 126
	notFound      = 127
	bySignal      = 128 // plus its number
)

// NotRun says that a command was certainly not run.
type NotRun struct {
	Where   pods.Target
	Err     error
	NoShell bool // because the container has no shell

	forbidden bool
}

func (e *NotRun) Error() string {
	if e.NoShell {
		return fmt.Sprintf("the command was not run in %s, which has no %s: %v", e.Where, shell, e.Err)
	}
	return fmt.Sprintf("the command was not run in %s: %v", e.Where, e.Err)
}

func (e *NotRun) Unwrap() error { return e.Err }

// Hint returns the next move.
func (e *NotRun) Hint() string {
	switch {
	case e.forbidden:
		return fmt.Sprintf("the account that runs this needs the Role copytrigger-exec (rbac/exec) in namespace %s: "+
			`the verbs "create" and "get" on resource "pods/exec", and "get" and "list" on "pods"`, e.Where.Namespace)
	case e.NoShell:
		return `give the command as JSON array of strings, '["program", "argument"]', or another container with --container`
	}
	if says(e.Err, unreachable) {
		return "the API server does not reach the pod's node: is it Ready?"
	}
	return "is the program in the image of that container, and executable? --container chooses another"
}

// Broken says that nobody knows whether a command has ended, and how: the connection to it has.
// Its stdin has ended with it.
type Broken struct {
	Where pods.Target
	Err   error
}

func (e *Broken) Error() string {
	return fmt.Sprintf("the connection to the command in %s ended before the command did, which may go on there: %v",
		e.Where, e.Err)
}

func (e *Broken) Unwrap() error { return e.Err }

// Hint returns the next move: nobody can end the command from here.
func (e *Broken) Hint() string {
	return "see whether the command still runs in " + e.Where.String() + "; give it a limit of its own"
}

// failure returns how a command ended with a code; nil for well.
func failure(t pods.Target, code int) error {
	switch {
	case code > bySignal:
		return fmt.Errorf("the command in %s ended with exit code %d (%s)", t, code, syscall.Signal(code-bySignal))
	case code != 0:
		return fmt.Errorf("the command in %s ended with exit code %d", t, code)
	}
	return nil
}

// What the kubelet, the container runtime and the API server say where nothing was started. They
// have no codes for it.
var (
	notThere = []string{
		"executable file not found", "no such file or directory", "No such file or directory", "permission denied",
		"container not found", "is not running", "not found in pod", "CONTAINER_EXITED",
	}
	unreachable = []string{"dial tcp", "error dialing backend"}
)

func says(err error, any []string) bool {
	return slices.ContainsFunc(any, func(said string) bool { return strings.Contains(err.Error(), said) })
}
