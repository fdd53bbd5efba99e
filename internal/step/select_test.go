package step

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

const ofDB = "app=db"

// label gives a claim a label that a selector asks for, or takes it.
func (c *cluster) label(app string) {
	c.change("pvc", func() { c.claim.Labels = map[string]string{"app": app} })
}

// selected is a play with the claims "data", "wal" and "x", of which the first two have the labels.
func selected(
	t *testing.T, prepare func(*groupPlay), do func(context.Context, *groupPlay, Step) error, events func(*groupPlay),
) *groupPlay {
	return together(t, []string{"x"}, func(p *groupPlay) {
		p.step.Group = nil
		p.label("db")
		p.second().label("db")
		p.all.of("x").label("mail")
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, p *groupPlay, _ Group) (any, error) { return nil, do(ctx, p, p.step) }, events)
}

func TestSelect(t *testing.T) {
	trigger := handshake.NewTrigger(run, handshake.Wait{})
	x := func(p *groupPlay) *cluster { return p.all.of("x") }
	both := []string{name, wal}
	for name, c := range map[string]struct {
		purpose Purpose
		prepare func(*groupPlay)
		want    []string
		left    left
		hint    string
		log     string
	}{
		"those with the labels": {purpose: ToBegin, want: both, log: "2 claims have the labels app=db: data, wal"},
		"to look":               {purpose: ToLook, want: both},
		"one": {
			purpose: ToBegin,
			prepare: func(p *groupPlay) { p.second().label("") },
			want:    []string{name},
		},
		"none": {
			purpose: ToBegin,
			prepare: func(p *groupPlay) { p.label(""); p.second().label("") },
			left: left{
				outcome: outcome.Refused,
				says:    []string{"PVCs of namespace app with labels app=db", "no claim has these labels"},
			},
			hint: "kubectl get pvc -n app --show-labels",
		},
		"none, to clean up": {
			purpose: ToCleanUp,
			prepare: func(p *groupPlay) { p.label(""); p.second().label("") },
			left:    left{outcome: outcome.Refused, says: []string{"no claim has these labels"}},
			hint:    "kubectl get pvc",
		},
		"what an attempt of the run has left": {
			purpose: ToBegin,
			prepare: func(p *groupPlay) { x(p).annotate(handshake.LockAnnotation, lockValue(run)) },
			want:    []string{"data", "wal", "x"},
		},
		"one that has left": {
			purpose: ToCleanUp,
			prepare: func(p *groupPlay) { p.locked(run); x(p).annotate(handshake.LockAnnotation, ""); p.label("") },
			want:    both,
		},
		"an armed one that has left": {
			purpose: ToDisarm,
			prepare: func(p *groupPlay) {
				p.second().annotate(handshake.TriggerAnnotation, trigger.String())
				p.second().label("")
			},
			want: both,
		},
		"one of another run beside": {
			purpose: ToCleanUp,
			prepare: func(p *groupPlay) {
				p.annotate(handshake.LockAnnotation, lockValue(run))
				p.second().annotate(handshake.LockAnnotation, lockValue("other"))
			},
			want: []string{name},
		},
		"one of another run alone": {
			purpose: ToCleanUp,
			prepare: func(p *groupPlay) {
				p.second().annotate(handshake.LockAnnotation, lockValue("other"))
			},
			want: both,
		},
		"those that are locked": {
			purpose: ToFire,
			prepare: func(p *groupPlay) {
				p.locked(run)
				x(p).annotate(handshake.LockAnnotation, "")
			},
			want: both,
		},
		"one that has left, to fire": {
			purpose: ToFire,
			prepare: func(p *groupPlay) { p.locked(run); x(p).annotate(handshake.LockAnnotation, ""); p.label("") },
			want:    both,
			log:     "claim data has left",
		},
		"one that has joined, to fire": {
			purpose: ToFire,
			prepare: func(p *groupPlay) {
				p.locked(run)
				x(p).annotate(handshake.LockAnnotation, "")
				x(p).label("db")
			},
			left: left{outcome: outcome.Refused, says: []string{"claim x has joined"}},
			hint: "start another run",
		},
		"one that has joined, to await": {
			purpose: ToAwait,
			prepare: func(p *groupPlay) {
				p.locked(run)
				x(p).annotate(handshake.LockAnnotation, "")
				x(p).label("db")
			},
			want: both,
			log:  "claim x has joined",
		},
		"none that is locked": {
			purpose: ToFire,
			left:    left{outcome: outcome.Refused, says: []string{"run run-1 has locked no claim"}},
			hint:    "await-waiting first",
		},
		"recorded and unlocked": {
			purpose: ToAwait,
			prepare: func(p *groupPlay) {
				p.annotate(handshake.LatestAnnotation, trigger.String())
			},
			want: []string{name},
		},
		"may not list": {
			purpose: ToBegin,
			prepare: func(p *groupPlay) { p.faults(always(forbidden, "list pvc"), nil) },
			left:    left{outcome: outcome.Refused, says: []string{"not yours"}},
			hint:    "rbac/selector",
		},
		"away, to begin": {
			purpose: ToBegin,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.TimedOut},
			hint:    "--timeout",
		},
		"away, to fire": {
			purpose: ToFire,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.TimedOut},
			hint:    "--timeout",
		},
		"away, when fired": {
			purpose: ToAwait,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.Tainted, says: []string{"A TRIGGER MAY STILL BE ARMED"}},
			hint:    "copytrigger disarm -n app -l app=db --run-id run-1",
		},
		"away, to disarm": {
			purpose: ToDisarm,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.Tainted, says: []string{"A TRIGGER MAY STILL BE ARMED"}},
			hint:    "copytrigger disarm -n app -l app=db",
		},
		"away, to unlock": {
			purpose: ToUnlock,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.TimedOut, says: []string{"LOCKED"}},
			hint:    "copytrigger unlock -n app -l app=db --run-id run-1 --all",
		},
		"away, to clean up": {
			purpose: ToCleanUp,
			prepare: func(p *groupPlay) { p.faults(always(away, "list pvc"), nil) },
			left:    left{outcome: outcome.Tainted, says: []string{"QUIESCED"}},
			hint:    "copytrigger cleanup -n app -l app=db",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got Step
			p := selected(t, c.prepare, func(ctx context.Context, _ *groupPlay, s Step) (err error) {
				o := SelectOptions{Selector: ofDB, Purpose: c.purpose, Run: run, Timeout: time.Minute}
				switch c.purpose {
				case ToLook:
					o.Run = ""
				case ToFire, ToAwait:
					o.Trigger = trigger
				}
				got, err = s.Select(ctx, o)
				return err
			}, nil)
			if c.left.outcome == "" {
				c.left.outcome = outcome.OK
			}
			if got := p.outcome(); got != c.left.outcome {
				t.Errorf("got %s: %v", got, p.err)
			}
			for _, says := range c.left.says {
				if !strings.Contains(fmt.Sprint(p.err), says) {
					t.Errorf("got %v, which does not say %q", p.err, says)
				}
			}
			if hint := hintOf(p.err); !strings.Contains(hint, c.hint) {
				t.Errorf("got hint %q, want %q", hint, c.hint)
			}
			if !slices.Equal(got.Group, c.want) || (len(c.want) == 1) != (got.Claim != "") {
				t.Errorf("got %q and %q, want %q", got.Group, got.Claim, c.want)
			}
			if !p.log.has(c.log) {
				t.Errorf("does not say %q:\n%s", c.log, &p.log.b)
			}
			p.wroteNothing(t)
		})
	}
}

