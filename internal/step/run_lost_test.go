package step

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// What an attempt that was lost has left is let go, even where this one is stopped before it
// has looked, or may not look at all that it wants to.
func TestRunAfterALostAttempt(t *testing.T) {
	armed := func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) }
	for name, c := range map[string]struct {
		prepare func(*play)
		stopped bool
		want    want
		let     int
		lock    string
	}{
		"lost": {
			prepare: lockedFor(run),
			want:    want{outcome: outcome.Tainted, says: []string{"earlier attempt"}, hint: "do not use"},
			let:     1,
		},
		"lost, fired": {
			prepare: func(p *play) { armed(p); lockedFor(run)(p) },
			want:    want{outcome: outcome.Tainted, says: []string{"earlier attempt"}, hint: "do not use", trigger: "before"},
			let:     1,
		},
		"lost, stopped at once": {
			prepare: func(p *play) { armed(p); lockedFor(run)(p) },
			stopped: true,
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"earlier attempt", "stays locked"},
				hint:    "unlock",
				trigger: "before",
			},
			let:  1,
			lock: run + "/lost",
		},
		"lost, no right to list": {
			prepare: func(p *play) { lockedFor(run)(p); p.faults(always(forbidden, "list rs"), nil) },
			want:    want{outcome: outcome.Tainted, says: []string{"earlier attempt"}, hint: "do not use"},
			let:     1,
		},
		"stopped at once": {
			stopped: true,
			want:    want{outcome: outcome.Signalled, says: []string{"SIGTERM"}, hint: "another run"},
		},
		"another's": {
			prepare: lockedFor("other"),
			want:    want{outcome: outcome.Refused, says: []string{"run other has locked"}, hint: "cleanup"},
			lock:    "other",
		},
		"another's, stopped": {
			prepare: lockedFor("other"),
			stopped: true,
			want:    want{outcome: outcome.Signalled, says: []string{"SIGTERM"}, hint: "another run"},
			lock:    "other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &lostApp{}
			p := on(t, (func(p *play) {
				app.play = p
				if c.prepare != nil {
					c.prepare(p)
				}
			}), func(ctx context.Context, s Step) (any, error) {
				if c.stopped {
					var cancel context.CancelCauseFunc
					ctx, cancel = context.WithCancelCause(ctx)
					cancel(outcome.Stop{Name: "SIGTERM", Number: 15})
				}
				_, err := Group{s}.Run(
					ctx,
					RunOptions{
						Run:    run,
						App:    app,
						Times:  &Timeline{},
						Limits: Limits{Wait: time.Hour, Ack: time.Minute, Copy: time.Minute, Freeze: time.Minute, Unquiesce: time.Minute},
					},
				)
				return nil, err
			}, nil)
			p.wants(t, c.want)
			if len(app.trigger) != c.let {
				t.Errorf("let go %d times, want %d", len(app.trigger), c.let)
			}
			p.wantLock(t, c.lock)
		})
	}
}

// What an attempt that was lost had fired is said to be given back only where it is.
func TestRunAfterALostAttemptThatStaysArmed(t *testing.T) {
	const givenBack = "what it had fired was given back"
	for name, refused := range map[string]bool{"given back": false, "the writes are refused": true} {
		t.Run(name, func(t *testing.T) {
			app := &lostApp{}
			p := on(t, func(p *play) {
				app.play = p
				p.annotate(handshake.TriggerAnnotation, other.String())
				lockedFor(run)(p)
				if refused {
					p.faults(always(forbidden, "patch pvc"), nil)
				}
			}, func(ctx context.Context, s Step) (any, error) {
				_, err := Group{s}.Run(ctx, RunOptions{
					Run: run, App: app, Times: &Timeline{}, Limits: Limits{Wait: time.Hour, Unquiesce: time.Minute},
				})
				return nil, err
			}, nil)
			says := p.err.Error()
			if strings.Contains(says, givenBack) == refused || strings.Contains(says, saysArmed) != refused {
				t.Errorf("got %s", says)
			}
		})
	}
}

// After an attempt that failed and said so, the next one that cannot let the application go either says what
// comes first, and nothing that is not so.
func TestRunAfterAnAttemptThatIsStillFrozen(t *testing.T) {
	a := &app{unquiesce: func(context.Context) error { return errors.New("sh ended with exit code 1") }}
	p := whole(t, a, runLimits, lockedFor(run), nil)
	p.wants(t, want{
		outcome: outcome.Tainted,
		says: []string{
			"THE APPLICATION MAY STILL BE QUIESCED", "was lost, or could not clean up", "the application was not let go",
			"unquiesce failed: sh ended with exit code 1",
		},
		hint: "unquiesce it by hand; then: copytrigger unlock -n app --pvc data --run-id run-1 --all; " +
			"then: do not use a copy of that attempt; start again",
	})
	if strings.Contains(p.err.Error(), "left alone") {
		t.Errorf("got %v: it was tried", p.err)
	}
}
