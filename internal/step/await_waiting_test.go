package step

import (
	"context"
	"reflect"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

func awaitWaiting(timeout time.Duration) func(context.Context, Step) (any, error) {
	return func(ctx context.Context, s Step) (any, error) {
		return Group{s}.AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, Timeout: timeout})
	}
}

// wantTrigger checks the results of a wait that was found.
func (p *play) wantTrigger(t *testing.T, since string) {
	t.Helper()
	if want := (Waiting{p.made(), []WaitingOn{{name, since, "rs"}}}); !reflect.DeepEqual(p.result, want) {
		t.Errorf("got %+v, want %+v", p.result, want)
	}
}

func TestAwaitWaitingFindsTheWait(t *testing.T) {
	const later = "2000-01-01T01:00:00Z"
	for name, c := range map[string]struct {
		prepare, events func(*play)
		since           string
		took            time.Duration
	}{
		"already there": {since: "2000-01-01T00:00:00Z"},
		"by a change of the claim": {
			prepare: func(p *play) {
				p.annotate(handshake.StatusAnnotation, handshake.StatusCompleted, handshake.SinceAnnotation, "")
			},
			events: func(p *play) { after(time.Hour); p.waits(later) },
			since:  later,
			took:   time.Hour,
		},
		"by a change of the source alone": {
			prepare: func(p *play) { p.sources[0].SyncStart = "" },
			events:  func(p *play) { after(time.Hour); p.change("rs", func() { p.sources[0].SyncStart = later }) },
			since:   "2000-01-01T00:00:00Z",
			took:    time.Hour,
		},
		"by the end of the copy alone": {
			prepare: func(p *play) { p.copied = &handshake.Copy{Name: "volsync-rs-src"} },
			events:  func(p *play) { after(time.Hour); p.change("copy", func() { p.copied = nil }) },
			since:   "2000-01-01T00:00:00Z",
			took:    time.Hour,
		},
		"when the server is back": {
			prepare: func(p *play) { p.faults(always(away), nil) },
			events:  func(p *play) { after(time.Hour); p.faults(nil, nil); after(maxRetry) },
			since:   "2000-01-01T00:00:00Z",
			took:    time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitWaiting(2*time.Hour), c.events)
			p.wants(t, want{outcome: outcome.OK})
			p.wantTrigger(t, c.since)
			if p.took < c.took || p.took > c.took+maxRetry {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
			if n := p.count("patch pvc"); n != 1 {
				t.Errorf("%d writes, want that of the lock", n)
			}
		})
	}
}

// maxRetry is longer than the longest pause between two tries.
const maxRetry = 20 * time.Second

