package step

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// lockedFor locks the claim for a run, in a state: RUN (held), RUN/lost or RUN/cleanup, by one
// process that is not the step's, unless the owners are given.
func lockedFor(by string) func(*play) {
	return func(p *play) { p.annotate(handshake.LockAnnotation, lockValue(by)) }
}

func lockValue(by string) string {
	l := handshake.ParseLock(by)
	if by != "" && l.Owners == "" {
		l.Owners = "earlier"
	}
	return l.String()
}

func (p *play) outcome() outcome.Outcome {
	var ending *outcome.Ending
	if errors.As(p.err, &ending) {
		return ending.Outcome
	}
	return outcome.OK
}

func (p *play) wantLock(t *testing.T, want string) {
	t.Helper()
	got := p.get(handshake.LockAnnotation)
	if l := handshake.ParseLock(want); l.Owners == "" { // the run and the state
		has := handshake.ParseLock(got)
		got, want = handshake.Lock{Run: has.Run, State: has.State}.String(), l.String()
	}
	if got != want {
		t.Errorf("the claim is locked by %q, want %q", got, want)
	}
}

func TestAwaitWaitingLocks(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*play)
		want    want
		lock    string
	}{
		"free": {want: want{outcome: outcome.OK}, lock: run},
		"another's": {
			prepare: lockedFor("other"),
			want:    want{outcome: outcome.Refused, says: []string{"run other has locked"}, hint: "--run-id other"},
			lock:    "other",
		},
		"a lost pod's": {
			prepare: lockedFor(run),
			want:    want{outcome: outcome.Tainted, says: []string{"earlier attempt of this run"}, hint: "unlock"},
			lock:    run,
		},
		"a lost pod's, fired": {
			prepare: func(p *play) { lockedFor(run)(p); p.annotate(handshake.TriggerAnnotation, other.String()) },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"earlier attempt of this run"},
				hint:    "unlock",
				trigger: "before",
			},
			lock: run,
		},
		"the reply is lost": {
			prepare: func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))) },
			want:    want{outcome: outcome.OK},
			lock:    run,
		},
		"taken at the same time": {
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error {
					p.annotate(handshake.LockAnnotation, lockValue("other"))
					return nil
				}), nil)
			},
			want: want{outcome: outcome.Refused, says: []string{"run other has locked"}, hint: "cleanup"},
			lock: "other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitWaiting(time.Hour), nil)
			p.wants(t, c.want)
			p.wantLock(t, c.lock)
		})
	}
}

// An await-waiting that ends badly leaves no lock: not by a write whose reply was lost, nor by
// one that arrives later, nor by one in the middle of which a signal came.
func TestAwaitWaitingLeavesNoLock(t *testing.T) {
	replyLost := func(p *play) {
		p.faults(nil, once("patch pvc", func() error {
			p.faults(always(away), nil)
			time.AfterFunc(time.Minute+time.Second, func() { p.faults(nil, nil) })
			return away
		}))
	}
	for name, c := range map[string]struct {
		prepare func(p *play)
		want    outcome.Outcome
	}{
		"the reply is lost, then time is up": {prepare: replyLost, want: outcome.TimedOut},
		"the write is still under way": {
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error {
					late := *p.claim
					time.AfterFunc(time.Minute+10*time.Second, func() {
						_, err := p.Annotate(t.Context(), late, map[string]string{handshake.LockAnnotation: lockValue(run)})
						if err == nil {
							t.Error("the late write was kept")
						}
					})
					p.faults(always(away), nil)
					time.AfterFunc(time.Minute+time.Second, func() { p.faults(nil, nil) })
					return away
				}), nil)
			},
			want: outcome.TimedOut,
		},
		"a signal in the middle of the write": {
			prepare: func(p *play) {
				p.faults(nil, once("patch pvc", func() error { p.signal(); return nil }))
			},
			want: outcome.Signalled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitWaiting(time.Minute), func(*play) { after(2 * time.Minute) })
			if got := p.outcome(); got != c.want {
				t.Errorf("got %s (%v), want %s", got, p.err, c.want)
			}
			p.wantLock(t, "")
			if !reflect.DeepEqual(p.result, Waiting{}) {
				t.Errorf("found %+v", p.result)
			}
		})
	}
}

// A claim that another run has locked is refused at once, also where VolSync does not wait yet.
func TestAwaitWaitingLooksAtTheLockFirst(t *testing.T) {
	p := on(t, func(p *play) { lockedFor("other")(p); p.sources[0].SyncStart = "" }, awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.Refused, says: []string{"run other has locked"}, hint: "cleanup"})
	if p.took != 0 {
		t.Errorf("took %s", p.took)
	}
}

