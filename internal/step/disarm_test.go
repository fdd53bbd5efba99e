package step

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

func TestDisarm(t *testing.T) {
	const timeout = 20 * time.Second
	armed := func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) }
	taken := func(p *play) { armed(p); p.takes() }
	then := func(f func(*play), before, after func(p *play) func(string) error) func(*play) {
		return func(p *play) {
			f(p)
			var b, a func(string) error
			if before != nil {
				b = before(p)
			}
			if after != nil {
				a = after(p)
			}
			p.faults(b, a)
		}
	}
	lost := func(p *play) func(string) error { return times(1, always(away, "patch pvc")) }
	for name, c := range map[string]struct {
		prepare func(*play)
		result  string // if it ends well
		want    want
		writes  int
	}{
		"nothing there": {result: "ok", want: want{outcome: outcome.OK}, writes: 1},
		"not taken": {
			prepare: armed,
			result:  "withdrawn",
			want:    want{outcome: outcome.OK, trigger: "before"},
			writes:  1,
		},
		"no copy before": {
			prepare: func(p *play) { armed(p); p.annotate(handshake.LatestAnnotation, "") },
			result:  "withdrawn",
			want:    want{outcome: outcome.OK},
			writes:  1,
		},
		"taken": {prepare: taken, result: "tainted", want: want{outcome: outcome.OK, trigger: "before"}, writes: 1},
		"recorded": {
			prepare: func(p *play) { taken(p); p.completes() },
			result:  "ok",
			want:    want{outcome: outcome.OK, trigger: other.String()},
			writes:  1,
		},
		"somebody else's": {
			prepare: func(p *play) { p.annotate(handshake.TriggerAnnotation, "run-2.0123456789abcdef") },
			result:  "ok",
			want:    want{outcome: outcome.OK, trigger: "run-2.0123456789abcdef"},
			writes:  1,
		},
		"a conflict": {
			prepare: then(armed, func(p *play) func(string) error {
				return once("patch pvc", func() error { p.annotate("a", "b"); return nil })
			}, nil),
			result: "withdrawn",
			want:   want{outcome: outcome.OK, trigger: "before"},
			writes: 2,
		},
		"VolSync is quicker": {
			prepare: then(armed, func(p *play) func(string) error {
				return once("patch pvc", func() error { p.takes(); return nil })
			}, nil),
			result: "tainted",
			want:   want{outcome: outcome.OK, trigger: "before"},
			writes: 2,
		},
		"VolSync is done first": {
			prepare: then(armed, func(p *play) func(string) error {
				return once("patch pvc", func() error { p.takes(); p.completes(); return nil })
			}, nil),
			result: "ok",
			want:   want{outcome: outcome.OK, trigger: other.String()},
			writes: 2,
		},
		"reply lost": {
			prepare: then(armed, nil, lost),
			result:  "withdrawn",
			want:    want{outcome: outcome.OK, trigger: "before"},
			writes:  1,
		},
		"taken, reply lost": {
			prepare: then(taken, nil, lost),
			result:  "tainted",
			want:    want{outcome: outcome.OK, trigger: "before"},
			writes:  1,
		},
		"taken, reply lost, and VolSync is done": {
			prepare: func(p *play) {
				taken(p)
				p.faults(nil, once("patch pvc", func() error { p.completes(); return away }))
			},
			result: "tainted",
			want:   want{outcome: outcome.OK, trigger: "before"},
			writes: 1,
		},
		"request lost, then taken, then taken back by another": {
			prepare: then(armed, func(p *play) func(string) error {
				return once("patch pvc", func() error { p.takes(); p.annotate(handshake.TriggerAnnotation, "before"); return away })
			}, nil),
			result: "tainted",
			want:   want{outcome: outcome.OK, trigger: "before"},
			writes: 2,
		},
		"request lost": {
			prepare: then(armed, lost, nil),
			result:  "withdrawn",
			want:    want{outcome: outcome.OK, trigger: "before"},
			writes:  2,
		},
		"request lost, and VolSync is done": {
			prepare: then(armed, func(p *play) func(string) error {
				return once("patch pvc", func() error { p.takes(); p.completes(); return away })
			}, nil),
			result: "ok",
			want:   want{outcome: outcome.OK, trigger: other.String()},
			writes: 2,
		},
		"no such claim": {
			prepare: func(p *play) { p.claim = nil },
			want:    want{outcome: outcome.Refused, says: []string{"is not there"}, hint: "check --pvc"},
		},
		"may not read": {
			prepare: func(p *play) { p.faults(always(forbidden, "get pvc"), nil) },
			want:    want{outcome: outcome.Refused, says: []string{"not yours"}, hint: `grant the verb "get"`},
		},
		"may not write, nothing to write": {
			prepare: func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) },
			result:  "ok",
			want:    want{outcome: outcome.OK},
			writes:  8,
		},
		"may not write": {
			prepare: then(armed, func(p *play) func(string) error { return always(forbidden, "patch pvc") }, nil),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"cannot make sure", "not yours"},
				hint:    `grant the verb "patch"`,
				trigger: other.String(),
			},
			writes: 9,
		},
		"may not yet": {
			prepare: then(armed, func(p *play) func(string) error { return times(2, always(forbidden)) }, nil),
			result:  "withdrawn",
			want:    want{outcome: outcome.OK, trigger: "before"},
			writes:  1,
		},
		"server gone": {
			prepare: then(armed, func(p *play) func(string) error { return always(away) }, nil),
			want: want{
				outcome: outcome.Tainted,
				says: []string{
					"cannot make sure that no trigger of run run-1 stays armed",
					"timed out after 20s",
					"the server is away",
				},
				hint:    "copytrigger disarm -n app --pvc data --run-id run-1",
				trigger: other.String(),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, func(ctx context.Context, s Step) (any, error) {
				return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: timeout})
			}, nil)
			p.wants(t, c.want)
			if got := p.result.(Disarmed).Outcome; string(got) != c.result {
				t.Errorf("got result %v, want %s", got, c.result)
			}
			if n := p.count("patch pvc"); n != c.writes {
				t.Errorf("wrote %d times, want %d", n, c.writes)
			}
			if n := p.count("list rs") + p.count("watch pvc"); n != 0 {
				t.Errorf("%d requests beyond get and patch: %q", n, p.requests)
			}
		})
	}
}

