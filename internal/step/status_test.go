package step

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// everything is what status may see, and what it is refused.
type everything struct {
	claims    []pvc.Claim
	sources   []volsync.Of[handshake.Source]
	snapshots []volsync.Of[handshake.Copy]
	copied    *handshake.Copy // asked for by its name

	noList, noSources, noSnapshots, noCopy error
	asked                                  []string
}

func (e *everything) Get(_ context.Context, name string) (pvc.Claim, error) {
	e.asked = append(e.asked, "get "+name)
	for _, c := range e.claims {
		if c.Name == name {
			return c, nil
		}
	}
	return pvc.Claim{}, apierrors.NewNotFound(resources["pvc"], name)
}

func (e *everything) List(_ context.Context, selector string) (all []pvc.Claim, _ error) {
	if e.noList != nil {
		return nil, e.noList
	}
	for _, c := range e.claims {
		if selector == "" || (selector == ofVolSync) == (c.Owner.Kind != "") {
			all = append(all, c)
		}
	}
	return all, nil
}

func (e *everything) FollowAll(ctx context.Context, _ func(), _ kube.Trouble) error {
	<-ctx.Done()
	return nil
}

func (e *everything) AllSources(context.Context) ([]volsync.Of[handshake.Source], error) {
	return e.sources, e.noSources
}

func (e *everything) AllSnapshots(context.Context) ([]volsync.Of[handshake.Copy], error) {
	return e.snapshots, e.noSnapshots
}

func (e *everything) Copy(context.Context, handshake.Source) (*handshake.Copy, error) {
	e.asked = append(e.asked, "get copy")
	return e.copied, e.noCopy
}

func (e *everything) FollowSources(ctx context.Context, _ func(string), _ kube.Trouble) error {
	<-ctx.Done()
	return nil
}

func (e *everything) FollowSnapshots(ctx context.Context, _ func(), _ kube.Trouble) error {
	<-ctx.Done()
	return nil
}

// claimIn is a claim on which VolSync waits, in a namespace.
func claimIn(namespace, name string) pvc.Claim {
	return pvc.Claim{Namespace: namespace, Name: name, UID: "claim", Annotations: map[string]string{
		handshake.UseAnnotation: "", handshake.BoundAnnotation: "yes",
		handshake.StatusAnnotation: handshake.StatusWaiting, handshake.SinceAnnotation: "2000-01-01T00:00:00Z",
	}}
}

func sourceIn(namespace, claim, method string) volsync.Of[handshake.Source] {
	return volsync.Of[handshake.Source]{Namespace: namespace, Object: handshake.Source{
		Name: "rs", UID: "rs-" + namespace, Claim: claim, Mover: "restic", Method: method, SyncStart: "2000-01-01T00:00:00Z",
	}}
}

