package step

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// idle makes the ReplicationSource one that rests until its schedule, or with its manual trigger.
func idle(manual string) func(*play) { return func(p *play) { p.rests(manual) } }

func (c *cluster) rests(manual string) {
	c.change("rs", func() {
		s := &c.sources[0]
		s.SyncStart, s.LastSync, s.Schedule = "", "2000-01-01T00:00:00Z", "0 3 * * *"
		s.Manual, s.LastManual, s.Version = manual, manual, "0"
	})
	c.annotate(handshake.StatusAnnotation, handshake.StatusCompleted, handshake.SinceAnnotation, "")
}

// begins is VolSync's beginning of a sync.
func (p *play) begins() {
	p.change("rs", func() { p.sources[0].SyncStart, p.sources[0].Version = "2000-01-01T01:00:00Z", "begun" })
}

// endsSync is VolSync's end of a sync: its copy goes a moment later.
func (p *play) endsSync() {
	p.change("rs", func() {
		s := &p.sources[0]
		s.SyncStart, s.LastSync, s.LastManual, s.Version = "", "2000-01-01T01:00:30Z", s.Manual, "ended"
	})
	after(time.Second)
	p.change("copy", func() { p.copied = nil })
}

func ownCopy() *handshake.Copy {
	return &handshake.Copy{Name: "volsync-rs-src", UID: "copy-0", Owner: "rs-1", Bound: true, Cut: "then"}
}

func start(t *testing.T, prepare, events func(*play)) *play {
	return on(t, prepare, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.StartSync(ctx, StartSyncOptions{Run: run, Timeout: 5 * time.Minute})
	}, events)
}

func (p *play) manual() string  { p.mu.Lock(); defer p.mu.Unlock(); return p.sources[0].Manual }
func (p *play) started() string { p.mu.Lock(); defer p.mu.Unlock(); return p.sources[0].Started }

