package podexec

import (
	"errors"
	"fmt"
	"testing"

	"github.com/copytrigger/copytrigger/internal/pods"
)

// What is said of a command that was not run, or that nobody knows the end of, names the pod, and what
// to do next fits what is wrong.
func TestErrors(t *testing.T) {
	in := pods.Target{Namespace: "app", Name: "db-0", Container: "db"}
	why := errors.New("no")
	type hinted interface {
		error
		Hint() string
	}
	for name, c := range map[string]struct {
		err  hinted
		says string
		hint string
	}{
		"not run": {
			err:  &NotRun{Where: in, Err: why},
			says: "the command was not run in pod app/db-0 (container db): no",
			hint: "is the program in the image of that container, and executable? --container chooses another",
		},
		"no shell": {
			err:  &NotRun{Where: in, Err: why, NoShell: true},
			says: "the command was not run in pod app/db-0 (container db), which has no /bin/sh: no",
			hint: `give the command as JSON array of strings, '["program", "argument"]', ` +
				"or another container with --container",
		},
		"forbidden": {
			err:  &NotRun{Where: in, Err: why, forbidden: true},
			says: "the command was not run in pod app/db-0 (container db): no",
			hint: "the account that runs this needs the Role copytrigger-exec (rbac/exec) in namespace app: " +
				`the verbs "create" and "get" on resource "pods/exec", and "get" and "list" on "pods"`,
		},
		"the node is not reached": {
			err:  &NotRun{Where: in, Err: errors.New("error dialing backend: no")},
			says: "the command was not run in pod app/db-0 (container db): error dialing backend: no",
			hint: "the API server does not reach the pod's node: is it Ready?",
		},
		"the connection has broken": {
			err: &Broken{Where: in, Err: why},
			says: "the connection to the command in pod app/db-0 (container db) ended before the command did, " +
				"which may go on there: no",
			hint: "see whether the command still runs in pod app/db-0 (container db); give it a limit of its own",
		},
	} {
		if got := c.err.Error(); got != c.says {
			t.Errorf("%s: got %q, want %q", name, got, c.says)
		}
		if got := c.err.Hint(); got != c.hint {
			t.Errorf("%s: got the hint %q, want %q", name, got, c.hint)
		}
	}
}

// A code beyond 128 is that of a signal, which is named.
func TestFailure(t *testing.T) {
	in := pods.Target{Namespace: "app", Name: "db-0", Container: "db"}
	const ended = "the command in pod app/db-0 (container db) ended with exit code "
	for code, want := range map[int]string{
		0: "<nil>", 1: ended + "1", 127: ended + "127", 128: ended + "128", 129: ended + "129 (hangup)",
	} {
		if got := fmt.Sprint(failure(in, code)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The kubelet, the container runtimes and the API server have words alone for what was not started.
func TestNotStarted(t *testing.T) {
	for said, code := range map[string]int{
		`exec: "x": executable file not found in $PATH`:                                notFound,
		"exec /x: no such file or directory":                                           notFound,
		"crun: executable file `/x` not found: No such file or directory":              notFound,
		`exec: "/x": permission denied`:                                                notFound,
		`container not found ("db")`:                                                   notFound,
		"container 0123 is not running":                                                notFound,
		"container db is not found in pod db-0_app":                                    notFound,
		"container is in CONTAINER_EXITED state":                                       notFound,
		"error dialing backend: proxy error":                                           notExecutable,
		"Get https://node:10250: dial tcp 10.0.0.1:10250: connect: connection refused": notExecutable,
	} {
		got, err := Exec{}.withoutToken(t.Context(), pods.Target{}, Command{}, errors.New(said))
		var notRun *NotRun
		if !errors.As(err, &notRun) || got != code || notRun.NoShell {
			t.Errorf("%s: got %d, %v", said, got, err)
		}
	}
}
