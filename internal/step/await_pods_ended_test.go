package step

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
)

const podLabels = "run=1"

func awaitPods(timeout time.Duration) func(context.Context, Step) (any, error) {
	return func(ctx context.Context, s Step) (any, error) {
		s.Claim, s.Claims, s.VolSync = "", nil, nil // it is not about a claim
		return nil, s.AwaitPodsEnded(ctx, AwaitPodsEndedOptions{Selector: podLabels, Timeout: timeout})
	}
}

// runs is a cluster with these pods, and nothing else that anybody asks for.
func runs(names ...string) func(*play) {
	return func(p *play) {
		for _, n := range names {
			p.pods = append(p.pods, pods.Pod{Name: n})
		}
	}
}

// left is a change of the pods that have not ended.
func (c *cluster) left(ps ...pods.Pod) { c.change("pods", func() { c.pods = ps }) }

var (
	forbiddenPods = apierrors.NewForbidden(resources["pods"], "", errors.New("not yours"))
	lostPods      = &kube.Error{
		Request: kube.Request{Verb: "watch", Resource: "pods", Namespace: namespace},
		Err:     forbiddenPods,
	}
)

func TestAwaitPodsEnded(t *testing.T) {
	const still = "in namespace app these pods may still run: "
	away503 := always(away)
	for name, c := range map[string]struct {
		prepare, events func(*play)
		timeout         time.Duration
		want            want
		took            time.Duration
	}{
		"there is none":       {nil, nil, time.Hour, want{outcome: outcome.OK}, 0},
		"there is none, once": {nil, nil, 0, want{outcome: outcome.OK}, 0},
		"it ends":             {runs("a"), func(p *play) { after(time.Minute); p.left() }, time.Hour, want{outcome: outcome.OK}, time.Minute},
		"one after the other": {runs("a", "b"), func(p *play) {
			after(time.Minute)
			p.left(pods.Pod{Name: "b"})
			after(time.Minute)
			p.left()
		}, time.Hour, want{outcome: outcome.OK}, 2 * time.Minute},
		"it is deleted": {runs("a"), func(p *play) {
			after(time.Minute)
			p.left(pods.Pod{Name: "a", Deleting: true})
			after(30 * time.Second)
			if p.log.count(still+"a (being deleted)") != 1 {
				t.Errorf("it does not say that the pod is being deleted:\n%s", &p.log.b)
			}
			p.left()
		}, time.Hour, want{outcome: outcome.OK}, 90 * time.Second},
		"server away": {runs("a"), func(p *play) {
			p.faults(away503, nil)
			p.left()
			after(time.Hour)
			p.faults(nil, nil)
			after(maxRetry)
		}, 2 * time.Hour, want{outcome: outcome.OK}, time.Hour},
		"server away at first": {func(p *play) { p.faults(away503, nil) }, func(p *play) {
			after(time.Hour)
			p.faults(nil, nil)
			after(maxRetry)
		}, 2 * time.Hour, want{outcome: outcome.OK}, time.Hour},

		"timeout": {runs("a", "b"), nil, 2 * time.Minute, want{outcome.TimedOut,
			[]string{"timed out after 2m0s while waiting: " + still + "a, b"}, "kubectl get pods -n app -l run=1", ""}, 2 * time.Minute},
		"timeout, server away": {func(p *play) { p.faults(away503, nil) }, nil, 2 * time.Minute, want{outcome.TimedOut,
			[]string{"timed out after 2m0s", "the server is away"}, "kubectl get pods", ""}, 2 * time.Minute},
		"look once": {runs("a"), nil, 0, want{outcome.TimedOut,
			[]string{"--timeout 0 allows no other, while waiting: " + still + "a"}, "kubectl get pods", ""}, 0},
		"look once, server away": {func(p *play) { p.faults(away503, nil) }, nil, 0, want{outcome.Failed, []string{"namespace app: list pods in namespace app: the server is away"}, "", ""}, 0},
		"signal": {runs("a"), func(p *play) { after(time.Minute); p.signal() }, time.Hour, want{outcome.Signalled,
			[]string{"stopped by SIGTERM while waiting: " + still + "a"}, "", ""}, time.Minute},
		"no permission to list": {func(p *play) { p.faults(always(forbiddenPods, "list pods"), nil) }, nil, time.Hour, want{outcome.Refused,
			[]string{"list pods in namespace app", "not yours"}, `grant the verb "list" on resource "pods" in API group "" in namespace "app"`, ""}, 0},
		"no permission to list, once": {func(p *play) { p.faults(always(forbiddenPods, "list pods"), nil) }, nil, 0, want{outcome.Refused,
			[]string{"list pods in namespace app"}, `grant the verb "list"`, ""}, 0},
		"no permission to watch": {func(p *play) { p.faults(always(forbiddenPods, "watch pods"), nil) }, nil, time.Hour, want{outcome.Refused,
			[]string{"watch pods in namespace app", "not yours"}, `grant the verb "watch" on resource "pods"`, ""}, 0},
		"no need to watch, once": {func(p *play) { p.faults(always(forbiddenPods, "watch pods"), nil) }, nil, 0, want{outcome: outcome.OK}, 0},
		"permission taken away": {runs("a"), func(p *play) { after(time.Minute); p.endWatches("pods", lostPods) }, time.Hour, want{outcome.Refused,
			[]string{"watch pods in namespace app"}, `grant the verb "watch"`, ""}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitPods(c.timeout), c.events)
			p.wants(t, c.want)
			if p.took < c.took || p.took > c.took+maxRetry || c.took == 0 && p.took != 0 {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
		})
	}
}

// It says what it waits for when that changes, and from time to time that it does.
func TestAwaitPodsEndedSaysWhy(t *testing.T) {
	p := on(t, runs("a", "b"), awaitPods(time.Hour-time.Second), func(p *play) {
		for range 5 {
			after(time.Second)
			p.left(pods.Pod{Name: "a"}, pods.Pod{Name: "b"}) // changes nothing that matters
		}
		after(5*time.Minute + time.Second)
		p.left(pods.Pod{Name: "b"})
	})
	const still = "in namespace app these pods may still run: "
	for says, want := range map[string]int{`msg="waiting: ` + still + `a, b"`: 1, `msg="waiting: ` + still + `b"`: 1, `msg="still waiting: ` + still: 59} {
		if got := p.log.count(says); got != want {
			t.Errorf("got %q %d times in an hour, want %d", says, got, want)
		}
	}
	if n := len(p.requests); n > 130 { // one look every half minute, and one for each change
		t.Errorf("%d requests: %q", n, p.requests)
	}
}

// Nothing is decided before the watch is established: a change in between would be missed.
func TestAwaitPodsEndedWatchesFirst(t *testing.T) {
	p := on(t, nil, awaitPods(time.Hour), nil)
	if len(p.requests) != 2 || p.requests[0] != "watch pods" || p.requests[1] != "list pods" {
		t.Errorf("asked %q", p.requests)
	}
}