// wroteNothing asserts that no claim was written.
func (p *groupPlay) wroteNothing(t *testing.T) {
	t.Helper()
	for _, c := range p.all {
		if n := c.count("patch pvc"); n > 0 {
			t.Errorf("claim %s was written %d times", c.name, n)
		}
	}
}

// A signal that comes at once does not keep a run from finding what an attempt of it has left.
func TestSelectInSpiteOfASignal(t *testing.T) {
	selected(t, func(p *groupPlay) { p.locked(run) }, func(ctx context.Context, _ *groupPlay, s Step) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		got, err := s.Select(ctx, SelectOptions{Selector: ofDB, Purpose: ToBegin, Run: run, Timeout: time.Minute})
		if err != nil || len(got.Group) != 3 {
			t.Errorf("got %q, %v", got.Group, err)
		}
		return nil
	}, nil)
}

// A signal ends the wait for an API server that is away; that of a cleanup goes on, for an application
// may be quiesced.
func TestSelectWhileTheServerIsAway(t *testing.T) {
	for purpose, found := range map[Purpose]bool{ToBegin: false, ToCleanUp: true} {
		selected(t, func(p *groupPlay) {
			p.locked(run)
			p.faults(always(away, "list pvc"), nil)
		}, func(ctx context.Context, _ *groupPlay, s Step) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			got, err := s.Select(ctx, SelectOptions{Selector: ofDB, Purpose: purpose, Run: run, Timeout: time.Minute})
			if (err == nil) != found || found && len(got.Group) != 3 {
				t.Errorf("purpose %d: got %q, %v", purpose, got.Group, err)
			}
			return nil
		}, func(p *groupPlay) {
			after(30 * time.Second)
			p.faults(nil, nil)
		})
	}
}

