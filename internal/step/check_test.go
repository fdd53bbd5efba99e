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
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// checked is what check asks beside the claim, and what it is answered.
type checked struct {
	play    *play
	sources error // of the list of them
	storage handshake.Storage
	of      error // of looking at the storage
	try     error // of a copy as a dry run
	tried   int
	denies  func(kube.Request) bool // of both accounts
	asked   []kube.Request
	who     string
	pod     error
}

func (c *checked) AllSources(context.Context) (all []volsync.Of[handshake.Source], err error) {
	for _, s := range c.play.sources {
		s.Claim = name
		all = append(all, volsync.Of[handshake.Source]{Namespace: namespace, Object: s})
	}
	other := handshake.Source{Name: "other", Claim: "another"}
	return append(all, volsync.Of[handshake.Source]{Namespace: namespace, Object: other}), c.sources
}

func (c *checked) Of(context.Context, string, handshake.Source) (handshake.Storage, error) {
	return c.storage, c.of
}

func (c *checked) TryCopy(context.Context, string, handshake.Source) error {
	c.tried++
	return c.try
}

func (c *checked) May(_ context.Context, r kube.Request) (bool, error) {
	c.asked = append(c.asked, r)
	return c.denies == nil || !c.denies(r), nil
}

func (c *checked) WhoAmI(context.Context) string { return c.who }

func (c *checked) Find(context.Context) (pods.Target, error) {
	return pods.Target{Namespace: namespace, Name: "db-0", Container: "db"}, c.pod
}

// denied are requests that are denied by their verb and resource.
func denied(verb, resource string) func(*checked) {
	return func(c *checked) {
		c.denies = func(r kube.Request) bool { return r.Verb == verb && r.Resource == resource }
	}
}

