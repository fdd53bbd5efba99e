package handshake

import (
	"slices"
	"strings"
	"testing"
)

// ready is a claim on which VolSync waits.
func ready() Observed {
	w, _ := firingWorld()
	w.Claim = free(w.Claim)
	return w
}

// worstOf is the worst finding about an aspect.
func worstOf(w Observed, about Aspect) Finding {
	worst := Finding{}
	for _, f := range Findings(w) {
		if f.About == about && (worst.About == "" || f.Level > worst.Level) {
			worst = f
		}
	}
	return worst
}

// Whatever is in the way of a run is found, with a command wherever one helps, and everything else is
// fine: one thing does not hide another, and does not make up one.
func TestFindings(t *testing.T) {
	long := strings.Repeat("x", 242)
	for name, c := range map[string]struct {
		change func(w *Observed)
		about  Aspect
		level  Level
		says   string
		next   MoveKind
	}{
		"nothing": {
			change: func(*Observed) {}, about: AboutSync, level: Fine, says: "VolSync waits since",
		},
		"deleted": {
			change: func(w *Observed) { w.Claim.Deleting = true },
			about:  AboutClaim, level: Refusal, says: "being deleted",
		},
		"not enabled": {
			change: func(w *Observed) { w.Claim.Enabled = false },
			about:  AboutClaim, level: Refusal, says: "has no annotation", next: MoveAnnotate,
		},
		"not bound": {
			change: func(w *Observed) { w.Claim.Bound = false },
			about:  AboutClaim, level: Refusal, says: "not bound", next: MoveDescribeClaim,
		},
		"armed": {
			change: func(w *Observed) { w.Claim.Trigger = "foreign" },
			about:  AboutTrigger, level: Refusal, says: `armed with the trigger "foreign"`, next: MoveAnnotate,
		},
		"locked": {
			change: func(w *Observed) { w.Claim.Lock = Lock{Run: "other", State: Held, Owners: "p"} },
			about:  AboutLock, level: Refusal, says: "run other has locked", next: MoveCleanup,
		},
		"cleaned up": {
			change: func(w *Observed) { w.Claim.Lock = Lock{Run: "other", State: Cleanup, Owners: "p"} },
			about:  AboutLock, level: Caution, says: "the cleanup of run other", next: MoveCleanup,
		},
		"nobody copies": {
			change: func(w *Observed) { w.Sources = nil },
			about:  AboutSource, level: Refusal, says: "no ReplicationSource", next: MoveShow,
		},
		"two copy": {
			change: func(w *Observed) { w.Sources = append(w.Sources, Source{Name: "weekly"}) },
			about:  AboutSource, level: Refusal, says: "2 ReplicationSources", next: MoveShow,
		},
		"the source is deleted": {
			change: func(w *Observed) { w.Sources[0].Deleting = true },
			about:  AboutSource, level: Refusal, says: "being deleted",
		},
		"paused": {
			change: func(w *Observed) { w.Sources[0].Paused = true },
			about:  AboutSource, level: Refusal, says: "is paused", next: MovePatch,
		},
		"mover": {
			change: func(w *Observed) { w.Sources[0].Mover = "syncthing" },
			about:  AboutMover, level: Refusal, says: "ignores copy triggers", next: MoveEdit,
		},
		"method": {
			change: func(w *Observed) { w.Sources[0].Method = "Direct" },
			about:  AboutMethod, level: Refusal, says: "ignores copy triggers", next: MovePatch,
		},
		"a long name": {
			change: func(w *Observed) { w.Sources[0].Name = long },
			about:  AboutCopy, level: Refusal, says: "a name of 254 characters", next: MoveShow,
		},
		"a name that just fits": {
			change: func(w *Observed) { w.Sources[0].Name = long[1:] }, about: AboutCopy, level: Fine,
		},
		"idle by schedule": {
			change: func(w *Observed) { w.Sources[0].SyncStart, w.Sources[0].NextSync = "", "soon" },
			about:  AboutSync, level: Fine, says: "the next is due at soon",
		},
		"a manual trigger that rests": {
			change: func(w *Observed) {
				w.Sources[0].SyncStart, w.Sources[0].Manual, w.Sources[0].LastManual = "", "a", "a"
			},
			about: AboutSync, level: Caution, says: "has been synced", next: MoveStartSync,
		},
		"a copy that goes": {
			change: func(w *Observed) { w.Copy = &Copy{Name: "c", Deleting: true} },
			about:  AboutCopy, level: Fine, says: "is being deleted",
		},
		"the copy of this sync": {
			change: func(w *Observed) { w.Copy = &Copy{Name: "c", Owner: w.Sources[0].UID} },
			about:  AboutCopy, level: Fine, says: "exists already",
		},
		"a copy that failed": {
			change: func(w *Observed) { w.Copy = &Copy{Name: "c", Owner: w.Sources[0].UID, Problem: "no space"} },
			about:  AboutCopy, level: Refusal, says: "the storage reports for it: no space", next: MoveDelete,
		},
		"a copy of nobody, between syncs": {
			change: func(w *Observed) { w.Sources[0].SyncStart, w.Copy = "", &Copy{Name: "c"} },
			about:  AboutCopy, level: Refusal, says: "does not wait in the next sync; it is not", next: MoveDelete,
		},
		"the source's own, between syncs": {
			change: func(w *Observed) {
				w.Sources[0].SyncStart, w.Copy = "", &Copy{Name: "c", Owner: w.Sources[0].UID}
			},
			about: AboutCopy, level: Fine, says: "none is left over",
		},
		"a clone": {
			change: func(w *Observed) { w.Sources[0].Method = "Clone" },
			about:  AboutMethod, level: Caution, says: "WaitForFirstConsumer", next: MovePatch,
		},
		"a clone that binds late": {
			change: func(w *Observed) { w.Sources[0].Method, w.Binding = "Clone", BindsLate },
			about:  AboutMethod, level: Caution, says: "WaitForFirstConsumer", next: MovePatch,
		},
		"a clone that binds at once": {
			change: func(w *Observed) { w.Sources[0].Method, w.Binding = "Clone", BindsAtOnce },
			about:  AboutMethod, level: Fine, says: "Clone",
		},
		"use is false": {
			change: func(w *Observed) { w.Claim.Use = "false" },
			about:  AboutClaim, level: Caution, says: "takes as on", next: MoveAnnotate,
		},
		"the claim alone": {
			change: func(w *Observed) { w.ClaimOnly, w.Sources = true, nil },
			about:  AboutSource, level: Caution, says: "--pvc-only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := ready()
			w.Sources = slices.Clone(w.Sources)
			c.change(&w)
			f := worstOf(w, c.about)
			if f.Level != c.level || !strings.Contains(f.Why, c.says) || f.Next.Kind != c.next {
				t.Errorf("got %+v, want %s that says %q, and move %d", f, c.level, c.says, c.next)
			}
			for _, f := range Findings(w) {
				if f.About != c.about && f.Level > Fine {
					t.Errorf("%s: %s", f.About, f.Why)
				}
			}
		})
	}
}

