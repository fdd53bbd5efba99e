package step

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// play is one step under way on a cluster, inside a bubble of its own time. That the
// bubble ends proves that the step has left no goroutine.
type play struct {
	*cluster
	step   Step
	log    *log
	signal func() // SIGTERM
	start  time.Time
	took   time.Duration
	result any // what the step returned
	err    error

	untilCut bool   // of a run
	after    string // of fire-trigger
	times    Timeline
}

// log collects what the user reads.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *log) has(s string) bool           { return l.count(s) > 0 }
func (l *log) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// on runs a step on the cluster that prepare made, while events happen; nil for none.
func on(t *testing.T, prepare func(*play), do func(context.Context, Step) (any, error), events func(*play)) *play {
	p := &play{log: &log{}}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		p.cluster, p.start = waiting(t), time.Now()
		p.signal = func() { stop(outcome.Stop{Name: "SIGTERM", Number: int(syscall.SIGTERM)}) }
		p.step = Step{
			Claims:    p.cluster,
			VolSync:   p.cluster,
			Pods:      p.cluster,
			Namespace: namespace,
			Claim:     name,
			Process:   me,
			Log:       slog.New(slog.NewTextHandler(p.log, nil)),
		}
		if prepare != nil {
			prepare(p)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			result, err := do(ctx, p.step)
			p.result, p.err = single(result), err
			p.took = time.Since(p.start)
		}()
		synctest.Wait()
		if events != nil {
			events(p)
		}
		<-done
		if n := len(p.watchers); n != 0 {
			t.Errorf("%d watches are left", n)
		}
	})
	return p
}

// single is a result about a group of one as that about its member.
func single(result any) any {
	switch all := result.(type) {
	case []Copied:
		if len(all) == 1 {
			return all[0]
		}
		return Copied{}
	case []Disarmed:
		return all[0]
	}
	return result
}

// after lets time go by, and what it brings happen.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

// want is how a play should have ended.
type want struct {
	outcome outcome.Outcome
	says    []string // parts of the message
	hint    string   // a part of it
	trigger string   // copy-trigger that is left
}

func (p *play) wants(t *testing.T, w want) {
	t.Helper()
	got, hint, says := outcome.OK, "", ""
	var ending *outcome.Ending
	switch {
	case errors.As(p.err, &ending):
		got, hint, says = ending.Outcome, ending.Hint, p.err.Error()
	case p.err != nil:
		t.Errorf("got %v, which has no outcome", p.err)
	}
	if got != w.outcome {
		t.Errorf("got outcome %s (%v), want %s\n%s", got, p.err, w.outcome, &p.log.b)
	}
	for _, part := range w.says {
		if !strings.Contains(says, part) {
			t.Errorf("got message %q, which does not say %q", says, part)
		}
	}
	if !strings.Contains(hint, w.hint) || (hint == "") != (w.hint == "") {
		t.Errorf("got hint %q, want %q", hint, w.hint)
	}
	p.saysOnce(t, says)
	if got := p.trigger(); got != w.trigger {
		t.Errorf("left copy-trigger %q, want %q", got, w.trigger)
	}
}

// saysOnce asserts of every ending, and of every line of the log, that it names the claim once.
func (p *play) saysOnce(t *testing.T, says string) {
	t.Helper()
	for _, line := range append(strings.Split(p.log.b.String(), "\n"), says) {
		if strings.Count(line, p.step.subject()+": ") > 1 {
			t.Errorf("%q names the claim more than once", line)
		}
	}
}

const (
	run = "run-1"
	me  = "me" // the step's process
)

// made is the trigger that await-waiting would have made for the cluster as it stands.
func (p *play) made() handshake.Trigger {
	s, c := p.sources[0], p.claim
	return handshake.NewTrigger(run, handshake.Wait{ClaimUID: c.UID, SourceUID: s.UID, SyncStart: s.SyncStart,
		Since: c.Annotations[handshake.SinceAnnotation], Latest: c.Annotations[handshake.LatestAnnotation]})
}

// other is a trigger of the same run for another wait.
var other = handshake.NewTrigger(run, handshake.Wait{Since: "another"})

var (
	away      = apierrors.NewServiceUnavailable("the server is away")
	conflict  = apierrors.NewConflict(resources["pvc"], name, errors.New("the object has been modified"))
	missing   = apierrors.NewNotFound(resources["pvc"], name)
	forbidden = apierrors.NewForbidden(resources["pvc"], name, errors.New("not yours"))

	forbiddenSources = &kube.Error{
		Request: kube.Request{
			Verb: "watch", Group: "volsync.backube", Resource: "replicationsources", Namespace: namespace,
		},
		Err: forbidden,
	}
)

// always is a fault of the given requests; of all if none is given.
func always(err error, requests ...string) func(string) error {
	return func(request string) error {
		for _, r := range requests {
			if r == request {
				return err
			}
		}
		if len(requests) == 0 {
			return err
		}
		return nil
	}
}

// refusedWhile refuses the writes of the claim as long as something holds.
func refusedWhile(holds func() bool) func(string) error {
	return func(request string) error {
		if request == "patch pvc" && holds() {
			return forbidden
		}
		return nil
	}
}

// times is a fault that happens n times. Requests may come from several goroutines.
func times(n int, fault func(string) error) func(string) error {
	var left atomic.Int64
	left.Store(int64(n))
	return func(request string) error {
		err := fault(request)
		if err != nil && left.Add(-1) < 0 {
			return nil
		}
		return err
	}
}

// once does something at the first such request.
func once(request string, f func() error) func(string) error { return nth(1, request, f) }

// second does something at the second such request.
func second(request string, f func() error) func(string) error { return nth(2, request, f) }

func nth(n int64, request string, f func() error) func(string) error {
	var came atomic.Int64
	return func(r string) error {
		if r != request || came.Add(1) != n {
			return nil
		}
		return f()
	}
}