// check is a play of check, of a claim that nothing is wrong with unless prepare changes that.
func check(t *testing.T, prepare func(*checked, *CheckOptions)) (*checked, *play, []Checked) {
	c := &checked{who: "system:serviceaccount:app:backup", storage: handshake.Storage{
		Driver: "csi", Classes: []handshake.SnapshotClass{{Name: "snap", Driver: "csi", Default: true}},
	}}
	var options CheckOptions
	p := on(t, func(p *play) {
		c.play = p
		options = CheckOptions{
			Sources: c, Storage: c, Self: c, Account: c, Writes: p.cluster, Timeout: time.Minute,
		}
		if prepare != nil {
			prepare(c, &options)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		s.ClaimOnly = c.play.step.ClaimOnly
		return Group{s}.Check(ctx, options)
	}, nil)
	found, _ := p.result.([]Checked)
	if n := p.count("patch pvc") + p.count("patch rs"); n != 0 {
		t.Errorf("%d writes", n)
	}
	return c, p, found
}

// worst is the worst finding about an aspect; without one, its About is "".
func worst(all []Checked, about handshake.Aspect) (w Checked) {
	for _, c := range all {
		if c.About == about && (w.About == "" || c.Level > w.Level) {
			w = c
		}
	}
	return w
}

// Each thing that check looks at by itself: what it finds, and that it finds nothing else.
func TestCheck(t *testing.T) {
	invalid := apierrors.NewInvalid(resources["copy"].WithVersion("v1").GroupVersion().WithKind("x").GroupKind(), "x", nil)
	for title, c := range map[string]struct {
		prepare func(*checked, *CheckOptions)
		about   handshake.Aspect
		level   handshake.Level
		says    string
		next    string           // a part of the commands
		quiet   handshake.Aspect // of which nothing is said
		too     handshake.Aspect // that is refused as well
	}{
		"nothing is wrong": {about: AboutQuota, says: "would be accepted"},
		"no VolSync": {
			prepare: func(c *checked, _ *CheckOptions) { c.sources = apierrors.NewNotFound(resources["rs"], "") },
			about:   AboutVolSync, level: handshake.Refusal, says: "is not installed", next: "helm install",
		},
		"ReplicationSources are not granted": {
			prepare: func(c *checked, _ *CheckOptions) { c.sources = forbidden },
			about:   AboutVolSync, level: handshake.NotKnown, says: "not checked", quiet: AboutQuota,
		},
		"no claim": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.change("pvc", func() { c.play.claim = nil }) },
			about:   handshake.AboutClaim, level: handshake.Refusal, says: "is not there", quiet: AboutAdmission,
		},
		"the claim is not granted": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.faults(always(forbidden, "get pvc"), nil) },
			about:   handshake.AboutClaim, level: handshake.NotKnown, says: "not checked", quiet: AboutAdmission,
		},
		"by the claim alone": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.step.ClaimOnly = true },
			about:   handshake.AboutSource, level: handshake.Caution, says: "--pvc-only", quiet: AboutVolSync,
		},
		"the copy is not granted": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.faults(always(forbidden, "get copy"), nil) },
			about:   handshake.AboutCopy, level: handshake.NotKnown, says: "not checked",
		},
		"a clone that waits for its consumer": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.sources[0].Method, c.storage.Binding = "Clone", "WaitForFirstConsumer"
			},
			about: handshake.AboutMethod, level: handshake.Caution, says: "stays quiesced",
		},
		"a clone that does not": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.sources[0].Method, c.storage.Binding = "Clone", handshake.BindsAtOnce
			},
			about: handshake.AboutMethod, says: "Clone",
		},
		"no class for the snapshot": {
			prepare: func(c *checked, _ *CheckOptions) { c.storage.Classes = []handshake.SnapshotClass{} },
			about:   handshake.AboutStorage, level: handshake.Refusal, quiet: AboutQuota,
		},
		"a copy is left over": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.copied = &handshake.Copy{Name: "volsync-rs-src", Owner: "rs-1"}
			},
			about: handshake.AboutCopy, says: "exists already", quiet: AboutQuota,
		},
		"a name that is too long": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.sources[0].Name = strings.Repeat("x", 250) },
			about:   handshake.AboutCopy, level: handshake.Refusal, says: "Kubernetes takes 253", quiet: AboutQuota,
		},
		"until the cut of a clone": {
			prepare: func(c *checked, o *CheckOptions) { c.play.sources[0].Method, o.UntilCut = "Clone", true },
			about:   handshake.AboutMethod, level: handshake.Refusal, says: "nobody sees the cut",
		},
		"copies are not granted to who looks": {
			prepare: func(c *checked, _ *CheckOptions) { denied("create", "volumesnapshots")(c) },
			about:   AboutQuota, level: handshake.NotKnown, says: "may not create volumesnapshots",
		},
		"clones are not granted to who looks": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.sources[0].Method = "Clone"
				denied("create", "persistentvolumeclaims")(c)
			},
			about: AboutQuota, level: handshake.NotKnown, says: "may not create persistentvolumeclaims",
		},
		"a quota": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = forbidden },
			about:   AboutQuota, level: handshake.Refusal, says: "would be refused", next: "resourcequotas",
		},
		"a policy": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = invalid },
			about:   AboutQuota, level: handshake.Refusal, says: "would be refused",
		},
		"a webhook": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = apierrors.NewBadRequest("no") },
			about:   AboutQuota, level: handshake.Refusal, says: "would be refused",
		},
		"VolSync makes the copy meanwhile": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = apierrors.NewAlreadyExists(resources["copy"], "x") },
			about:   handshake.AboutStorage, quiet: AboutQuota,
		},
		"a conflict of the copy": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = conflict }, about: handshake.AboutStorage, quiet: AboutQuota,
		},
		"something else of the copy": {
			prepare: func(c *checked, _ *CheckOptions) { c.try = errors.New("odd") },
			about:   AboutQuota, level: handshake.NotKnown, says: "not checked: odd",
		},
		"the annotations are altered": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.webhook = map[string]func(string) string{handshake.LockAnnotation: strings.ToUpper}
			},
			about: AboutAdmission, level: handshake.Refusal, says: "came back", next: "mutatingwebhook",
		},
		"no dry runs": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.faults(always(apierrors.NewBadRequest("no dry run"), "try pvc"), nil)
			},
			about: AboutAdmission, level: handshake.Caution, says: "as a dry run", next: refusers,
		},
		"refused by an admission": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.faults(always(forbidden, "try pvc"), nil) },
			about:   AboutAdmission, level: handshake.Refusal, says: "would be refused", next: refusers,
		},
		"refused for want of the right": {
			prepare: func(c *checked, _ *CheckOptions) {
				c.play.faults(always(forbidden, "try pvc"), nil)
				denied("patch", "persistentvolumeclaims")(c)
			},
			about: AboutAdmission, level: handshake.NotKnown, says: "without the right to patch", too: AboutRights,
		},
		"refused otherwise": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.faults(always(invalid, "try pvc"), nil) },
			about:   AboutAdmission, level: handshake.Refusal, says: "would be refused", next: refusers,
		},
		"the pod": {
			prepare: func(c *checked, o *CheckOptions) { o.Pod = c },
			about:   AboutPod, says: "pod app/db-0",
		},
		"no pod": {
			prepare: func(c *checked, o *CheckOptions) {
				o.Pod, c.pod = c, &pods.NotOne{Why: "none", Next: "choose", Seen: "app=db"}
			},
			about: AboutPod, level: handshake.Refusal, says: "none", next: "get pods",
		},
		"pods are not granted": {
			prepare: func(c *checked, o *CheckOptions) { o.Pod, c.pod = c, forbidden },
			about:   AboutPod, level: handshake.NotKnown, says: "not checked",
		},
		"all rights": {about: AboutRights, says: "may get, watch, patch persistentvolumeclaims"},
		"a right is missing": {
			prepare: func(c *checked, _ *CheckOptions) { denied("watch", "volumesnapshots")(c) },
			about:   AboutRights, level: handshake.Refusal,
			says: "may not watch volumesnapshots.snapshot.storage.k8s.io volsync-rs-src",
			next: "--serviceaccount=app:backup",
		},
		"whose right is not known": {
			prepare: func(c *checked, _ *CheckOptions) {
				denied("watch", "volumesnapshots")(c)
				c.who = ""
			},
			about: AboutRights, level: handshake.Refusal, says: "the account may not watch", next: "kubectl create role",
		},
		"Events are not granted": {
			prepare: func(c *checked, _ *CheckOptions) { denied("create", "events")(c) },
			about:   AboutRights, says: "may",
		},
	} {
		t.Run(title, func(t *testing.T) {
			_, p, found := check(t, c.prepare)
			if p.err != nil {
				t.Fatal(p.err)
			}
			w := worst(found, c.about)
			if w.About == "" || w.Level != c.level || !strings.Contains(w.Why, c.says) ||
				!strings.Contains(strings.Join(w.Commands, "\n"), c.next) {
				t.Errorf("got %+v", w)
			}
			if q := worst(found, c.quiet); q.About != "" {
				t.Errorf("got %+v", q)
			}
			for _, f := range found {
				if f.About != c.about && f.Level == handshake.Refusal && f.About != c.too {
					t.Errorf("it finds as well: %+v", f)
				}
			}
		})
	}
}