func TestStatusOverview(t *testing.T) {
	left := handshake.Copy{Name: "volsync-rs-src", UID: "copy", Owner: "rs-app"}
	clone := pvc.Claim{Namespace: "app", Name: "volsync-rs-src", UID: "clone"}
	clone.Owner.Kind, clone.Owner.Name, clone.Owner.UID = "ReplicationSource", "rs", "rs-app"
	for name, c := range map[string]struct {
		change   func(*everything, *StatusOptions)
		claims   string            // that are shown
		says     map[string]string // of claims, what await-waiting would say
		notKnown string
		asked    string
		fails    string
	}{
		"all of a namespace": {claims: "app/data", says: map[string]string{"app/data": "VolSync waits since"}},
		"a claim that does not wait for triggers": {
			change: func(e *everything, _ *StatusOptions) {
				e.claims = append(e.claims, pvc.Claim{Namespace: "app", Name: "x"})
			},
			claims: "app/data",
		},
		"of two namespaces": {
			change: func(e *everything, _ *StatusOptions) {
				e.claims = []pvc.Claim{claimIn("b", "a"), claimIn("b", "data"), claimIn("app", "data")}
				e.sources = append(e.sources, sourceIn("b", "a", "Snapshot"))
			},
			claims: "app/data b/a b/data",
			says:   map[string]string{"b/a": "VolSync waits since", "b/data": "no ReplicationSource has it"},
		},
		"a snapshot is there": {
			change: func(e *everything, _ *StatusOptions) {
				e.snapshots = []volsync.Of[handshake.Copy]{{Namespace: "app", Object: left}}
			},
			claims: "app/data", says: map[string]string{"app/data": "exists already"},
		},
		"a snapshot of another namespace": {
			change: func(e *everything, _ *StatusOptions) {
				e.snapshots = []volsync.Of[handshake.Copy]{{Namespace: "b", Object: left}}
			},
			claims: "app/data", says: map[string]string{"app/data": "VolSync waits since"},
		},
		"a clone of the name of a snapshot": {
			change: func(e *everything, _ *StatusOptions) { e.claims = append(e.claims, clone) },
			claims: "app/data", says: map[string]string{"app/data": "VolSync waits since"},
		},
		"a clone, by labels": {
			change: func(e *everything, o *StatusOptions) {
				e.claims, o.Selector = append(e.claims, clone), "app=db"
				e.sources[0].Object.Method = "Clone"
			},
			claims: "app/data", says: map[string]string{"app/data": "exists already"},
		},
		"no VolSync": {
			change: func(e *everything, _ *StatusOptions) { e.noSources = apierrors.NewNotFound(resources["rs"], "") },
			claims: "app/data", notKnown: "VolSync is not installed",
		},
		"ReplicationSources are not granted": {
			change: func(e *everything, _ *StatusOptions) { e.noSources = forbidden },
			claims: "app/data", notKnown: "what VolSync does is not known",
		},
		"no snapshots": {
			change: func(e *everything, _ *StatusOptions) { e.noSnapshots = apierrors.NewNotFound(resources["copy"], "") },
			claims: "app/data", says: map[string]string{"app/data": "VolSync waits since"},
		},
		"snapshots are not granted": {
			change: func(e *everything, _ *StatusOptions) { e.noSnapshots = forbidden },
			claims: "app/data", notKnown: "what copies there are is not known",
		},
		"snapshots are not granted, of a name": {
			change: func(e *everything, o *StatusOptions) {
				e.noSnapshots, o.Names, e.copied = forbidden, []string{"data"}, &left
			},
			claims: "app/data", says: map[string]string{"app/data": "exists already"}, asked: "get copy",
		},
		"nothing of copies is granted, of a name": {
			change: func(e *everything, o *StatusOptions) {
				e.noSnapshots, o.Names, e.noCopy = forbidden, []string{"data"}, forbidden
			},
			claims: "app/data", notKnown: "whether there is a copy is not known", asked: "get copy",
		},
		"of a name": {
			change: func(_ *everything, o *StatusOptions) { o.Names = []string{"data"} }, claims: "app/data",
		},
		"claims are not granted, of a name": {
			change: func(e *everything, o *StatusOptions) { e.noList, o.Names = forbidden, []string{"data"} },
			claims: "app/data", asked: "get data, get copy",
		},
		"claims are not granted": {
			change: func(e *everything, _ *StatusOptions) { e.noList = forbidden }, fails: "not yours",
		},
		"of a name that is not there": {
			change: func(_ *everything, o *StatusOptions) { o.Names = []string{"x"} }, asked: "get x", fails: "not found",
		},
	} {
		e := &everything{
			claims:  []pvc.Claim{claimIn("app", "data")},
			sources: []volsync.Of[handshake.Source]{sourceIn("app", "data", "Snapshot")},
		}
		o := StatusOptions{Claims: e, VolSync: e, Timeout: time.Minute}
		if c.change != nil {
			c.change(e, &o)
		}
		s := Step{Namespace: "here", Group: []string{"of", "others"}, Log: slog.New(slog.DiscardHandler)}
		seen, err := s.Status(t.Context(), o)
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: got %v, want %q", name, err, c.fails)
		}
		var names []string
		for _, claim := range seen.Claims {
			is := claim.Namespace + "/" + claim.Name
			names = append(names, is)
			if !strings.Contains(claim.Why, c.says[is]) {
				t.Errorf("%s: %s: got %q, want %q", name, is, claim.Why, c.says[is])
			}
			for _, command := range claim.Commands {
				if strings.Contains(command, "here") || strings.Contains(command, "others") {
					t.Errorf("%s: %s: got the command %q", name, is, command)
				}
			}
		}
		if got := strings.Join(names, " "); got != c.claims {
			t.Errorf("%s: got %q, want %q", name, got, c.claims)
		}
		if got := strings.Join(seen.NotKnown, "\n"); !strings.Contains(got, c.notKnown) || (got == "") != (c.notKnown == "") {
			t.Errorf("%s: not known: %q, want %q", name, got, c.notKnown)
		}
		if got := strings.Join(e.asked, ", "); got != c.asked {
			t.Errorf("%s: asked %q, want %q", name, got, c.asked)
		}
	}
}

// A clone that is left over is told of as a snapshot is: when it was made, whose it is, and whether it goes.
func TestStatusOfAClone(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*pvc.Claim)
		says    string
		saysNot string
	}{
		"its source's": {
			change: func(*pvc.Claim) {}, says: "exists already, made at 2026-01-02T03:04:05Z", saysNot: "it is not",
		},
		"another's": {
			change: func(c *pvc.Claim) { c.Owner.Name, c.Owner.UID = "other", "x" },
			says:   "it is not ReplicationSource rs's, but ReplicationSource/other's",
		},
		"nobody's": {
			change: func(c *pvc.Claim) { c.Owner = metav1.OwnerReference{} },
			says:   "it is not ReplicationSource rs's, but nobody's",
		},
		"being deleted": {
			change: func(c *pvc.Claim) { c.Deleting = true }, says: "of an earlier sync is being deleted",
		},
	} {
		clone := pvc.Claim{
			Namespace: "app", Name: "volsync-rs-src", Created: time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)),
			Owner: metav1.OwnerReference{Kind: "ReplicationSource", Name: "rs", UID: "rs-app"},
		}
		c.change(&clone)
		e := &everything{
			claims:  []pvc.Claim{claimIn("app", "data"), clone},
			sources: []volsync.Of[handshake.Source]{sourceIn("app", "data", "Clone")},
		}
		s := Step{Log: slog.New(slog.DiscardHandler)}
		seen, err := s.Status(t.Context(), StatusOptions{Claims: e, VolSync: e, Timeout: time.Minute})
		if err != nil || len(seen.Claims) != 1 {
			t.Fatalf("%s: got %+v, %v", name, seen, err)
		}
		why := seen.Claims[0].Why
		if !strings.Contains(why, c.says) || c.saysNot != "" && strings.Contains(why, c.saysNot) {
			t.Errorf("%s: got %q, want %q", name, why, c.says)
		}
	}
}