func TestStartSync(t *testing.T) {
	const asks = run + "." + me
	otherRecord := handshake.Started{Run: "other", Manual: "other.1", Was: "git"}.String()
	for name, c := range map[string]struct {
		manual  string // before
		prepare func(*play)
		events  func(*play)
		outcome outcome.Outcome
		says    string
		left    string // manual
		begun   bool
	}{
		"a schedule": {events: func(p *play) { p.begins() }, outcome: outcome.OK, begun: true},
		"a manual trigger of Git's": {manual: "git", events: func(p *play) { p.begins() }, outcome: outcome.OK,
			left: "git", begun: true},
		"one runs already": {prepare: func(p *play) { p.begins() }, outcome: outcome.OK},
		"a manual trigger that is due": {manual: "git", prepare: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual = "by hand" })
		}, events: func(p *play) { p.begins() }, outcome: outcome.OK, left: "by hand"},
		"a start that was lost": {prepare: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual, p.sources[0].Started = "other.1", otherRecord })
		}, events: func(p *play) { p.begins() }, outcome: outcome.OK, left: "git"},
		"the reply is lost": {prepare: func(p *play) {
			p.faults(nil, once("patch rs", func() error { return away }))
		}, events: func(p *play) { after(time.Minute); p.begins() }, outcome: outcome.OK, begun: true},
		"a conflict": {prepare: func(p *play) {
			p.faults(once("patch rs", func() error { return conflict }), nil)
		}, events: func(p *play) { p.begins() }, outcome: outcome.OK, begun: true},
		"VolSync does not begin": {manual: "git", outcome: outcome.TimedOut, says: "VolSync has not begun the sync",
			left: "git"},
		"a signal": {manual: "git", events: func(p *play) { p.signal() }, outcome: outcome.Signalled, left: "git"},
		"reverted": {manual: "git", events: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual, p.sources[0].Version = "git", "reverted" })
		}, outcome: outcome.Refused, says: "before VolSync began", left: "git"},
		"reverted, with the annotation": {manual: "git", events: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual, p.sources[0].Started = "git", "" })
		}, outcome: outcome.Refused, says: "before VolSync began", left: "git"},
		"somebody asks for another": {manual: "git", events: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual, p.sources[0].Version = "by hand", "by hand" })
		}, outcome: outcome.Refused, says: `to "by hand"`, left: "by hand"},
		"the copy of an earlier sync is there": {manual: "git", prepare: func(p *play) {
			p.change("copy", func() { p.copied = ownCopy() })
		}, events: func(p *play) {
			after(time.Minute)
			if p.manual() != "git" {
				p.t.Error("a sync is asked for that would not wait")
			}
			p.change("copy", func() { p.copied = nil })
			after(time.Minute)
			p.begins()
		}, outcome: outcome.OK, left: "git", begun: true},
		"one runs already, in which VolSync does not wait any more": {manual: "git", prepare: func(p *play) {
			p.begins()
			p.change("copy", func() { p.copied = ownCopy() })
		}, events: func(p *play) {
			after(time.Minute)
			if p.manual() != "git" {
				p.t.Error("VolSync is asked for a sync while one runs")
			}
			p.endsSync()
			after(time.Minute)
			p.begins()
		}, outcome: outcome.OK, left: "git", begun: true},
		"one runs already, and does not end": {manual: "git", prepare: func(p *play) {
			p.begins()
			p.change("copy", func() { p.copied = ownCopy() })
		}, outcome: outcome.TimedOut, says: "another is started when it has ended", left: "git"},
		"not enabled": {prepare: func(p *play) { p.annotate(handshake.UseAnnotation, "") }, outcome: outcome.Refused,
			says: "without waiting"},
		"armed": {prepare: func(p *play) { p.annotate(handshake.TriggerAnnotation, "x") }, outcome: outcome.Refused,
			says: "armed"},
		"locked": {prepare: func(p *play) { p.annotate(handshake.LockAnnotation, lockValue("other")) },
			outcome: outcome.Refused, says: "run other has locked"},
		"not granted": {prepare: func(p *play) { p.faults(always(forbidden, "patch rs"), nil) },
			outcome: outcome.Refused, says: "patch replicationsources"},
		"the claim is not granted": {manual: "git", prepare: func(p *play) {
			p.faults(always(forbidden, "try pvc"), nil)
		}, events: func(p *play) {
			if n := p.count("patch rs"); n != 0 {
				p.t.Error("a sync is asked for that nobody may use")
			}
		}, outcome: outcome.Refused, says: "patch persistentvolumeclaims", left: "git"},
		"killed by a signal in doubt": {manual: "git", prepare: func(p *play) {
			p.faults(once("patch rs", func() error { p.signal(); return away }), nil)
		}, outcome: outcome.Signalled, left: "git"},
		"given up, and refused for a moment": {manual: "git", events: func(p *play) {
			p.faults(times(2, always(forbidden, "patch rs")), nil)
		}, outcome: outcome.TimedOut, says: "VolSync has not begun the sync", left: "git"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, func(p *play) {
				idle(c.manual)(p)
				if c.prepare != nil {
					c.prepare(p)
				}
			}, c.events)
			got, says := outcome.OK, ""
			if p.err != nil {
				got, says = endingOf(p.err).Outcome, p.err.Error()
			}
			if got != c.outcome || !strings.Contains(says, c.says) {
				t.Errorf("got %s: %v, want %s: %q\n%s", got, p.err, c.outcome, c.says, &p.log.b)
			}
			if p.manual() != c.left || p.started() != "" {
				t.Errorf("left manual %q, want %q, and the record %q", p.manual(), c.left, p.started())
			}
			if found, _ := p.result.([]SyncStarted); got == outcome.OK && found[0].Begun != c.begun {
				t.Errorf("got %+v, want begun: %t", found, c.begun)
			}
		})
	}
	if !strings.HasPrefix(asks, run) {
		t.Error("the manual trigger does not name the run")
	}
}

// A wait that is to start a sync begins one as soon as that is over in which VolSync does not wait, within
// its own limit.
func TestAwaitWaitingStartsTheNext(t *testing.T) {
	p := on(t, func(p *play) {
		p.rests("")
		p.begins()
		p.change("copy", func() { p.copied = ownCopy() })
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, Start: true, Timeout: time.Hour})
	}, func(p *play) {
		after(time.Minute)
		p.endsSync()
		after(time.Minute)
		p.begins()
		p.annotate(handshake.StatusAnnotation, handshake.StatusWaiting, handshake.SinceAnnotation, "then")
	})
	if p.err != nil || p.took > 3*time.Minute || p.manual() != "" || p.started() != "" {
		t.Errorf("got %v after %s, left manual %q, and the record %q", p.err, p.took, p.manual(), p.started())
	}
	if !p.log.has("another is started when it has ended") {
		t.Errorf("it does not say what it waits for\n%s", &p.log.b)
	}
}