func TestFireTriggerWantsItsLock(t *testing.T) {
	for by, want := range map[string]outcome.Outcome{run: outcome.OK, "": outcome.Refused, "other": outcome.Refused} {
		p := fire(t, time.Minute, lockedFor(by), nil)
		if got := p.outcome(); got != want {
			t.Errorf("locked by %q: got %s, want %s", by, got, want)
		}
	}
}

func TestAwaitCompletedWantsItsLock(t *testing.T) {
	for by, want := range map[string]outcome.Outcome{
		run: outcome.OK, "": outcome.Unverified, "other": outcome.Unverified,
	} {
		p := complete(t, freeze, (func(p *play) { lockedFor(by)(p); p.takes(); p.completes() }), nil)
		if got := p.outcome(); got != want {
			t.Errorf("locked by %q: got %s, want %s", by, got, want)
		}
	}
}

// A fire-trigger that was killed may have its write still under way: who finds no trigger
// makes sure that it fails, before the application is let go.
func TestAwaitCompletedThatFindsNoTriggerMarksTheLock(t *testing.T) {
	p := complete(t, freeze, (func(p *play) { lockedFor(run)(p); p.annotate(handshake.TriggerAnnotation, "") }), nil)
	p.wants(t, want{outcome.Refused, []string{"neither set nor recorded"}, "run fire-trigger first", ""})
	p.wantLock(t, run+"/lost")
	// What VolSync has recorded in the last moment stays the run's.
	p = complete(t, time.Minute, (func(p *play) { lockedFor(run)(p); p.takes() }), func(p *play) {
		p.faults(once("get pvc", func() error { p.completes(); return nil }), nil)
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	p.wantLock(t, run)
}

func TestUnlock(t *testing.T) {
	dir := t.TempDir()
	file := func(code string) string {
		path := filepath.Join(dir, code)
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		by, after string
		prepare   func(*play)
		want      outcome.Outcome
		left      string
	}{
		"own":              {by: run, want: outcome.OK},
		"none":             {want: outcome.OK},
		"another's":        {by: "other", want: outcome.OK, left: "other"},
		"after a good end": {by: run, after: file("0"), want: outcome.OK},
		"after a bad end":  {by: run, after: file("1"), want: outcome.Refused, left: run},
		"after no end":     {by: run, after: dir + "/none", want: outcome.Refused, left: run},
		"lost":             {by: run + "/lost", after: file("1"), want: outcome.Refused, left: run + "/lost"},
		// The run had quiesced nothing.
		"a cleanup's":       {by: run + "/cleanup/disarm", after: file("1"), want: outcome.OK},
		"another cleanup's": {by: run + "/lost/p/c", want: outcome.OK, left: run + "/cleanup/c"},
		"changed meanwhile": {
			by: run,
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error { p.annotate("example.com/x", "y"); return nil }), nil)
			},
			want: outcome.OK,
		},
		"not allowed": {
			by:      run,
			prepare: func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) },
			want:    outcome.Refused,
			left:    run,
		},
		"the server is away": {
			by:      run,
			prepare: func(p *play) { p.faults(always(away, "patch pvc"), nil) },
			want:    outcome.TimedOut,
			left:    run,
		},
		"away for a little bit": {
			by:      run,
			prepare: func(p *play) { p.faults(times(2, always(away, "patch pvc")), nil) },
			want:    outcome.OK,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) {
				lockedFor(c.by)(p)
				if c.prepare != nil {
					c.prepare(p)
				}
			}, func(ctx context.Context, s Step) (any, error) {
				return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, After: c.after, Timeout: time.Minute})
			}, nil)
			if got := p.outcome(); got != c.want {
				t.Errorf("got %s (%v), want %s", got, p.err, c.want)
			}
			p.wantLock(t, c.left)
		})
	}
}

// A cleanup decides by it whether it may unquiesce.
func TestDisarmTellsWhoseTheLockIs(t *testing.T) {
	for by, c := range map[string]struct{ want, left string }{
		"other/lost":  {"other", "other/lost"},
		"":            {"none", run + "/cleanup"},
		run:           {"own", run + "/lost"},
		run + "/lost": {"own", run + "/lost"},
		"other":       {"other", "other"},
	} {
		p := on(t, lockedFor(by), disarm, nil)
		if got := p.result.(Disarmed).Lock; string(got) != c.want || p.err != nil {
			t.Errorf("locked by %q: got %v, %v", by, got, p.err)
		}
		p.wantLock(t, c.left)
	}
}

