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

// may is the access of an account that is asked by another way than check's other answers.
type may struct {
	*checked
	answer func(kube.Request) (bool, error)
	asked  []string
}

func (m *may) May(_ context.Context, r kube.Request) (bool, error) {
	what := r.Verb + " " + r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Namespace != namespace {
		what += " in namespace " + r.Namespace
	}
	if r.Name != "" {
		what += " " + r.Name
	}
	m.asked = append(m.asked, what)
	if m.answer == nil {
		return true, nil
	}
	return m.answer(r)
}

// What cannot be found out for the moment is waited for: a check without it would say that all is well.
func TestCheckWaitsForWhatPasses(t *testing.T) {
	unsure := func(c *checked, verb, resource string) Access {
		return &may{checked: c, answer: func(r kube.Request) (bool, error) {
			if r.Verb == verb && r.Resource == resource {
				return false, away
			}
			return true, nil
		}}
	}
	for what, prepare := range map[string]func(*checked, *CheckOptions){
		"ReplicationSources": func(c *checked, _ *CheckOptions) { c.sources = away },
		"the copy":           func(c *checked, _ *CheckOptions) { c.play.faults(always(away, "get copy"), nil) },
		"the storage":        func(c *checked, _ *CheckOptions) { c.of = away },
		"the pod":            func(c *checked, o *CheckOptions) { o.Pod, c.pod = c, away },
		"who looks":          func(c *checked, o *CheckOptions) { o.Self = unsure(c, "create", "volumesnapshots") },
		"the account":        func(c *checked, o *CheckOptions) { o.Account = unsure(c, "watch", "replicationsources") },
		"a right by its name": func(c *checked, o *CheckOptions) {
			o.Account = &may{checked: c, answer: func(r kube.Request) (bool, error) {
				if r.Name != "" {
					return true, away
				}
				return r.Resource != "persistentvolumeclaims", nil
			}}
		},
		"the right to patch": func(c *checked, o *CheckOptions) {
			c.play.faults(always(forbidden, "try pvc"), nil)
			o.Account = &may{checked: c, answer: func(r kube.Request) (bool, error) {
				if r.Name != "" {
					return false, away
				}
				return true, nil
			}}
		},
	} {
		_, p, _ := check(t, prepare)
		if p.err == nil || endingOf(p.err).Outcome != outcome.TimedOut || p.took != time.Minute {
			t.Errorf("%s: got %v after %s", what, p.err, p.took)
		}
	}
}

// The account is asked for what the run will need, and for nothing else: not for VolSync's objects without
// it, nor for a copy of which nobody knows what it will be.
func TestCheckAsksForRights(t *testing.T) {
	const (
		claim     = "get persistentvolumeclaims, watch persistentvolumeclaims, patch persistentvolumeclaims, "
		sources   = "list replicationsources.volsync.backube, watch replicationsources.volsync.backube, "
		snapshots = "get volumesnapshots.snapshot.storage.k8s.io, watch volumesnapshots.snapshot.storage.k8s.io, "
		clones    = "get persistentvolumeclaims, watch persistentvolumeclaims, "
		cleanup   = "list pods, watch pods, "
		events    = "create events"
	)
	for what, c := range map[string]struct {
		prepare func(*checked, *CheckOptions)
		want    string
	}{
		"labels": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.step.Selector = "app=db" },
			want:    claim + sources + snapshots + cleanup + "list persistentvolumeclaims, " + events,
		},
		"a snapshot": {want: claim + sources + snapshots + cleanup + events},
		"a clone": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.sources[0].Method = "Clone" },
			want:    claim + sources + clones + cleanup + events,
		},
		"no ReplicationSource": {
			prepare: func(c *checked, o *CheckOptions) { c.play.sources, o.Start = nil, true },
			want:    claim + sources + cleanup + events,
		},
		"the claim alone": {
			prepare: func(c *checked, _ *CheckOptions) { c.play.step.ClaimOnly = true }, want: claim + cleanup + events,
		},
		"in a pod": {
			prepare: func(c *checked, o *CheckOptions) { o.Pod = c },
			want: claim + sources + snapshots + "get pods, list pods, create pods/exec, get pods/exec, " + cleanup +
				events,
		},
		"with a sync": {
			prepare: func(_ *checked, o *CheckOptions) { o.Start = true },
			want:    claim + sources + snapshots + cleanup + "patch replicationsources.volsync.backube, " + events,
		},
	} {
		var account *may
		check(t, func(k *checked, o *CheckOptions) {
			account = &may{checked: k}
			o.Account = account
			if c.prepare != nil {
				c.prepare(k, o)
			}
		})
		if got := strings.Join(account.asked, ", "); got != c.want {
			t.Errorf("%s: asked for %s\nwant %s", what, got, c.want)
		}
	}
}

