package step

import (
	"context"
	"errors"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// preparedApp is an application that answers beforehand whether it could be quiesced.
type preparedApp struct {
	*app
	answers []error // in their order, then nil
	asked   int
	locked  []string // the claim's lock, each time
}

func (a *preparedApp) Prepare(context.Context) error {
	a.locked = append(a.locked, a.play.get(handshake.LockAnnotation))
	if a.asked++; a.asked <= len(a.answers) {
		return a.answers[a.asked-1]
	}
	return nil
}

// No pod mounts a claim that is not there: the name is wrong, and that is said.
func TestRunPreparesForAClaimThatIsNotThere(t *testing.T) {
	a := &preparedApp{app: &app{}, answers: []error{&pods.NotOne{Why: "no running pod", Next: "--pod chooses one"}}}
	p := on(t, func(p *play) { a.play = p; p.faults(always(missing, "get pvc"), nil) },
		func(ctx context.Context, s Step) (any, error) {
			return s.Members().Run(ctx, RunOptions{Run: run, App: a, Limits: runLimits, Times: &a.play.times})
		}, nil)
	p.wants(t, want{outcome.Refused, []string{"PVC app/data is not there"}, "kubectl get pvc -n app", ""})
}

// What cannot be quiesced is refused before anything is frozen: before the claim is locked, and
// again before quiesce, and then the lock goes. Nothing is let go that was not quiesced.
func TestRunPrepares(t *testing.T) {
	none := &pods.NotOne{Why: "no running pod", Next: "--pod chooses one"}
	denied := &kube.Error{
		Request: kube.Request{Verb: "list", Resource: "pods", Namespace: "app"},
		Err:     apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("it says no")),
	}
	busy := &kube.Error{Err: apierrors.NewGenericServerResponse(
		http.StatusServiceUnavailable, "get", schema.GroupResource{}, "", "", 0, true,
	)}
	for title, c := range map[string]struct {
		answers []error
		want    want
		asked   int
	}{
		"no pod": {
			answers: []error{none},
			want: want{
				outcome: outcome.Refused,
				says:    []string{"nothing was quiesced: no running pod"},
				hint:    "kubectl get pods -n app",
			},
			asked: 1,
		},
		"no right": {
			answers: []error{denied},
			want:    want{outcome: outcome.Refused, says: []string{"nothing was quiesced"}, hint: "Role copytrigger-exec"},
			asked:   1,
		},
		"busy": {
			answers: []error{busy, none},
			want:    want{outcome: outcome.Refused, says: []string{"no running pod"}, hint: "--pod chooses one"},
			asked:   2,
		},
		"gone by then": {
			answers: []error{nil, none},
			want:    want{outcome: outcome.Refused, says: []string{"no running pod"}, hint: "--pod chooses one"},
			asked:   2,
		},
	} {
		t.Run(title, func(t *testing.T) {
			a := &preparedApp{app: &app{}, answers: c.answers}
			p := on(t, func(p *play) { a.play = p; p.sources[0].Claim = name }, func(ctx context.Context, s Step) (any, error) {
				return s.Members().Run(ctx, RunOptions{Run: run, App: a, Limits: runLimits, Times: &a.play.times})
			}, nil)
			p.wants(t, c.want)
			if a.frozen || a.thawed > 0 || a.asked != c.asked {
				t.Errorf("frozen: %t, let go %d times, asked %d times", a.frozen, a.thawed, a.asked)
			}
			if got := p.get(handshake.LockAnnotation); got != "" {
				t.Errorf("left locked: %q", got)
			}
			if a.locked[0] != "" || title == "gone by then" && a.locked[1] == "" {
				t.Errorf("asked with the locks %q", a.locked)
			}
		})
	}
}