func TestDisarmAgain(t *testing.T) {
	p := on(t, func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) },
		func(ctx context.Context, s Step) (any, error) {
			if v, err := (Group{s}).Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute}); err != nil {
				return v, err
			}
			return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
		}, nil)
	p.wants(t, want{outcome: outcome.OK, trigger: "before"})
	if got := p.result.(Disarmed).Outcome; got != outcome.OK || p.count("patch pvc") != 1 {
		t.Errorf("got %s after %d writes, want ok after 1", got, p.count("patch pvc"))
	}
}

func TestDisarmTriesOnce(t *testing.T) {
	p := on(t, func(p *play) { p.faults(always(away), nil) },
		func(ctx context.Context, s Step) (any, error) {
			return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: 0})
		}, nil)
	p.wants(t, want{outcome.Tainted, []string{"cannot make sure", "the server is away"}, "copytrigger disarm", ""})
	if len(p.requests) != 1 || p.took != 0 {
		t.Errorf("%d requests in %s, want 1 at once", len(p.requests), p.took)
	}
}

// Whoever disarms by hand has to unlock, and is told by what. The lock of another cleanup stays, and
// is told of as well.
func TestDisarmSaysWhatUnlocks(t *testing.T) {
	for name, c := range map[string]struct {
		id, says, left string
	}{
		"the only cleanup": {
			says: "copytrigger unlock -n app --pvc data --run-id run-1",
			left: run + "/cleanup/disarm.other",
		},
		"one of several": {
			id:   "pod-1",
			says: "copytrigger unlock -n app --pvc data --run-id run-1 --cleanup-id pod-1",
			left: run + "/cleanup/disarm.other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) { p.annotate(handshake.LockAnnotation, run+"/lost/one/disarm.other") },
				func(ctx context.Context, s Step) (any, error) {
					g := Group{s}
					if v, err := g.Disarm(ctx, DisarmOptions{Run: run, CleanupID: c.id, Timeout: time.Minute}); err != nil {
						return v, err
					}
					return nil, g.Unlock(ctx, UnlockOptions{Run: run, CleanupID: c.id, Timeout: time.Minute})
				}, nil)
			p.wants(t, want{outcome: outcome.OK})
			for _, want := range []string{
				"locked until the application runs again, and: " + c.says + "\"\n",
				"if none lives any more: copytrigger unlock -n app --pvc data --run-id run-1 --all\"\n",
			} {
				if said := p.log.b.String(); !strings.Contains(said, want) {
					t.Errorf("it does not say %q, but\n%s", want, said)
				}
			}
			p.wantLock(t, c.left)
		})
	}
}