// Who was given the name of a claim that is not there has quiesced nothing.
func TestDisarmOfNoClaim(t *testing.T) {
	for says, prepare := range map[string]func(*play){
		"is not there": func(p *play) { p.claim = nil },
		"forbidden":    func(p *play) { p.faults(always(forbidden, "get pvc"), nil) },
	} {
		p := on(t, prepare, disarm, nil)
		p.wants(t, want{outcome: outcome.Refused, says: []string{says}, hint: "unquiesce by hand"})
		if got := p.result.(Disarmed).Lock; got != Anothers {
			t.Errorf("%s: got lock %v", says, got)
		}
	}
}

func disarm(ctx context.Context, s Step) (any, error) {
	return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
}

// With keepOut no run may begin between the look of a cleanup and its unquiesce.
func TestDisarmKeepsOut(t *testing.T) {
	keepOut := func(ctx context.Context, s Step) (any, error) {
		return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
	}
	for by, c := range map[string]struct{ want, left string }{
		"":               {"none", run + "/cleanup"},
		run + "/cleanup": {"none", run + "/cleanup"}, // again
		run:              {"own", run + "/lost"},
		"other":          {"other", "other"},
		"other/lost":     {"other", "other/lost"},
	} {
		p := on(t, lockedFor(by), keepOut, nil)
		if got := p.result.(Disarmed).Lock; string(got) != c.want || p.err != nil {
			t.Errorf("locked by %q: got %v, %v", by, got, p.err)
		}
		p.wantLock(t, c.left)
	}
	// That it may not is no reason to fail: nothing of the run is armed, or could be.
	for name, fault := range map[string]func(string) error{
		"denied": always(forbidden, "patch pvc"),
		"away":   always(away, "patch pvc"),
	} {
		p := on(t, func(p *play) { p.faults(fault, nil) }, keepOut, nil)
		if name == "away" { // and may still be written
			p.wants(t, want{outcome.Failed, []string{"THE CLAIM MAY STAY LOCKED", "under way"}, "copytrigger unlock", ""})
			continue
		}
		p.wants(t, want{outcome: outcome.OK})
		if p.wantLock(t, ""); p.log.count("lock was not changed") != 1 {
			t.Errorf("%s: says\n%s", name, &p.log.b)
		}
	}
}

// As long as the run's own lock is not marked, a write of the trigger that is under way could
// still be kept. Few failures of the mark are no reason to say that nothing is armed.
func TestDisarmInsistsOnTheLostLock(t *testing.T) {
	p := on(t, func(p *play) { lockedFor(run)(p); p.faults(times(5, always(away, "patch pvc")), nil) }, disarm, nil)
	p.wants(t, want{outcome: outcome.OK})
	p.wantLock(t, run+"/lost")

	p = on(t, func(p *play) { lockedFor(run)(p); p.faults(always(away, "patch pvc"), nil) }, disarm, nil)
	p.wants(t, want{outcome.Tainted, []string{"cannot make sure", "timed out after 1m0s"}, "copytrigger disarm", ""})
}

// What an await-waiting finds of another's cleanup goes by: it waits for it.
func TestAwaitWaitingWaitsForACleanup(t *testing.T) {
	p := on(t, lockedFor("other/cleanup"), awaitWaiting(time.Hour), func(p *play) {
		after(time.Minute)
		p.annotate(handshake.LockAnnotation, "")
	})
	p.wants(t, want{outcome: outcome.OK})
	p.wantLock(t, run)
	if p.took < time.Minute || p.log.count("the cleanup of run other") == 0 {
		t.Errorf("took %s, and said\n%s", p.took, &p.log.b)
	}
	// It may come between the look and the lock, too.
	p = on(t, (func(p *play) {
		p.faults(once("patch pvc", func() error {
			p.annotate(handshake.LockAnnotation, lockValue("other/cleanup"))
			time.AfterFunc(time.Second, func() { p.annotate(handshake.LockAnnotation, "") })
			return nil
		}), nil)
	}), awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.OK})
	p.wantLock(t, run)
}

// A slow server must not be asked for more than before.
func TestDisarmOnASlowServer(t *testing.T) {
	for _, by := range []string{"", run} {
		p := on(t, func(p *play) {
			lockedFor(by)(p)
			p.annotate(handshake.TriggerAnnotation, other.String())
			p.faults(func(string) error { time.Sleep(9 * time.Second); return nil }, nil)
		}, func(ctx context.Context, s Step) (any, error) {
			return Group{s}.Disarm(ctx, DisarmOptions{Run: run, Timeout: 20 * time.Second})
		}, nil)
		p.wants(t, want{outcome: outcome.OK, trigger: "before"})
	}
}

