package step

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// StatusOptions are those of [Step.Status].
type StatusOptions struct {
	Names    []string // none for all claims that wait for triggers
	Selector string   // labels of the claims; "" for any
	Claims   AllClaims
	VolSync  AllVolSync
	Timeout  time.Duration // of one look
}

// AllClaims lists claims; [pvc.Claims] is it.
type AllClaims interface {
	Get(ctx context.Context, name string) (pvc.Claim, error)
	List(ctx context.Context, selector string) ([]pvc.Claim, error)
	FollowAll(ctx context.Context, changed func(), trouble kube.Trouble) error
}

// AllVolSync lists VolSync's objects; [volsync.Objects] is it.
type AllVolSync interface {
	Sources
	Copy(ctx context.Context, s handshake.Source) (*handshake.Copy, error)
	AllSnapshots(ctx context.Context) ([]volsync.Of[handshake.Copy], error)
	FollowSources(ctx context.Context, changed func(claim string), trouble kube.Trouble) error
	FollowSnapshots(ctx context.Context, changed func(), trouble kube.Trouble) error
}

// Overview is how the claims are.
type Overview struct {
	Claims []ClaimStatus // by namespace and name
	// NotKnown says what could not be read, a line each.
	NotKnown []string
	volSync  bool // its objects can be read
}

// ClaimStatus is how one claim is.
type ClaimStatus struct {
	Namespace, Name string
	Does            handshake.Activity
	Since           string // RFC 3339; "" for not known
	Claim           handshake.Claim
	Source          handshake.Source // the one that copies it; the zero one if there is not one
	LastRun         handshake.LastRun
	Why             string // what await-waiting would say
	Hint            string
	Commands        []string // what to do next
}

// Status looks at claims once. It asks for each kind of object as a whole, and for no claim by itself
// unless the account may not list them.
func (s Step) Status(ctx context.Context, o StatusOptions) (Overview, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	var seen Overview
	err := s.persist(ctx, kube.Passing, func(ctx context.Context) (err error) {
		seen, err = s.overview(ctx, o)
		return err
	})
	return seen, s.unseen(err, "the API server to answer")
}

