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
		"there is none":       {timeout: time.Hour, want: want{outcome: outcome.OK}},
		"there is none, once": {want: want{outcome: outcome.OK}},
		"it ends": {
			prepare: runs("a"),
			events:  func(p *play) { after(time.Minute); p.left() },
			timeout: time.Hour,
			want:    want{outcome: outcome.OK},
			took:    time.Minute,
		},
		"one after the other": {
			prepare: runs("a", "b"),
			events: func(p *play) {
				after(time.Minute)
				p.left(pods.Pod{Name: "b"})
				after(time.Minute)
				p.left()
			},
			timeout: time.Hour,
			want:    want{outcome: outcome.OK},
			took:    2 * time.Minute,
		},
		"it is deleted": {
			prepare: runs("a"),
			events: func(p *play) {
				after(time.Minute)
				p.left(pods.Pod{Name: "a", Deleting: true})
				after(30 * time.Second)
				if p.log.count(still+"a (being deleted)") != 1 {
					t.Errorf("it does not say that the pod is being deleted:\n%s", &p.log.b)
				}
				p.left()
			},
			timeout: time.Hour,
			want:    want{outcome: outcome.OK},
			took:    90 * time.Second,
		},
		"server away": {
			prepare: runs("a"),
			events: func(p *play) {
				p.faults(away503, nil)
				p.left()
				after(time.Hour)
				p.faults(nil, nil)
				after(maxRetry)
			},
			timeout: 2 * time.Hour,
			want:    want{outcome: outcome.OK},
			took:    time.Hour,
		},
		"server away at first": {
			prepare: func(p *play) { p.faults(away503, nil) },
			events: func(p *play) {
				after(time.Hour)
				p.faults(nil, nil)
				after(maxRetry)
			},
			timeout: 2 * time.Hour,
			want:    want{outcome: outcome.OK},
			took:    time.Hour,
		},

		"timeout": {
			prepare: runs("a", "b"),
			timeout: 2 * time.Minute,
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 2m0s while waiting: " + still + "a, b"},
				hint:    "kubectl get pods -n app -l run=1",
			},
			took: 2 * time.Minute,
		},
		"timeout, server away": {
			prepare: func(p *play) { p.faults(away503, nil) },
			timeout: 2 * time.Minute,
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 2m0s", "the server is away"},
				hint:    "kubectl get pods",
			},
			took: 2 * time.Minute,
		},
		"look once": {
			prepare: runs("a"),
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"--timeout 0 allows no other, while waiting: " + still + "a"},
				hint:    "kubectl get pods",
			},
		},
		"look once, server away": {
			prepare: func(p *play) { p.faults(away503, nil) },
			want: want{
				outcome: outcome.Failed,
				says:    []string{"namespace app: list pods in namespace app: the server is away"},
			},
		},
		"signal": {
			prepare: runs("a"),
			events:  func(p *play) { after(time.Minute); p.signal() },
			timeout: time.Hour,
			want:    want{outcome: outcome.Signalled, says: []string{"stopped by SIGTERM while waiting: " + still + "a"}},
			took:    time.Minute,
		},
		"no permission to list": {
			prepare: func(p *play) { p.faults(always(forbiddenPods, "list pods"), nil) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"list pods in namespace app", "not yours"},
				hint:    `grant the verb "list" on resource "pods" in API group "" in namespace "app"`,
			},
		},
		"no permission to list, once": {
			prepare: func(p *play) { p.faults(always(forbiddenPods, "list pods"), nil) },
			want:    want{outcome: outcome.Refused, says: []string{"list pods in namespace app"}, hint: `grant the verb "list"`},
		},
		"no permission to watch": {
			prepare: func(p *play) { p.faults(always(forbiddenPods, "watch pods"), nil) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"watch pods in namespace app", "not yours"},
				hint:    `grant the verb "watch" on resource "pods"`,
			},
		},
		"no need to watch, once": {
			prepare: func(p *play) { p.faults(always(forbiddenPods, "watch pods"), nil) },
			want:    want{outcome: outcome.OK},
		},
		"permission taken away": {
			prepare: runs("a"),
			events:  func(p *play) { after(time.Minute); p.endWatches("pods", lostPods) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"watch pods in namespace app"},
				hint:    `grant the verb "watch"`,
			},
			took: time.Minute,
		},
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
	for says, want := range map[string]int{
		`msg="waiting: ` + still + `a, b"`: 1,
		`msg="waiting: ` + still + `b"`:    1,
		`msg="still waiting: ` + still:     59,
	} {
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