// Each member of a group is asked for its sync by itself, and none a second time; all run in the end.
func TestGroupStartSync(t *testing.T) {
	begins := func(c *cluster) { c.change("rs", func() { c.sources[0].SyncStart = "2000-01-01T01:00:00Z" }) }
	p := together(t, nil, func(p *groupPlay) {
		for _, c := range p.all {
			c.rests("git")
		}
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.StartSync(ctx, StartSyncOptions{Run: run, Timeout: 5 * time.Minute})
	}, func(p *groupPlay) {
		for _, c := range p.all {
			if got := c.sources[0].Manual; got != run+"."+me {
				t.Errorf("%s: asked for by %q: another process of the run would ask by the same", c.name, got)
			}
		}
		begins(p.cluster)
		after(time.Minute)
		p.change("rs", func() { p.sources[0].SyncStart, p.sources[0].LastSync = "", "2000-01-01T01:00:30Z" })
		after(time.Minute)
		begins(p.second())
	})
	found, _ := p.result.([]SyncStarted)
	want := []SyncStarted{
		{Source: "rs", Since: "2000-01-01T01:00:00Z", Begun: true},
		{Source: "rs-wal", Since: "2000-01-01T01:00:00Z", Begun: true},
	}
	if p.err != nil || !slices.Equal(found, want) || p.took != 2*time.Minute {
		t.Errorf("got %+v, %v, after %s, want %+v", found, p.err, p.took, want)
	}
	for _, c := range p.all {
		if s := c.sources[0]; s.Manual != "git" || s.Started != "" {
			t.Errorf("%s: left manual %q, and the record %q", c.name, s.Manual, s.Started)
		}
	}
}

// A cleanup that cannot look at the ReplicationSource says so, but not to an account that has started no
// sync, for it may not.
func TestCleanupThatCannotLookForAManualTrigger(t *testing.T) {
	for name, c := range map[string]struct {
		fault error
		warns bool
	}{
		"away":          {away, true},
		"forbidden":     {forbidden, false},
		"not VolSync's": {apierrors.NewNotFound(resources["rs"], ""), false},
	} {
		p := on(t, func(p *play) { p.faults(always(c.fault, "list rs"), nil) },
			func(ctx context.Context, s Step) (any, error) {
				return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
			}, nil)
		if p.err != nil || p.log.has("has left a manual trigger") != c.warns {
			t.Errorf("%s: got %v\n%s", name, p.err, &p.log.b)
		}
	}
	p := on(t, func(p *play) { p.step.ClaimOnly = true }, func(ctx context.Context, s Step) (any, error) {
		return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
	}, nil)
	if n := p.count("list rs"); p.err != nil || n != 0 {
		t.Errorf("by the claim alone: %v, %d looks at ReplicationSources", p.err, n)
	}
}

// A webhook strips the record: what was there is put back, for nobody would do it later.
func TestStartSyncThatIsAltered(t *testing.T) {
	p := start(t, func(p *play) {
		idle("git")(p)
		p.strip = true
	}, nil)
	if got := endingOf(p.err); got.Outcome != outcome.Refused || !strings.Contains(got.Why, "came back") || got.Left != 0 {
		t.Errorf("got %v", p.err)
	}
	if p.manual() != "git" || p.started() != "" {
		t.Errorf("left manual %q, and the record %q", p.manual(), p.started())
	}
}

// A start-sync was killed between its two writes: cleanup, and unlock as the last step of one, put back.
func TestCleanupPutsBackAManualTrigger(t *testing.T) {
	cleanUp := func(ctx context.Context, s Step) (any, error) {
		return Group{s}.Cleanup(ctx, CleanupOptions{Run: run, Unquiesce: time.Minute})
	}
	unlock := func(ctx context.Context, s Step) (any, error) {
		return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
	}
	for name, do := range map[string]func(context.Context, Step) (any, error){"cleanup": cleanUp, "unlock": unlock} {
		for whose, want := range map[string]string{run: "git", "other": "other.1"} {
			p := on(t, func(p *play) {
				idle("git")(p)
				record := handshake.Started{Run: whose, Manual: whose + ".1", Was: "git"}
				p.change("rs", func() { p.sources[0].Manual, p.sources[0].Started = record.Manual, record.String() })
			}, do, nil)
			if p.err != nil || p.manual() != want || (p.started() == "") != (whose == run) {
				t.Errorf("%s of %s: got %v, left manual %q, want %q, the record %q",
					name, whose, p.err, p.manual(), want, p.started())
			}
		}
	}
	p := on(t, func(p *play) {
		idle("git")(p)
		record := handshake.Started{Run: run, Manual: run + ".1", Was: "git"}
		p.change("rs", func() { p.sources[0].Manual, p.sources[0].Started = record.Manual, record.String() })
		p.faults(always(forbidden, "patch rs"), nil)
	}, cleanUp, nil)
	var e *outcome.Ending
	if !errors.As(p.err, &e) || e.Left != outcome.LeftManual || !strings.Contains(e.Hint, "copytrigger cleanup") {
		t.Errorf("what it could not put back: %v, %+v", p.err, e)
	}
}