func (s Step) overview(ctx context.Context, o StatusOptions) (Overview, error) {
	l := looking{options: o}
	if err := l.all(ctx); err != nil {
		return Overview{}, err
	}
	seen := Overview{volSync: l.volSync}
	for _, c := range l.wanted {
		w := handshake.Observed{
			Claim: readClaim(c), Sources: l.sources[c.Namespace+"/"+c.Name], ClaimOnly: !l.volSync,
		}
		if source, copied := (observation{observed: w}).copies(); copied {
			var err error
			if w.Copy, err = l.copyOf(ctx, c.Namespace, source); err != nil {
				return Overview{}, err
			}
		}
		seen.Claims = append(seen.Claims, s.statusOf(c, w))
	}
	slices.SortFunc(seen.Claims, func(a, b ClaimStatus) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	seen.NotKnown = l.notKnown
	return seen, nil
}

// looking is a look at everything.
type looking struct {
	options  StatusOptions
	wanted   []pvc.Claim
	sources  map[string][]handshake.Source // by NAMESPACE/CLAIM
	volSync  bool
	copies   map[string]*handshake.Copy // by copyKey
	listed   bool                       // all copies are among them
	notKnown []string
}

func (l *looking) all(ctx context.Context) error {
	claims, err := l.claims(ctx)
	if err != nil {
		return err
	}
	sources, err := l.options.VolSync.AllSources(ctx)
	switch {
	case kube.IsNotFound(err):
		l.notKnown = append(l.notKnown, noVolSync)
		return nil
	case kube.IsForbidden(err):
		l.notKnown = append(l.notKnown, "what VolSync does is not known: "+err.Error())
		return nil
	case err != nil:
		return err
	}
	l.volSync, l.sources = true, map[string][]handshake.Source{}
	for _, source := range sources {
		key := source.Namespace + "/" + source.Object.Claim
		l.sources[key] = append(l.sources[key], source.Object)
	}
	return l.readCopies(ctx, claims)
}

// ofVolSync are the labels of what VolSync makes, its clones among it.
const ofVolSync = "app.kubernetes.io/created-by=volsync"

// claims reads the claims that are wanted, and returns all that it has seen.
func (l *looking) claims(ctx context.Context) (seen []pvc.Claim, _ error) {
	o := l.options
	all, err := o.Claims.List(ctx, o.Selector)
	l.listed = err == nil
	if err == nil && o.Selector != "" {
		clones, err := o.Claims.List(ctx, ofVolSync)
		if err != nil {
			return nil, err
		}
		defer func() { seen = append(seen, clones...) }()
	}
	if len(o.Names) == 0 {
		for _, c := range all {
			if _, waits := c.Annotations[handshake.UseAnnotation]; waits {
				l.wanted = append(l.wanted, c)
			}
		}
		return all, err
	}
	if err != nil && !kube.IsForbidden(err) {
		return nil, err
	}
	for _, name := range o.Names {
		if i := slices.IndexFunc(all, func(c pvc.Claim) bool { return c.Name == name }); i >= 0 {
			l.wanted = append(l.wanted, all[i])
			continue
		}
		c, err := o.Claims.Get(ctx, name) // it is not there, or cannot be listed
		if err != nil {
			return nil, err
		}
		l.wanted = append(l.wanted, c)
	}
	return all, nil
}

// readCopies reads the copies: the clones are among the claims.
func (l *looking) readCopies(ctx context.Context, claims []pvc.Claim) error {
	l.copies = map[string]*handshake.Copy{}
	for _, c := range claims {
		clone := &handshake.Copy{
			Name: c.Name, Deleting: c.Deleting, Owner: string(c.Owner.UID), Created: c.Created.UTC().Format(time.RFC3339),
		}
		if c.Owner.UID != "" {
			clone.OwnerName = handshake.Line(c.Owner.Kind + "/" + c.Owner.Name)
		}
		l.copies[copyKeyOf(c.Namespace, c.Name, false)] = clone
	}
	snapshots, err := l.options.VolSync.AllSnapshots(ctx)
	switch {
	case kube.IsNotFound(err): // then there are none
	case kube.IsForbidden(err):
		l.listed = false
		if len(l.options.Names) == 0 {
			l.notKnown = append(l.notKnown, "what copies there are is not known: "+err.Error())
		}
	case err != nil:
		return err
	}
	for i := range snapshots {
		l.copies[copyKeyOf(snapshots[i].Namespace, snapshots[i].Object.Name, true)] = &snapshots[i].Object
	}
	return nil
}

// copyOf returns the copy of a ReplicationSource; nil for none. Of a named claim it asks for the copy
// by its name where it could not list all.
func (l *looking) copyOf(ctx context.Context, namespace string, s handshake.Source) (*handshake.Copy, error) {
	if c := l.copies[copyKey(namespace, s)]; c != nil || l.listed || len(l.options.Names) == 0 {
		return c, nil
	}
	c, err := l.options.VolSync.Copy(ctx, s)
	if kube.IsForbidden(err) {
		l.notKnown = append(l.notKnown, "whether there is a copy is not known: "+err.Error())
		return nil, nil
	}
	return c, err
}

// copyKey is where the copy of a ReplicationSource stands: a snapshot and a clone may have one name.
func copyKey(namespace string, s handshake.Source) string {
	method, _ := handshake.CopyMethodOf(s.Method)
	return copyKeyOf(namespace, handshake.CopyName(s), method.Snapshot)
}

func copyKeyOf(namespace, name string, snapshot bool) string {
	if snapshot {
		return namespace + "/snapshot/" + name
	}
	return namespace + "/claim/" + name
}

func (s Step) statusOf(c pvc.Claim, w handshake.Observed) ClaimStatus {
	s.Namespace, s.Claim, s.Group = c.Namespace, c.Name, nil
	st := ClaimStatus{Namespace: c.Namespace, Name: c.Name, Claim: w.Claim}
	st.Does, st.Since = w.Activity()
	if len(w.Sources) == 1 {
		st.Source = w.Sources[0]
	}
	st.LastRun, _ = handshake.ParseLastRun(w.Claim.LastRun)
	d := handshake.Await(w, "")
	st.Why, st.Hint, st.Commands = d.Why, d.Hint, s.Commands(d.Next)
	if d.Next.Kind == handshake.MoveCleanup && mayNeedUnquiesce(w.Claim.Lock) {
		st.Commands = incomplete(st.Commands)
	}
	if st.Hint == "" && len(st.Commands) == 0 {
		st.Hint = w.RunHint()
	}
	return st
}

// FollowStatus calls show with how the claims are, now and after every change, until ctx ends or show
// returns an error. Changes that come together are one.
func (s Step) FollowStatus(ctx context.Context, o StatusOptions, show func(Overview) error) error {
	ctx, cancel := context.WithCancel(ctx)
	w := newWaiter(s.Log, true, nil)
	defer w.running.Wait()
	defer cancel()
	w.watchAll(ctx, func(ctx context.Context, changed func()) error { return o.Claims.FollowAll(ctx, changed, w.trouble) })
	watched := false
	for {
		seen, err := s.Status(ctx, o)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			w.hasLooked()
			err = show(seen)
		}
		if err != nil {
			return err
		}
		if seen.volSync && !watched {
			watched = true
			w.watchAll(ctx, func(ctx context.Context, changed func()) error {
				return o.VolSync.FollowSources(ctx, func(string) { changed() }, w.trouble)
			})
			w.watchAll(ctx, func(ctx context.Context, changed func()) error {
				err := o.VolSync.FollowSnapshots(ctx, changed, w.trouble)
				if kube.IsNotFound(err) { // there are clones alone
					return nil
				}
				return err
			})
		}
		if err := w.next(ctx); err != nil {
			return endedByHand(ctx, err)
		}
		select { // what comes within it is one change
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
	}
}

// settle is how long after a look the next one waits, for changes that come together.
const settle = time.Second

// endedByHand is how a watch ends: by a signal, which is no error.
func endedByHand(ctx context.Context, err error) error {
	if errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}