// Whatever becomes of the mark, the trigger is given back.
func TestDisarmMarksTheLock(t *testing.T) {
	armed := func(p *play) { lockedFor(run)(p); p.annotate(handshake.TriggerAnnotation, other.String()) }
	for name, c := range map[string]struct {
		faults func(p *play)
		lock   string
		writes int
	}{
		"marks":             {func(*play) {}, run + "/lost", 1},
		"may not":           {func(p *play) { p.faults(times(3, always(forbidden, "patch pvc")), nil) }, run, 4},
		"may not yet":       {func(p *play) { p.faults(times(2, always(forbidden, "patch pvc")), nil) }, run + "/lost", 3},
		"cannot":            {func(p *play) { p.faults(times(3, always(away, "patch pvc")), nil) }, run, 4},
		"cannot for a time": {func(p *play) { p.faults(times(2, always(away, "patch pvc")), nil) }, run + "/lost", 3},
		"the reply is lost": {func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))) }, run + "/lost", 1},
		"changed meanwhile": {func(p *play) {
			p.faults(once("patch pvc", func() error { p.annotate("example.com/x", "y"); return nil }), nil)
		}, run + "/lost", 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) { armed(p); c.faults(p) }, disarm, nil)
			p.wants(t, want{outcome: outcome.OK, trigger: "before"})
			p.wantLock(t, c.lock)
			if got := p.result.(Disarmed).Outcome; got != outcome.Withdrawn || p.count("patch pvc") != c.writes {
				t.Errorf("got %v after %d writes, want withdrawn after %d", got, p.count("patch pvc"), c.writes)
			}
		})
	}
}

// A write of the trigger of which fire-trigger knows nothing any more may be under way
// still. With a lock, a mark on it makes sure that it fails.
func TestFireTriggerInDoubtMarksTheLock(t *testing.T) {
	for name, c := range map[string]struct {
		doubt func(p *play) func(string) error
		want  want
		lock  string
	}{
		"a signal": {
			doubt: func(p *play) func(string) error { return once("patch pvc", func() error { p.signal(); return away }) },
			want:  want{outcome: outcome.Signalled, says: []string{"SIGTERM"}, hint: "another run"},
			lock:  run + "/lost",
		},
		"a signal, no doubt": {
			doubt: func(p *play) func(string) error { return once("get copy", func() error { p.signal(); return nil }) },
			want:  want{outcome: outcome.Signalled, says: []string{"SIGTERM"}, hint: "another run"},
			lock:  run,
		},
		"a signal, and the mark cannot be written": {
			doubt: func(p *play) func(string) error {
				return func(request string) error {
					if request != "patch pvc" {
						return nil
					}
					p.signal()
					return away
				}
			},
			want: want{outcome: outcome.Tainted, says: []string{"SIGTERM", "cannot make sure"}, hint: "copytrigger disarm"},
			lock: run,
		},
		"the source is gone after it": {
			doubt: func(p *play) func(string) error {
				return once("patch pvc", func() error { p.change("rs", func() { p.sources = nil }); return away })
			},
			want: want{outcome: outcome.Refused, says: []string{"no ReplicationSource"}, hint: "create"},
			lock: run + "/lost",
		},
		"the claim is changed after it": {
			doubt: func(p *play) func(string) error {
				return once("patch pvc", func() error {
					p.change("rs", func() { p.sources = nil })
					p.annotate("example.com/x", "y")
					return away
				})
			},
			want: want{outcome: outcome.Refused, says: []string{"no ReplicationSource"}, hint: "create"},
			lock: run + "/lost",
		},
		"it cannot be marked": {
			doubt: func(p *play) func(string) error {
				writes := 0
				return func(request string) error {
					if request != "patch pvc" {
						return nil
					}
					switch writes++; {
					case writes == 1:
						p.signal()
						p.annotate(handshake.TriggerAnnotation, waitingTrigger(t))
						return away
					case writes <= 1+3:
						return forbidden
					}
					return nil
				}
			},
			want: want{outcome: outcome.Withdrawn, says: []string{"SIGTERM", "taken back"}, trigger: "before"},
			lock: run,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := fire(t, time.Minute, (func(p *play) { lockedFor(run)(p); p.faults(c.doubt(p), nil) }), nil)
			p.wants(t, c.want)
			p.wantLock(t, c.lock)
		})
	}
}
