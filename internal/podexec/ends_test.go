package podexec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
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

// Where a wait was ended by whoever waits, the reason is theirs: not that a context was cancelled. A
// refusal names the request that was refused.
func TestWithoutTokenSaysWhy(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	why := errors.New("time is up")
	cancel(why)
	in := pods.Target{Namespace: "app", Name: "db-0", Container: "db"}
	if _, err := (Exec{}).withoutToken(over, in, Command{}, context.Canceled); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	refused := &httpstream.UpgradeFailureError{Cause: errors.New("no")}
	_, err := Exec{}.withoutToken(t.Context(), in, Command{}, refused)
	want := "the command was not run in pod app/db-0 (container db): create pods/exec app/db-0: no"
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is refused over SPDY is as the server has refused it over WebSocket, if it has: only then it has a
// type. A server that does not know WebSocket has refused nothing by that.
func TestUpgradeFailure(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "db-0", errors.New("not yours"))
	spdy := errors.New("unable to upgrade connection: pod does not exist")
	refused := func(why error) error { return &httpstream.UpgradeFailureError{Cause: why} }
	for name, c := range map[string]struct {
		first, err error
		says       string
		refused    bool
	}{
		"well":           {says: "<nil>"},
		"another error":  {first: refused(forbidden), err: errors.New("cut off"), says: "cut off"},
		"refused twice":  {first: refused(forbidden), err: spdy, says: "not yours", refused: true},
		"refused by one": {err: spdy, says: "pod does not exist", refused: true},
		"no WebSocket":   {first: refused(errors.New("no such one")), err: spdy, says: "pod does not exist", refused: true},
	} {
		err := upgradeFailure(c.first, c.err)
		var failed *httpstream.UpgradeFailureError
		if got := fmt.Sprint(err); !strings.Contains(got, c.says) || errors.As(err, &failed) != c.refused {
			t.Errorf("%s: got %s, as a refusal: %t", name, got, failed != nil)
		}
	}
}

// The request goes where all others of the client go: by TLS where there is any of it, and behind the path
// of the server. It asks for both streams.
func TestURL(t *testing.T) {
	in := pods.Target{Namespace: "app", Name: "db-0", Container: "db"}
	for name, c := range map[string]struct {
		host string
		tls  rest.TLSClientConfig
		want string
	}{
		"a URL":        {host: "https://api:6443", want: "https://api:6443"},
		"with a path":  {host: "https://rancher/k8s/clusters/c-1", want: "https://rancher/k8s/clusters/c-1"},
		"a name":       {host: "api:8080", want: "http://api:8080"},
		"CA file":      {host: "api", tls: rest.TLSClientConfig{CAFile: "x"}, want: "https://api"},
		"CA":           {host: "api", tls: rest.TLSClientConfig{CAData: []byte("x")}, want: "https://api"},
		"certificate":  {host: "api", tls: rest.TLSClientConfig{CertFile: "x"}, want: "https://api"},
		"its data":     {host: "api", tls: rest.TLSClientConfig{CertData: []byte("x")}, want: "https://api"},
		"not verified": {host: "api", tls: rest.TLSClientConfig{Insecure: true}, want: "https://api"},
	} {
		config := &rest.Config{Host: c.host, TLSClientConfig: c.tls}
		got, err := Exec{Config: config}.url(in, []string{"echo", "a b"}, true)
		want := c.want + "/api/v1/namespaces/app/pods/db-0/exec?" +
			"command=echo&command=a+b&container=db&stderr=true&stdin=true&stdout=true"
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, want)
		}
	}
	if got, err := (Exec{Config: &rest.Config{Host: "api"}}).url(in, nil, false); err != nil || got.Query().Has("stdin") {
		t.Errorf("without stdin: got %v, %v", got, err)
	}
}