// A container that is started again knows the claims of its run by its file, also while the API
// server is away. Those of another namespace are not its own.
func TestSelectByStateFile(t *testing.T) {
	for about, c := range map[string]struct {
		namespace string // that the file says
		asked     bool
	}{
		"of this namespace":    {namespace: "app"},
		"of another namespace": {namespace: "other", asked: true},
	} {
		t.Run(about, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "locked")
			var got Step
			var err error
			p := selected(t, func(p *groupPlay) {
				p.faults(always(away), nil)
				s := p.step
				s.Namespace, s.Group = c.namespace, []string{name, "x"}
				(&running{step: s, options: RunOptions{Run: run, State: file}}).keepLocked()
			}, func(ctx context.Context, _ *groupPlay, s Step) error {
				got, err = s.Select(ctx, SelectOptions{Selector: ofDB, Purpose: ToBegin, Run: run, State: file})
				return nil
			}, nil)
			if known := err == nil && slices.Equal(got.Group, []string{name, "x"}); known == c.asked {
				t.Errorf("got %q, %v", got.Group, err)
			}
			if asked := p.count("list pvc") > 0; asked != c.asked {
				t.Errorf("asked the API server: %t, want %t", asked, c.asked)
			}
		})
	}
}

// Who joins or leaves while a run waits is named, and nothing is written: the run would not be about
// what its labels say.
func TestAwaitWaitingBySelector(t *testing.T) {
	for name, c := range map[string]struct {
		events func(*groupPlay)
		want   left
	}{
		"nobody joins": {want: left{outcome: outcome.OK}},
		"one joins": {
			func(p *groupPlay) { p.all.of("x").label("db") },
			left{outcome: outcome.Refused, says: []string{"claim x has joined since the run began"}},
		},
		"one leaves": {
			func(p *groupPlay) { p.label("mail") },
			left{outcome: outcome.Refused, says: []string{"claim data has left since the run began"}},
		},
		"nobody may look any more": {
			func(p *groupPlay) { p.faults(always(forbidden, "list pvc"), nil) },
			left{outcome: outcome.Refused, says: []string{"not yours"}},
		},
		"one is deleted": {
			func(p *groupPlay) { p.change("pvc", func() { p.claim = nil }) },
			left{outcome: outcome.Refused, says: []string{"PVC app/data is not there"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := selected(t, func(p *groupPlay) { p.second().idles() }, func(ctx context.Context, _ *groupPlay, s Step) error {
				s, err := s.Select(ctx, SelectOptions{Selector: ofDB, Purpose: ToBegin, Run: run, Timeout: time.Hour})
				if err != nil {
					return err
				}
				_, err = s.Members().AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, Timeout: time.Hour})
				return err
			}, func(p *groupPlay) {
				after(time.Minute)
				if c.events != nil {
					c.events(p)
				}
				after(time.Minute)
				p.second().syncs("2000-01-01T00:02:00Z", "2000-01-01T00:02:00Z")
			})
			if got := p.outcome(); got != c.want.outcome {
				t.Errorf("got %s: %v", got, p.err)
			}
			for _, says := range c.want.says {
				if !strings.Contains(fmt.Sprint(p.err), says) {
					t.Errorf("got %v, which does not say %q", p.err, says)
				}
			}
			if c.want.outcome != outcome.OK {
				p.wroteNothing(t)
			}
		})
	}
}

// A claim that joins in the freeze is no part of what was frozen: the run says so, and is good.
func TestRunSaysWhoHasJoined(t *testing.T) {
	a := &app{}
	p := selected(t, func(p *groupPlay) { a.play, a.lost = p.play, make(chan error, 1) },
		func(ctx context.Context, p *groupPlay, s Step) error {
			s, err := s.Select(ctx, SelectOptions{Selector: ofDB, Purpose: ToBegin, Run: run, Timeout: time.Hour})
			if err != nil {
				return err
			}
			_, err = s.Members().Run(ctx, RunOptions{Run: run, App: a, Limits: runLimits, Times: &p.times})
			return err
		}, func(p *groupPlay) {
			p.all.of("x").label("db")
			p.takes()
			p.second().takes()
			p.completes()
			p.second().completes()
		})
	if p.err != nil || !p.log.has("claim x has joined since the run began, and is not copied by it") {
		t.Errorf("got %v:\n%s", p.err, &p.log.b)
	}
}

// Of many names one is wrong: it is named, and nothing is written to any.
func TestOneWrongNameOfMany(t *testing.T) {
	var more []string
	for i := range 49 {
		more = append(more, fmt.Sprintf("x-%02d", i))
	}
	p := together(t, more, func(p *groupPlay) { p.all.of("x-17").claim = nil }, groupAwaitWaiting(time.Hour), nil)
	p.wants(t, left{outcome: outcome.Refused, says: []string{"PVC app/x-17 is not there"}, saysNot: "x-16"})
	p.wroteNothing(t)
}
