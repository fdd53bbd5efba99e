// Package podexec runs commands in a container of a pod, by the exec subresource.
//
// A server between here and the command cannot be believed that the command has ended well: where
// its own connection to the node breaks, it reports success (client-go takes the end of the error
// stream for one, and the API server is such a client). So a shell in the container runs the
// command, and says on stdout how it ended. Where there is no shell nothing can say so.
package podexec

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// Exec runs commands in pods.
type Exec struct {
	Config *rest.Config
	Out    io.Writer // gets what the commands say, a line each Write; it must not make anybody wait
}

// Command is a command for a container.
type Command struct {
	Args  []string     // the program first
	Env   []string     // NAME=VALUE, added to the container's; not without a shell
	Stdin io.Reader    // nil for none: the command finds its end at once
	Line  func(string) // called with each whole line on stdout; nil for nobody
	Bare  bool         // there is no shell in the container
}

// lastWords is how long what a command has said at its end may take to come, once it is known to
// have ended: what it has left running may keep its stdout open for ever.
const lastWords = time.Second

// Run runs a command in a container to its end, and returns its exit code as a shell has it. The
// error says how it did not end well: a [NotRun], a [Broken], or nothing of both for a command
// that ended with the code. When ctx ends Run does, too, and closes the command's stdin; nobody
// can end the command itself from here, so that is a [Broken] as well.
func (e Exec) Run(ctx context.Context, t pods.Target, c Command) (code int, err error) {
	if ctx.Err() != nil {
		return notExecutable, &NotRun{Where: t, Err: context.Cause(ctx)}
	}
	streams, end := context.WithCancel(ctx)
	defer end()
	token := newToken()
	seen := make(chan ending, 1)
	out := newOutput(e.Out, t.Name, c.Line)
	stdout, stderr := out.stdout(token, func(how ending) { seen <- how }), out.stderr()
	over := make(chan error, 1)
	go func() { over <- e.stream(streams, t, c, token, stdout, stderr) }()
	select {
	case how := <-seen:
		select {
		case <-over:
		case <-time.After(lastWords):
		}
		out.flush()
		return how.result(t)
	case err := <-over:
		out.flush()
		select {
		case how := <-seen:
			return how.result(t)
		default:
		}
		return e.withoutToken(ctx, t, c, err)
	case <-ctx.Done():
		out.flush()
		return notExecutable, &Broken{Where: t, Err: context.Cause(ctx)}
	}
}

// stream connects the streams until the server says that the command is over.
func (e Exec) stream(ctx context.Context, t pods.Target, c Command, token string, stdout, stderr io.Writer) error {
	args := c.Args
	if !c.Bare {
		args = wrapped(c, token)
	}
	where, err := e.url(t, args, c.Stdin != nil)
	if err != nil {
		return err
	}
	ws, err := remotecommand.NewWebSocketExecutor(e.Config, http.MethodGet, where.String())
	if err != nil {
		return err
	}
	spdy, err := remotecommand.NewSPDYExecutor(e.Config, http.MethodPost, where)
	if err != nil {
		return err
	}
	var first error
	both, err := remotecommand.NewFallbackExecutor(ws, spdy, func(err error) bool {
		first = err
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return err
	}
	// Its own messages would be about streams that nobody asked about.
	ctx = klog.NewContext(ctx, klog.Logger{})
	err = both.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: c.Stdin, Stdout: stdout, Stderr: stderr})
	return upgradeFailure(first, err)
}

// upgradeFailure gives an error its type again, which client-go drops for SPDY: the request itself
// was refused. first is what the server said to the WebSocket client.
func upgradeFailure(first, err error) error {
	var (
		refused *httpstream.UpgradeFailureError
		status  apierrors.APIStatus
	)
	if err == nil || !strings.HasPrefix(err.Error(), "unable to upgrade connection: ") {
		return err
	}
	if errors.As(first, &refused) && errors.As(refused.Cause, &status) {
		return refused
	}
	return &httpstream.UpgradeFailureError{Cause: err}
}

func (e Exec) url(t pods.Target, args []string, stdin bool) (*url.URL, error) {
	tls := e.Config.TLSClientConfig
	secure := len(tls.CAFile) > 0 || len(tls.CAData) > 0 || len(tls.CertFile) > 0 || len(tls.CertData) > 0 || tls.Insecure
	base, path, err := rest.DefaultServerURL(e.Config.Host, "/api", schema.GroupVersion{Version: "v1"}, secure)
	if err != nil {
		return nil, err
	}
	where := base.JoinPath(path, "namespaces", t.Namespace, "pods", t.Name, "exec")
	query := url.Values{"container": {t.Container}, "command": args, "stdout": {"true"}, "stderr": {"true"}}
	if stdin {
		query.Set("stdin", "true")
	}
	where.RawQuery = query.Encode()
	return where, nil
}

// withoutToken returns what is known of a command that has not said how it ended: err is what the
// server says.
func (e Exec) withoutToken(ctx context.Context, t pods.Target, c Command, err error) (code int, _ error) {
	var (
		exited  exec.CodeExitError
		refused *httpstream.UpgradeFailureError
	)
	if errors.As(err, &refused) { // it hides its cause
		err = refused.Cause
	}
	request := &kube.Error{Request: kube.Request{
		Verb: "create", Resource: "pods/exec", Namespace: t.Namespace, Name: t.Name,
	}, Err: err}
	switch {
	case ctx.Err() != nil:
		return notExecutable, &Broken{Where: t, Err: context.Cause(ctx)}
	case err == nil && c.Bare:
		return 0, nil
	case err == nil:
		return notExecutable, &Broken{Where: t, Err: errors.New("the command has not said how it ended")}
	case errors.As(err, &exited) && !c.Bare && exited.Code != notExecutable && exited.Code != notFound:
		return exited.Code, failure(t, exited.Code) // the shell itself was killed
	case errors.As(err, &exited) && c.Bare:
		return exited.Code, failure(t, exited.Code)
	case errors.As(err, &exited):
		return exited.Code, &NotRun{Where: t, Err: err, NoShell: true}
	case kube.Undone(err) || refused != nil:
		return notExecutable, &NotRun{Where: t, Err: request, forbidden: kube.IsForbidden(err)}
	case says(err, unreachable):
		return notExecutable, &NotRun{Where: t, Err: err}
	case says(err, notThere):
		return notFound, &NotRun{Where: t, Err: err, NoShell: !c.Bare && strings.Contains(err.Error(), shell)}
	}
	return notExecutable, &Broken{Where: t, Err: err}
}