// What is missing is granted by commands that work as they stand: by the name where it has one, which
// comes once, to a user or a service account.
func TestCheckGrants(t *testing.T) {
	for what, c := range map[string]struct {
		who      string
		verbs    []string
		resource string
		says     string
		commands []string
	}{
		"a name": {
			who: "system:serviceaccount:app:backup", verbs: []string{"get", "watch"}, resource: "volumesnapshots",
			says: "system:serviceaccount:app:backup may not get, watch volumesnapshots.snapshot.storage.k8s.io " +
				"volsync-rs-src: that is for",
			commands: []string{
				"kubectl create role copytrigger-volumesnapshots-volsync-rs-src -n app --verb=get,watch " +
					"--resource=volumesnapshots.snapshot.storage.k8s.io --resource-name=volsync-rs-src",
				"kubectl create rolebinding copytrigger-volumesnapshots-volsync-rs-src -n app " +
					"--role=copytrigger-volumesnapshots-volsync-rs-src --serviceaccount=app:backup",
			},
		},
		"any name": {
			who: "ann", verbs: []string{"list"}, resource: "replicationsources",
			says: "ann may not list replicationsources.volsync.backube: that is for",
			commands: []string{
				"kubectl create role copytrigger-replicationsources -n app --verb=list " +
					"--resource=replicationsources.volsync.backube",
				"kubectl create rolebinding copytrigger-replicationsources -n app " +
					"--role=copytrigger-replicationsources --user=ann",
			},
		},
		"a subresource": {
			who: "ann", verbs: []string{"create"}, resource: "pods/exec", says: "ann may not create pods/exec: that is for",
			commands: []string{
				"kubectl create role copytrigger-pods-exec -n app --verb=create --resource=pods/exec",
				"kubectl create rolebinding copytrigger-pods-exec -n app --role=copytrigger-pods-exec --user=ann",
			},
		},
		"nobody knows to whom": {
			verbs: []string{"list"}, resource: "replicationsources",
			says: "the account may not list replicationsources.volsync.backube: that is for",
			commands: []string{
				"kubectl create role copytrigger-replicationsources -n app --verb=list " +
					"--resource=replicationsources.volsync.backube",
			},
		},
	} {
		_, _, found := check(t, func(k *checked, o *CheckOptions) {
			k.who, o.Pod = c.who, k
			o.Account = &may{checked: k, answer: func(r kube.Request) (bool, error) {
				return r.Resource != c.resource || !slices.Contains(c.verbs, r.Verb), nil
			}}
		})
		w := worst(found, AboutRights)
		if !strings.HasPrefix(w.Why, c.says) || !slices.Equal(w.Commands, c.commands) {
			t.Errorf("%s: got %q, %q", what, w.Why, w.Commands)
		}
	}
}

// Who looks tries the copy, and the account of the steps writes the claim: each right is asked of whom it
// is for. What only the cleanup of a pipeline needs refuses no run.
func TestCheckAsksWhomItIsFor(t *testing.T) {
	refusing := func(c *checked, refuses func(kube.Request) bool) *may {
		return &may{checked: c, answer: func(r kube.Request) (bool, error) { return !refuses(r), nil }}
	}
	for what, c := range map[string]struct {
		prepare func(*checked, *CheckOptions)
		about   handshake.Aspect
		level   handshake.Level
		says    string
	}{
		"the copy, by who looks": {
			prepare: func(c *checked, o *CheckOptions) {
				o.Self = refusing(c, func(r kube.Request) bool {
					return r == kube.Request{
						Verb: "create", Group: "snapshot.storage.k8s.io", Resource: "volumesnapshots", Namespace: namespace,
					}
				})
			},
			about: AboutQuota, level: handshake.NotKnown, says: "may not create volumesnapshots",
		},
		"the claim, by the account": {
			prepare: func(c *checked, o *CheckOptions) {
				c.play.faults(always(forbidden, "try pvc"), nil)
				o.Account = refusing(c, func(r kube.Request) bool { return r.Verb == "patch" })
			},
			about: AboutAdmission, level: handshake.NotKnown, says: "not checked without the right",
		},
		"the claim, by its name": {
			prepare: func(c *checked, o *CheckOptions) {
				c.play.faults(always(forbidden, "try pvc"), nil)
				o.Account = refusing(c, func(r kube.Request) bool { return r.Verb == "patch" && r.Name == "" })
			},
			about: AboutAdmission, level: handshake.Refusal, says: "would be refused",
		},
		"the cleanup": {
			prepare: func(c *checked, o *CheckOptions) {
				o.Account = refusing(c, func(r kube.Request) bool { return r.Resource == "pods" })
			},
			about: AboutRights, says: "system:serviceaccount:app:backup may not list, watch pods; that is only for await-pods",
		},
	} {
		_, _, found := check(t, c.prepare)
		if w := worst(found, c.about); w.Level != c.level || !strings.Contains(w.Why, c.says) {
			t.Errorf("%s: got %+v", what, w)
		}
	}
}

// Where the pod is not one, the labels that were asked for show which there are.
func TestCheckShowsThePods(t *testing.T) {
	_, _, found := check(t, func(c *checked, o *CheckOptions) {
		o.Pod, c.pod = c, &pods.NotOne{Why: "none", Next: "choose one", Seen: "app=db"}
	})
	w := worst(found, AboutPod)
	want := []string{"kubectl get pods -n app -l app=db"}
	if w.Hint != "choose one; what is there" || !slices.Equal(w.Commands, want) {
		t.Errorf("got %+v", w)
	}
}

// A finding about a claim has its name.
func TestCheckNamesTheClaim(t *testing.T) {
	_, _, found := check(t, nil)
	if w := worst(found, AboutAdmission); w.Claim != name {
		t.Errorf("got %+v", w)
	}
	if w := worst(found, AboutRights); w.Claim != "" {
		t.Errorf("got %+v", w)
	}
}