// moves is a play of await-synced, from where VolSync has recorded the trigger.
func moves(t *testing.T, prepare, events func(*play)) *play {
	var trigger handshake.Trigger
	return on(t, func(p *play) {
		trigger = p.made()
		p.annotate(handshake.TriggerAnnotation, trigger.String())
		p.takes()
		p.completes()
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.AwaitSynced(ctx, AwaitSyncedOptions{Trigger: trigger, Timeout: time.Hour})
	}, events)
}

// ends is VolSync's end of the sync.
func (p *play) ends(result string) {
	p.change("rs", func() {
		s := &p.sources[0]
		s.LastSyncStart, s.SyncStart, s.LastSync = s.SyncStart, "", "2000-01-01T00:10:00Z"
		s.MoverResult, s.MoverLog = result, "snapshot saved"
	})
}

func (p *play) moverFails() {
	p.change("rs", func() { p.sources[0].MoverResult, p.sources[0].MoverLog = "Failed", "repository is locked" })
}

func TestAwaitSynced(t *testing.T) {
	for name, c := range map[string]struct {
		prepare, events func(*play)
		outcome         outcome.Outcome
		says            string
		took            time.Duration
	}{
		"moved":         {events: func(p *play) { after(10 * time.Minute); p.ends("Successful") }, took: 10 * time.Minute},
		"moved already": {prepare: func(p *play) { p.ends("Successful") }},
		"after a failure": {events: func(p *play) { p.moverFails(); after(time.Minute); p.ends("Successful") },
			took: time.Minute},
		"the next sync has begun": {events: func(p *play) {
			p.ends("Successful")
			p.change("rs", func() { p.sources[0].SyncStart, p.sources[0].MoverResult = "2000-01-01T00:11:00Z", "Failed" })
		}},
		"the next sync has ended, unseen": {events: func(p *play) {
			p.change("rs", func() { p.sources[0].SyncStart, p.sources[0].LastSyncStart = "", "2000-01-01T00:20:00Z" })
			p.change("rs", func() { p.sources[0].LastSync, p.sources[0].MoverResult = "2000-01-01T00:30:00Z", "Successful" })
		}},
		"the mover fails": {events: func(p *play) { p.moverFails() }, outcome: outcome.Unsynced,
			says: "last result is Failed: repository is locked", took: time.Hour},
		"the last result is of an older sync": {prepare: func(p *play) {
			p.change("rs", func() { p.sources[0].MoverResult, p.sources[0].LastSync = "Successful", "1999-12-31T00:00:00Z" })
		}, outcome: outcome.Unsynced, says: "moves the data", took: time.Hour},
		"lastManualSync says nothing": {prepare: func(p *play) {
			p.change("rs", func() { p.sources[0].Manual, p.sources[0].LastManual = "x", "x" })
		}, outcome: outcome.Unsynced, says: "moves the data", took: time.Hour},
		"paused, and ended all the same": {events: func(p *play) {
			p.change("rs", func() { p.sources[0].Paused = true })
			p.ends("Successful")
		}, outcome: outcome.Unsynced, says: "is paused"},
		"ended without a success": {events: func(p *play) { p.ends("Failed") }, outcome: outcome.Unsynced,
			says: "not Successful"},
		"a signal": {events: func(p *play) { p.signal() }, outcome: outcome.Unsynced, says: "SIGTERM"},
		"deleted": {events: func(p *play) { p.change("rs", func() { p.sources = nil }) }, outcome: outcome.Unsynced,
			says: "no ReplicationSource"},
		"created again": {events: func(p *play) { p.change("rs", func() { p.sources[0].UID = "rs-2" }) },
			outcome: outcome.Unsynced, says: "was deleted"},
		"another sync": {prepare: func(p *play) {
			p.change("rs", func() { p.sources[0].SyncStart = "2000-01-02T00:00:00Z" })
		}, outcome: outcome.Unsynced, says: "nobody saw"},
		"the next sync has begun before": {prepare: func(p *play) {
			p.ends("Successful")
			p.change("rs", func() { p.sources[0].SyncStart, p.sources[0].MoverResult = "2000-01-01T00:11:00Z", "Failed" })
		}},
		"the mover fails, and the server is away": {events: func(p *play) {
			p.moverFails()
			after(time.Minute)
			p.faults(always(away), nil)
		}, outcome: outcome.Unsynced, says: "the mover's last result is Failed", took: time.Hour},
		"refused for a moment": {events: func(p *play) {
			after(time.Minute)
			p.faults(times(1, always(forbidden, "list rs")), nil)
			p.ends("Successful")
		}, took: time.Minute},
		"not recorded": {prepare: func(p *play) { p.annotate(handshake.LatestAnnotation, "before") },
			outcome: outcome.Unverified, says: "has not recorded"},
		"not granted": {prepare: func(p *play) { p.faults(always(forbidden, "list rs"), nil) },
			outcome: outcome.Unsynced, says: "gave up"},
	} {
		t.Run(name, func(t *testing.T) {
			p := moves(t, c.prepare, c.events)
			got, says := outcome.OK, ""
			if p.err != nil {
				got, says = endingOf(p.err).Outcome, p.err.Error()
			}
			if c.outcome == "" {
				c.outcome = outcome.OK
			}
			if got != c.outcome || !strings.Contains(says, c.says) {
				t.Errorf("got %s: %v, want %s: %q\n%s", got, p.err, c.outcome, c.says, &p.log.b)
			}
			if p.took < c.took || p.took > c.took+graceOfRefusal+maxRetry {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
			if n := p.count("patch pvc") + p.count("patch rs"); n != 0 {
				t.Errorf("%d writes", n)
			}
			if name == "the last result is of an older sync" && p.result.([]Synced)[0].Result != "" {
				t.Errorf("got %+v: that is of another sync", p.result)
			}
			if found := p.result.([]Synced); (found[0].At != "") != (got == outcome.OK) {
				t.Errorf("%s: got %+v", got, found)
			}
		})
	}
}

// A wait that gives up says where to look: in the log of the mover's Job while VolSync tells no result
// of it, and at the ReplicationSource after that, or where nobody knows the Job's name.
func TestAwaitSyncedSaysWhereToLook(t *testing.T) {
	const source = "kubectl describe replicationsources -n app"
	log := func(job string) string { return "kubectl logs -n app job/" + job }
	longest := strings.Repeat("n", 63-len("volsync-src-"))
	for name, c := range map[string]struct {
		mover, source, result, says string
	}{
		"restic":                {mover: "restic", source: "nightly", says: log("volsync-src-nightly")},
		"rclone":                {mover: "rclone", source: "nightly", says: log("volsync-rclone-src-nightly")},
		"rsyncTLS":              {mover: "rsyncTLS", source: "nightly", says: log("volsync-rsync-tls-src-nightly")},
		"rsync":                 {mover: "rsync", source: "nightly", says: log("volsync-rsync-src-nightly")},
		"kopia":                 {mover: "kopia", source: "nightly", says: source},
		"a failure":             {mover: "restic", source: "nightly", result: "Failed", says: source},
		"the longest name":      {mover: "restic", source: longest, says: log("volsync-src-" + longest)},
		"longer: VolSync's uid": {mover: "restic", source: longest + "n", says: log("volsync-src-rs-1")},
		"an older sync's result": {
			mover: "restic", source: "nightly", result: "Successful",
			says: log("volsync-src-nightly"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := moves(t, func(p *play) {
				p.change("rs", func() {
					s := &p.sources[0]
					s.Mover, s.Name, s.MoverResult, s.LastSync = c.mover, c.source, c.result, "1999-12-31T00:00:00Z"
				})
			}, nil)
			if hint := hintOf(p.err); !strings.HasSuffix(hint, ": "+c.says) {
				t.Errorf("got hint %q of %v, want %s", hint, p.err, c.says)
			}
		})
	}
}

// With a limit of 0 it looks once. A member whose data are moved does not end the wait for the other.
func TestAwaitSyncedOnceAndForAll(t *testing.T) {
	moves := func(c *cluster) {
		c.change("rs", func() {
			s := &c.sources[0]
			s.LastSyncStart, s.SyncStart, s.LastSync = s.SyncStart, "", "2000-01-01T00:10:00Z"
			s.MoverResult = "Successful"
		})
	}
	for limit, took := range map[time.Duration]time.Duration{0: 0, time.Hour: 2 * time.Minute} {
		var trigger handshake.Trigger
		p := together(t, nil, func(p *groupPlay) {
			trigger = p.made()
			p.set(name, wal)
			for _, c := range p.all {
				c.takes()
				c.completes()
			}
		}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
			return g.AwaitSynced(ctx, AwaitSyncedOptions{Trigger: trigger, Timeout: limit})
		}, func(p *groupPlay) {
			after(time.Minute)
			moves(p.cluster)
			after(time.Minute)
			moves(p.second())
		})
		if (p.err == nil) != (limit > 0) || p.took != took {
			t.Errorf("limit %s: got %v after %s, want %s", limit, p.err, p.took, took)
		}
	}
}