// Several things that are wrong are all found.
func TestFindingsAreAll(t *testing.T) {
	w := ready()
	w.Claim.Trigger, w.Claim.Lock = "foreign", Lock{Run: "other", State: Lost, Owners: "p"}
	w.Sources = []Source{{Name: "s", UID: "u", Mover: "restic", Method: "Direct", Paused: true}}
	var about []Aspect
	for _, f := range Findings(w) {
		if f.Level == Refusal {
			about = append(about, f.About)
		}
	}
	slices.Sort(about)
	if want := []Aspect{AboutMethod, AboutTrigger, AboutLock, AboutSource}; !slices.Equal(about, want) {
		t.Errorf("got %q, want %q", about, want)
	}
}

// What await-waiting refuses is refused before a run, and the other way round: a claim without a
// refusal is one that await-waiting takes, or waits for.
func TestFindingsAgreeWithAwait(t *testing.T) {
	seen := map[Level]int{}
	for _, world := range worlds() {
		for _, l := range rows(uses()) {
			w := world.of(l.claim())
			d := Await(w, "no run's")
			worst := Fine
			for _, f := range Findings(w) {
				worst = max(worst, f.Level)
			}
			seen[worst]++
			if d.finding("").Level > worst {
				t.Errorf("%+v: await-waiting says %+v, and the worst finding is %s", w, d, worst)
			}
			if d.finding("").Level < Refusal && worst == Refusal && d.Do == End {
				t.Errorf("%+v: await-waiting is content, and a finding is %s", w, worst)
			}
		}
	}
	if seen[Fine] == 0 || seen[Refusal] == 0 {
		t.Errorf("got levels %v", seen)
	}
}

