package podexec

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/copytrigger/copytrigger/internal/pods"
)

// What is known of a command that has not said how it ended. Nothing is taken for a good end but that of
// a container without a shell.
func TestWithoutToken(t *testing.T) {
	exited := func(code int) error { return exec.CodeExitError{Err: errors.New("exit"), Code: code} }
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "db-0")
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("time is up"))
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		bare bool
		code int
		is   string // well, failed, not run, no shell, broken
	}{
		"ended, bare":               {bare: true, is: "well"},
		"ended, and said nothing":   {code: 126, is: "broken"},
		"over":                      {ctx: over, bare: true, code: 126, is: "broken"},
		"failed, bare":              {err: exited(3), bare: true, code: 3, is: "failed"},
		"not there, bare":           {err: exited(127), bare: true, code: 127, is: "failed"},
		"the shell was killed":      {err: exited(137), code: 137, is: "failed"},
		"no shell":                  {err: exited(127), code: 127, is: "no shell"},
		"a shell that does not run": {err: exited(126), code: 126, is: "no shell"},
		"no pod":                    {err: gone, code: 126, is: "not run"},
		"refused": {
			err:  &httpstream.UpgradeFailureError{Cause: errors.New("no")},
			code: 126, is: "not run",
		},
		"the node is not reached": {err: errors.New("error dialing backend: x"), code: 126, is: "not run"},
		"no shell, in words":      {err: errors.New("/bin/sh: no such file or directory"), code: 127, is: "no shell"},
		"no program, bare": {
			err:  errors.New("/bin/sh: no such file or directory"),
			bare: true, code: 127, is: "not run",
		},
		"the container does not run": {err: errors.New("container not found"), code: 127, is: "not run"},
		"cut off":                    {err: errors.New("connection reset"), code: 126, is: "broken"},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		code, err := Exec{}.withoutToken(ctx, pods.Target{}, Command{Bare: c.bare}, c.err)
		var (
			notRun *NotRun
			broken *Broken
		)
		is := "failed"
		switch {
		case err == nil:
			is = "well"
		case errors.As(err, &notRun):
			if is = "not run"; notRun.NoShell {
				is = "no shell"
			}
		case errors.As(err, &broken):
			is = "broken"
		}
		if code != c.code || is != c.is {
			t.Errorf("%s: got %d, %s: %s, want %d, %s", name, code, is, fmt.Sprint(err), c.code, c.is)
		}
	}
}
