package step

import (
	"context"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

func strips(string) string         { return "" }
func rewrites(value string) string { return "x-" + value }

// onlyNth changes the nth value that is written, and no other.
func onlyNth(n int, to func(string) string) func(string) string {
	return func(value string) string {
		if n--; n == 0 {
			return to(value)
		}
		return value
	}
}

// A webhook that changes what the run writes is met while nothing is frozen.
func TestAwaitWaitingMeetsAWebhook(t *testing.T) {
	for name, c := range map[string]struct {
		annotation string
		to         func(string) string
		says       string
	}{
		"strips the trigger":   {handshake.TriggerAnnotation, strips, `copy-trigger came back as "" instead of`},
		"rewrites the trigger": {handshake.TriggerAnnotation, rewrites, `copy-trigger came back as "x-run-1.`},
		"strips the lock":      {handshake.LockAnnotation, strips, `locked-by came back as "" instead of "run-1`},
		"but not a dry run":    {handshake.LockAnnotation, onlyNth(2, strips), `locked-by came back as "" instead of "run-1`},
		"rewrites the lock":    {handshake.LockAnnotation, onlyNth(2, rewrites), `locked-by came back as "x-run-1`},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) { p.webhook = map[string]func(string) string{c.annotation: c.to} },
				awaitWaiting(time.Hour), nil)
			p.wants(t, want{outcome.Refused, []string{"PVC app/data: an admission webhook", c.says},
				"kubectl get mutatingwebhookconfigurations", ""})
			if lock := p.get(handshake.LockAnnotation); lock != "" {
				t.Errorf("left the lock %q", lock)
			}
		})
	}
}

// A trigger that comes back as another one is taken back: VolSync would copy for it.
func TestFireTriggerMeetsAWebhook(t *testing.T) {
	for name, c := range map[string]struct {
		to      func(string) string
		prepare func(*play)
		want    want
	}{
		"strips it": {strips, nil, want{outcome.Refused, []string{`copy-trigger came back as ""`}, "webhook", ""}},
		"rewrites it": {onlyNth(1, rewrites), nil,
			want{outcome.Refused, []string{`copy-trigger came back as "x-run-1.`}, "webhook", ""}},
		"rewrites it, and VolSync takes it": {onlyNth(1, rewrites), func(p *play) {
			p.faults(nil, once("patch pvc", func() error { p.takes(); return nil }))
		}, want{outcome.Tainted, []string{`copy-trigger came back as "x-run-1.`, "could not be taken back",
			"somebody replaced the trigger"}, "do not use", "x-" + waitingTrigger(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			p := fire(t, time.Minute, func(p *play) {
				p.webhook = map[string]func(string) string{handshake.TriggerAnnotation: c.to}
				if c.prepare != nil {
					c.prepare(p)
				}
			}, nil)
			p.wants(t, c.want)
		})
	}
}

// A disarm whose write arms the claim all the same says so; any value that does not arm will do.
func TestDisarmMeetsAWebhook(t *testing.T) {
	mine := waitingTrigger(t)
	for name, c := range map[string]struct {
		to   func(string) string
		want want
	}{
		"strips it": {strips, want{outcome: outcome.OK}},
		"keeps it": {func(string) string { return mine },
			want{outcome.Tainted, []string{"stays armed", "came back as"}, "copytrigger disarm", mine}},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) {
				lockedFor(run)(p)
				p.annotate(handshake.TriggerAnnotation, mine)
				p.webhook = map[string]func(string) string{handshake.TriggerAnnotation: c.to}
			}, func(ctx context.Context, s Step) (any, error) {
				return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
			}, nil)
			p.wants(t, c.want)
		})
	}
}

// A conflict on the dry run passes, also where there is one look only.
func TestAwaitWaitingBearsAConflictOfItsTry(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Hour} {
		p := on(t, func(p *play) { p.faults(times(1, always(conflict, "try pvc")), nil) }, awaitWaiting(timeout), nil)
		p.wants(t, want{outcome: outcome.OK})
	}
}