func TestCanCopy(t *testing.T) {
	ours := SnapshotClass{Name: "fast", Driver: "csi.example"}
	usual := ours
	usual.Default = true
	other := SnapshotClass{Name: "other", Driver: "csi.other", Default: true}
	known := Storage{Driver: "csi.example"}
	with := func(classes ...SnapshotClass) Storage {
		st := known
		st.Classes = classes
		return st
	}
	for name, c := range map[string]struct {
		source Source
		st     Storage
		level  Level
		says   string
		next   string // the value, or the object, of the move
	}{
		"the default class": {st: with(usual, other), says: "snapshots by class fast of driver csi.example"},
		"a class by name":   {source: Source{SnapshotClass: "fast"}, st: with(ours), says: "class fast"},
		"no default class, but one that fits": {
			st: with(ours, other), level: Refusal, says: "driver csi.example has no default one",
			next: `{"spec":{"restic":{"volumeSnapshotClassName":"fast"}}}`,
		},
		"no class that fits": {
			st: with(other), level: Refusal, says: "driver csi.example has no default one", next: "volumesnapshotclasses",
		},
		"two default classes": {
			st:    with(usual, SnapshotClass{Name: "slow", Driver: "csi.example", Default: true}),
			level: Refusal, says: "has 2 default ones",
			next: `{"spec":{"restic":{"volumeSnapshotClassName":"fast"}}}`,
		},
		"a class that is not there": {
			source: Source{SnapshotClass: "gone"}, st: with(usual), level: Refusal,
			says: "names VolumeSnapshotClass gone, which is not there",
			next: `{"spec":{"restic":{"volumeSnapshotClassName":"fast"}}}`,
		},
		"a class of another driver": {
			source: Source{SnapshotClass: "other"}, st: with(ours, other), level: Refusal,
			says: "VolumeSnapshotClass other is of driver csi.other, and the volume of driver csi.example",
			next: `{"spec":{"restic":{"volumeSnapshotClassName":"fast"}}}`,
		},
		"no snapshots in the cluster": {
			st: Storage{Driver: "csi.example", NoSnapshots: true}, level: Refusal, says: "knows no VolumeSnapshots",
			next: "customresourcedefinitions",
		},
		"no volume of CSI": {
			st: Storage{NotCSI: "of kind hostPath"}, level: Refusal, says: "its volume is of kind hostPath",
			next: "storageclasses",
		},
		"no right to look": {
			st: Storage{Driver: "csi.example", Unread: []string{"list: forbidden"}}, level: NotKnown,
			says: "not checked: list: forbidden",
		},
		"a class of an unknown driver": {
			source: Source{SnapshotClass: "fast"}, st: Storage{Classes: []SnapshotClass{ours},
				Unread: []string{"get: forbidden"}},
			level: NotKnown, says: "not checked whether that is the volume's: get: forbidden",
		},
		"a default class for an unknown driver": {
			st: Storage{Classes: []SnapshotClass{usual, other}, Unread: []string{"get: forbidden"}}, level: NotKnown,
			says: "not checked: get: forbidden",
		},
		"a clone": {
			source: Source{Method: "Clone"}, st: Storage{Driver: "csi.example", Class: "standard", Binding: BindsAtOnce},
			says: "clones by driver csi.example, and storage class standard, whose volumeBindingMode is Immediate",
		},
		"a clone of nobody knows what": {
			source: Source{Method: "Clone"}, st: Storage{Unread: []string{"get: forbidden"}},
			level: NotKnown, says: "not checked",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.source
			s.Name, s.Mover = "nightly", "restic"
			if s.Method == "" {
				s.Method = "Snapshot"
			}
			f := CanCopy(s, c.st)
			if f.Level != c.level || !strings.Contains(f.Why, c.says) || f.Next.Value+f.Next.Object != c.next &&
				f.Next.Value != c.next {
				t.Errorf("got %s %+v", f.Level, f)
			}
		})
	}
}

func TestActivity(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *Observed)
		want   Activity
	}{
		"waits":         {func(*Observed) {}, SyncWaits},
		"copies":        {func(w *Observed) { w.Claim.Status, w.Claim.Since = StatusInProgress, "" }, SyncCopies},
		"moves":         {func(w *Observed) { w.Claim.Status, w.Copy = StatusCompleted, &Copy{} }, SyncMoves},
		"not yet":       {func(w *Observed) { w.Claim.Status = "" }, SyncMoves},
		"idle":          {func(w *Observed) { w.Sources[0].SyncStart = "" }, SyncIdle},
		"no source":     {func(w *Observed) { w.Sources = nil }, NoSource},
		"two":           {func(w *Observed) { w.Sources = append(w.Sources, Source{}) }, SeveralSources},
		"claim alone":   {func(w *Observed) { w.ClaimOnly = true }, SyncNotKnown},
		"an old status": {func(w *Observed) { w.Copy = &Copy{} }, SyncMoves},
	} {
		w := ready()
		w.Sources = slices.Clone(w.Sources)
		c.change(&w)
		if got, _ := w.Activity(); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