// A cleanup in steps that could not put itself on the claim does not know whose it is: another run may
// begin before its unquiesce. One that has seen itself there does. A cleanup in one process looks again.
func TestDisarmThatIsNotOnTheClaim(t *testing.T) {
	for name, c := range map[string]struct {
		locked, owner string
		want          Whose
	}{
		"in steps":                {run + "/held/one", "", ""},
		"in steps, tried before":  {run + "/held/one/disarm", "", Own},
		"in one process":          {run + "/held/one", "process-9s", Own},
		"in steps, of another":    {"other/held/one", "", Anothers},
		"in steps, a free claim":  {"", "", ""},
		"in steps, another one's": {run + "/lost/one/disarm.other", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String(), handshake.LockAnnotation, c.locked)
				p.faults(always(away, "patch pvc"), nil)
			}, func(ctx context.Context, s Step) (any, error) {
				return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Owner: c.owner, Timeout: time.Minute})
			}, nil)
			if got := p.result.(Disarmed).Lock; got != c.want {
				t.Errorf("the lock is %q, want %q", got, c.want)
			}
			if said := p.log.b.String(); c.want == "" && strings.Contains(said, "locked until") {
				t.Errorf("it says\n%s", said)
			}
		})
	}
}

// In the freeze of another run there is nothing to unlock.
func TestDisarmSaysNothingOfAnothersLock(t *testing.T) {
	p := on(t, func(p *play) { p.annotate(handshake.LockAnnotation, lockValue("other")) }, disarm, nil)
	if said := p.log.b.String(); strings.Contains(said, "copytrigger unlock") {
		t.Errorf("it says\n%s", said)
	}
}

// Whose a group is: that of another run counts first, for its freeze must not be ended; then the
// run's own, for it had locked all.
func TestWhoseAll(t *testing.T) {
	others := Disarmed{Lock: Anothers, By: handshake.Lock{Run: "other", State: handshake.Held}}
	own, none, unknown, gone := Disarmed{Lock: Own}, Disarmed{Lock: Nobodys}, Disarmed{}, Disarmed{Lock: Anothers}
	for _, c := range []struct {
		all  []Disarmed
		want Whose
	}{
		{[]Disarmed{none, none}, Nobodys},
		{[]Disarmed{none, own}, Own},
		{[]Disarmed{own, others}, Anothers},
		{[]Disarmed{own, gone}, Own},
		{[]Disarmed{own, unknown}, Own},
		{[]Disarmed{none, unknown}, ""},
		{[]Disarmed{none, gone}, Anothers},
		{[]Disarmed{unknown, gone}, ""},
		{[]Disarmed{gone}, Anothers},
		{[]Disarmed{unknown}, ""},
	} {
		if got := WhoseAll(c.all); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.all, got, c.want)
		}
	}
}