func TestAwaitWaitingGivesUp(t *testing.T) {
	idle := func(p *play) { p.sources[0].SyncStart = "" }
	for name, c := range map[string]struct {
		prepare, events func(*play)
		timeout         time.Duration
		want            want
		took            time.Duration
	}{
		"timeout": {
			prepare: idle,
			timeout: time.Hour,
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 1h0m0s while waiting: PVC app/data: ReplicationSource rs has no sync running"},
				hint: "raise --timeout, or begin a sync now, by --start-sync or beforehand: " +
					"copytrigger start-sync -n app --pvc data",
			},
			took: time.Hour,
		},
		"timeout, VolSync cannot": {
			prepare: func(p *play) { idle(p); p.sources[0].Trouble = "no such Secret" },
			timeout: time.Hour,
			want: want{
				outcome: outcome.TimedOut, says: []string{"no such Secret"}, hint: "raise --timeout, or see why it waits",
			},
			took: time.Hour,
		},
		"timeout, in a sync": {
			prepare: func(p *play) { p.copied = ownCopy() },
			timeout: time.Hour,
			want: want{
				outcome: outcome.TimedOut, says: []string{"exists already"}, hint: "raise --timeout, or see why it waits",
			},
			took: time.Hour,
		},
		"timeout, server away": {
			prepare: func(p *play) { p.faults(always(away), nil) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 1h0m0s", "the server is away"},
				hint:    "raise --timeout",
			},
			took: time.Hour,
		},
		"timeout, server lost": {
			prepare: idle,
			events:  func(p *play) { p.faults(always(away), nil); p.change("rs", func() {}) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.TimedOut,
				says: []string{
					"timed out after 1h0m0s while waiting: trying again: get persistentvolumeclaims app/data: the server is away",
				},
				hint: "raise --timeout",
			},
			took: time.Hour,
		},
		"look once": {
			prepare: idle,
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"while waiting: PVC app/data: ReplicationSource rs has no sync running"},
				hint:    "raise --timeout",
			},
		},
		"look once, server away": {
			prepare: func(p *play) { p.faults(always(away), nil) },
			want:    want{outcome: outcome.Failed, says: []string{"PVC app/data", "the server is away"}},
		},
		"signal": {
			prepare: idle,
			events:  func(p *play) { after(time.Minute / 2); p.signal() },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Signalled,
				says: []string{
					"stopped by SIGTERM while waiting: PVC app/data: ReplicationSource rs has no sync running; " +
						"this attempt has fired nothing",
				},
				hint: "start another run",
			},
			took: time.Minute / 2,
		},
		"signal, server away": {
			prepare: func(p *play) { p.faults(always(away), nil) },
			events:  func(p *play) { after(time.Minute / 2); p.signal() },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Signalled,
				says:    []string{"stopped by SIGTERM", "the server is away; this attempt has fired nothing"},
				hint:    "start another run",
			},
			took: time.Minute / 2,
		},
		"armed": {
			prepare: func(p *play) { p.annotate(handshake.TriggerAnnotation, "else") },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"PVC app/data: it is armed with the trigger \"else\""},
				hint:    "kubectl annotate",
				trigger: "else",
			},
		},
		"armed meanwhile": {
			prepare: idle,
			events:  func(p *play) { after(time.Minute); p.annotate(handshake.TriggerAnnotation, "else") },
			timeout: time.Hour,
			want:    want{outcome: outcome.Refused, says: []string{"armed"}, hint: "kubectl annotate", trigger: "else"},
			took:    time.Minute,
		},
		"no permission to write": {
			prepare: func(p *play) { p.faults(always(forbidden, "try pvc"), nil) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"patch persistentvolumeclaims app/data", "not yours"},
				hint:    `grant the verb "patch" on resource "persistentvolumeclaims"`,
			},
		},
		"no permission to watch": {
			prepare: func(p *play) { p.faults(always(forbidden, "watch copy"), nil) },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"watch volumesnapshots", "not yours"},
				hint:    `grant the verb "watch" on resource "volumesnapshots"`,
			},
		},
		"permission taken away": {
			prepare: idle,
			events:  func(p *play) { after(time.Minute); p.endWatches("rs", forbiddenSources) },
			timeout: time.Hour,
			want:    want{outcome: outcome.Refused, says: []string{"not yours"}, hint: "--pvc-only"},
			took:    time.Minute,
		},
		"no such claim": {
			prepare: func(p *play) { p.claim = nil },
			timeout: time.Hour,
			want: want{
				outcome: outcome.Refused,
				says:    []string{"PVC app/data is not there"},
				hint:    "check --pvc and --namespace",
			},
		},
		"claim deleted": {
			prepare: idle,
			events:  func(p *play) { after(time.Minute); p.change("pvc", func() { p.claim = nil }) },
			timeout: time.Hour,
			want:    want{outcome: outcome.Refused, says: []string{"PVC app/data is not there"}, hint: "check --pvc"},
			took:    time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitWaiting(c.timeout), c.events)
			p.wants(t, c.want)
			if p.took != c.took {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
			if !reflect.DeepEqual(p.result, Waiting{}) {
				t.Errorf("got %+v, want nothing", p.result)
			}
		})
	}
}

func TestAwaitWaitingAsksForPermissionFirst(t *testing.T) {
	p := on(t, func(p *play) { p.faults(always(forbidden, "try pvc"), nil) }, awaitWaiting(time.Hour), nil)
	if len(p.requests) != 1 || p.requests[0] != "try pvc" {
		t.Errorf("asked %q, want nothing but the permission", p.requests)
	}
}

// A policy that is against the annotations says that they are invalid, and is met while nothing is
// frozen. What refuses a dry run as such says nothing of the write.
func TestAwaitWaitingMeetsAPolicy(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "PersistentVolumeClaim"}, name, nil)
	p := on(t, func(p *play) { p.faults(always(invalid, "try pvc"), nil) }, awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.Refused, says: []string{"is invalid"}})
	noDryRuns := apierrors.NewBadRequest("admission webhook does not support dry run")
	p = on(t, func(p *play) { p.faults(always(noDryRuns, "try pvc"), nil) }, awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.OK})
	if p.log.count("not checked whether it may be annotated") != 1 {
		t.Errorf("got the log %s", &p.log.b)
	}
}

func TestAwaitWaitingOnTheClaimAlone(t *testing.T) {
	p := on(t, func(p *play) {
		p.sources, p.step.ClaimOnly = nil, true
		p.faults(always(forbidden, "list rs", "watch rs", "get copy", "watch copy"), nil)
	}, awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.OK})
	if p.log.count("by --pvc-only, not checked") != 1 {
		t.Errorf("the caution is missing:\n%s", &p.log.b)
	}
}