// withoutClones cannot list what VolSync has made.
type withoutClones struct{ *everything }

func (w withoutClones) List(ctx context.Context, selector string) ([]pvc.Claim, error) {
	if selector == ofVolSync {
		return nil, away
	}
	return w.everything.List(ctx, selector)
}

// What cannot be read for the moment is waited for: a status without it would say that there is nothing.
func TestStatusWaitsForWhatPasses(t *testing.T) {
	for what, prepare := range map[string]func(*everything, *StatusOptions){
		"claims":             func(e *everything, _ *StatusOptions) { e.noList = away },
		"claims, of a name":  func(e *everything, o *StatusOptions) { e.noList, o.Names = away, []string{"data"} },
		"clones, by labels":  func(e *everything, o *StatusOptions) { o.Claims, o.Selector = withoutClones{e}, "app=db" },
		"ReplicationSources": func(e *everything, _ *StatusOptions) { e.noSources = away },
		"snapshots":          func(e *everything, _ *StatusOptions) { e.noSnapshots = away },
		"the copy, of a name": func(e *everything, o *StatusOptions) {
			e.noSnapshots, e.noCopy, o.Names = forbidden, away, []string{"data"}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &everything{
				claims:  []pvc.Claim{claimIn("app", "data")},
				sources: []volsync.Of[handshake.Source]{sourceIn("app", "data", "Snapshot")},
			}
			o := StatusOptions{Claims: e, VolSync: e, Timeout: time.Minute}
			prepare(e, &o)
			begun := time.Now()
			seen, err := Step{Log: slog.New(slog.DiscardHandler)}.Status(t.Context(), o)
			if err == nil || endingOf(err).Outcome != outcome.TimedOut || time.Since(begun) != time.Minute {
				t.Errorf("%s: got %+v, %v after %s", what, seen, err, time.Since(begun))
			}
		})
	}
}

// A copy that was seen among all is not asked for again, where others cannot be listed.
func TestStatusAsksForNoCopyTwice(t *testing.T) {
	e := &everything{
		claims: []pvc.Claim{claimIn("app", "data")}, noList: forbidden,
		sources: []volsync.Of[handshake.Source]{sourceIn("app", "data", "Snapshot")},
		snapshots: []volsync.Of[handshake.Copy]{
			{Namespace: "app", Object: handshake.Copy{Name: "volsync-rs-src", Owner: "rs-app"}},
		},
	}
	seen, err := Step{Log: slog.New(slog.DiscardHandler)}.Status(t.Context(),
		StatusOptions{Names: []string{"data"}, Claims: e, VolSync: e, Timeout: time.Minute})
	if err != nil || len(seen.Claims) != 1 || !strings.Contains(seen.Claims[0].Why, "exists already") {
		t.Errorf("got %+v, %v", seen, err)
	}
	if got := strings.Join(e.asked, ", "); got != "get data" {
		t.Errorf("asked %q", got)
	}
}

// Everything that is known of a claim is in its status; of two ReplicationSources none is the one.
func TestStatusOfAClaim(t *testing.T) {
	claim := claimIn("app", "data")
	claim.Annotations[handshake.LastRunAnnotation] = handshake.LastRun{Run: "run-1", Outcome: "ok"}.String()
	e := &everything{
		claims: []pvc.Claim{claim}, sources: []volsync.Of[handshake.Source]{sourceIn("app", "data", "Snapshot")},
	}
	look := func() ClaimStatus {
		s := Step{Log: slog.New(slog.DiscardHandler)}
		seen, err := s.Status(t.Context(), StatusOptions{Claims: e, VolSync: e, Timeout: time.Minute})
		if err != nil || len(seen.Claims) != 1 {
			t.Fatalf("got %+v, %v", seen, err)
		}
		return seen.Claims[0]
	}
	st := look()
	if st.Does != handshake.SyncWaits || st.Since != "2000-01-01T00:00:00Z" || st.Source.Name != "rs" ||
		st.LastRun.Run != "run-1" || !st.Claim.Bound {
		t.Errorf("got %+v", st)
	}
	e.sources = append(e.sources, e.sources[0])
	e.sources[1].Object.Name = "second"
	if st := look(); st.Does != handshake.SeveralSources || st.Source.Name != "" || st.Hint == "" {
		t.Errorf("with two sources: got %+v", st)
	}
}