// What passes is waited for, and is no finding. A name is asked for only where not all are allowed.
func TestCheckAsksAgain(t *testing.T) {
	for request, fault := range map[string]func(*checked){
		"the claim":  func(c *checked) { c.play.faults(times(1, always(away, "get pvc")), nil) },
		"the writes": func(c *checked) { c.play.faults(times(1, always(away, "try pvc")), nil) },
	} {
		_, p, found := check(t, func(c *checked, _ *CheckOptions) { fault(c) })
		if p.err != nil || Refusals(found) != 0 || p.took == 0 {
			t.Errorf("%s: got %v after %s: %+v", request, p.err, p.took, found)
		}
	}
	c, p, _ := check(t, func(c *checked, _ *CheckOptions) { c.try = away })
	if p.err == nil || endingOf(p.err).Outcome != outcome.TimedOut || c.tried < 2 {
		t.Errorf("got %v, tried %d times", p.err, c.tried)
	}
	c, _, _ = check(t, nil)
	if named := slices.IndexFunc(c.asked, func(r kube.Request) bool { return r.Name != "" }); named >= 0 {
		t.Errorf("it asks for %+v, although all are allowed", c.asked[named])
	}
	_, _, found := check(t, func(c *checked, _ *CheckOptions) {
		c.denies = func(r kube.Request) bool { return r.Name == "" && r.Resource == "persistentvolumeclaims" }
	})
	if n := Refusals(found); n != 0 {
		t.Errorf("the Role names the claim, and %d are refused: %+v", n, found)
	}
}

// The writes are tried by the account of the steps. What it lacks is granted to it by name, and nothing
// is said of what it may besides.
func TestCheckOfAnAccount(t *testing.T) {
	_, _, found := check(t, func(c *checked, o *CheckOptions) {
		theirs := waiting(t)
		theirs.faults(always(forbidden, "try pvc"), nil)
		o.Writes = theirs
	})
	if w := worst(found, AboutAdmission); w.Level != handshake.Refusal {
		t.Errorf("tried by another account: %+v", w)
	}
	for who, commands := range map[string]int{"ann": 2, "": 1} {
		_, _, found := check(t, func(c *checked, _ *CheckOptions) {
			denied("watch", "replicationsources")(c)
			c.who = who
		})
		for _, f := range found {
			if f.About == AboutRights && (f.Level != handshake.Refusal || len(f.Commands) != commands) {
				t.Errorf("%q: got %+v", who, f)
			}
		}
	}
}
