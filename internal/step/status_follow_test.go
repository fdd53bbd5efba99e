package step

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// overviewed is a namespace with one claim, whose watches tell of a change when they are let.
type overviewed struct {
	trigger                   string
	claims, sources, snapshot chan struct{}
}

func (o *overviewed) follow(ctx context.Context, changes chan struct{}, changed func()) error {
	changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			changed()
		}
	}
}

func (o *overviewed) Get(context.Context, string) (pvc.Claim, error) {
	return pvc.Claim{}, errors.New("a claim by itself")
}

func (o *overviewed) List(context.Context, string) ([]pvc.Claim, error) {
	return []pvc.Claim{{Name: name, Annotations: map[string]string{
		handshake.UseAnnotation: "", handshake.TriggerAnnotation: o.trigger,
	}}}, nil
}

func (o *overviewed) FollowAll(ctx context.Context, changed func(), _ kube.Trouble) error {
	return o.follow(ctx, o.claims, changed)
}

func (o *overviewed) AllSources(context.Context) ([]volsync.Of[handshake.Source], error) {
	return nil, nil
}

func (o *overviewed) Copy(context.Context, handshake.Source) (*handshake.Copy, error) {
	return nil, nil
}

func (o *overviewed) AllSnapshots(context.Context) ([]volsync.Of[handshake.Copy], error) {
	return nil, nil
}

func (o *overviewed) FollowSources(ctx context.Context, changed func(string), _ kube.Trouble) error {
	return o.follow(ctx, o.sources, func() { changed("") })
}

func (o *overviewed) FollowSnapshots(ctx context.Context, changed func(), _ kube.Trouble) error {
	return o.follow(ctx, o.snapshot, changed)
}

// A change of whatever is watched is shown within the time in which changes are taken together, not
// when the wait looks again by itself.
func TestStatusFollowsEachKind(t *testing.T) {
	for kind, changes := range map[string]func(*overviewed) chan struct{}{
		"claims":    func(o *overviewed) chan struct{} { return o.claims },
		"sources":   func(o *overviewed) chan struct{} { return o.sources },
		"snapshots": func(o *overviewed) chan struct{} { return o.snapshot },
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &overviewed{
					claims: make(chan struct{}), sources: make(chan struct{}), snapshot: make(chan struct{}),
				}
				ctx, stop := context.WithCancel(t.Context())
				s := Step{Namespace: namespace, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
				var shown []string
				ended := make(chan error, 1)
				go func() {
					ended <- s.FollowStatus(ctx, StatusOptions{Claims: o, VolSync: o, Timeout: time.Minute},
						func(seen Overview) error { shown = append(shown, seen.Claims[0].Claim.Trigger); return nil })
				}()
				time.Sleep(5 * settle) // the watches are established
				synctest.Wait()
				o.trigger = "new"
				changes(o) <- struct{}{}
				time.Sleep(2 * settle)
				synctest.Wait()
				if len(shown) == 0 || shown[len(shown)-1] != "new" {
					t.Errorf("shown %q", shown)
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// followed is overviewed, with what goes wrong with its lists and watches.
type followed struct {
	overviewed
	log                log
	noClaims, noCopies error
	refused            chan bool // gets whether a refusal is tolerated; nil for none

	mu               sync.Mutex
	noVolSync, hangs bool
	follows          int  // how often ReplicationSources are
	ended, returned  bool // the watch of the claims, and all of it
}

// with is for what changes meanwhile.
func (f *followed) with(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *followed) List(ctx context.Context, selector string) ([]pvc.Claim, error) {
	hangs := false
	if f.with(func() { hangs = f.hangs }); hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overviewed.List(ctx, selector)
}

func (f *followed) AllSources(context.Context) ([]volsync.Of[handshake.Source], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noVolSync {
		return nil, apierrors.NewNotFound(resources["rs"], "")
	}
	return nil, nil
}

func (f *followed) FollowAll(ctx context.Context, changed func(), trouble kube.Trouble) error {
	if f.noClaims != nil {
		return f.noClaims
	}
	if f.refused != nil {
		go func() {
			f.refused <- trouble(forbidden)
			time.Sleep(settle)
			f.refused <- trouble(forbidden)
		}()
	}
	err := f.overviewed.FollowAll(ctx, changed, trouble)
	time.Sleep(settle / 10) // a request is still under way
	f.with(func() { f.ended = true })
	return err
}

func (f *followed) FollowSources(ctx context.Context, changed func(string), trouble kube.Trouble) error {
	gone := false
	if f.with(func() { f.follows++; gone = f.noVolSync }); gone {
		return apierrors.NewNotFound(resources["rs"], "")
	}
	return f.overviewed.FollowSources(ctx, changed, trouble)
}

func (f *followed) FollowSnapshots(ctx context.Context, changed func(), trouble kube.Trouble) error {
	if f.noCopies != nil {
		return f.noCopies
	}
	return f.overviewed.FollowSnapshots(ctx, changed, trouble)
}

// following is a watch of the status in a bubble, while events happen. It returns what was shown, and
// how the watch has ended.
func following(
	t *testing.T, f *followed, show func(Overview) error, events func(stop func()),
) (shown []string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.claims, f.sources, f.snapshot = make(chan struct{}), make(chan struct{}), make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := Step{Namespace: namespace, Log: slog.New(slog.NewTextHandler(&f.log, nil))}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err = s.FollowStatus(ctx, StatusOptions{Claims: f, VolSync: f, Timeout: time.Minute},
				func(seen Overview) error {
					shown = append(shown, seen.Claims[0].Claim.Trigger)
					if show != nil {
						return show(seen)
					}
					return nil
				})
			f.with(func() {
				f.returned = true
				if !f.ended && f.noClaims == nil {
					t.Error("a watch is left")
				}
			})
		}()
		after(10 * settle)
		if events != nil {
			events(stop)
			synctest.Wait()
		}
		stop()
		<-ended
	})
	return shown, err
}

// Changes that come together are shown once, and none is missed. Each kind is watched by one watch.
func TestStatusTakesChangesTogether(t *testing.T) {
	f := &followed{}
	var times atomic.Int32
	shown, err := following(t, f, func(Overview) error { times.Add(1); return nil }, func(func()) {
		times.Store(0)
		for _, trigger := range []string{"one", "two", "three"} {
			f.with(func() { f.trigger = trigger })
			f.claims <- struct{}{}
			after(settle / 10)
		}
		after(2 * settle)
		if n := times.Load(); n != 2 {
			t.Errorf("shown %d times, want the first change, and what came within %s", n, settle)
		}
	})
	if err != nil || len(shown) == 0 || shown[len(shown)-1] != "three" || slices.Contains(shown, "two") {
		t.Errorf("got %v, shown %q", err, shown)
	}
	if f.follows != 1 {
		t.Errorf("%d watches of ReplicationSources", f.follows)
	}
}

// A signal ends the watch at once, and well, whatever it does at this moment.
func TestStatusEndsAtOnce(t *testing.T) {
	for moment, events := range map[string]func(*followed){
		"it waits": func(*followed) {},
		"it looks": func(f *followed) {
			f.with(func() { f.hangs = true })
			f.claims <- struct{}{}
			after(2 * settle)
		},
		"it takes them together": func(f *followed) { f.claims <- struct{}{}; after(settle / 2) },
	} {
		f := &followed{}
		_, err := following(t, f, nil, func(stop func()) {
			events(f)
			stop()
			after(settle / 10) // the watch of claims takes that long
			f.with(func() {
				if !f.returned {
					t.Errorf("%s: it goes on", moment)
				}
			})
		})
		if err != nil {
			t.Errorf("%s: got %v", moment, err)
		}
	}
}

// Who cannot show it any more, as to a pipe that was closed, ends the watch with that error.
func TestStatusEndsWithWhoeverShowsIt(t *testing.T) {
	broken := errors.New("broken pipe")
	shown, err := following(t, &followed{}, func(Overview) error { return broken }, nil)
	if !errors.Is(err, broken) || len(shown) != 1 {
		t.Errorf("got %v, shown %d times", err, len(shown))
	}
}

// What cannot be watched is looked at every half minute, and that is said. Without the kind of snapshots
// there are none.
func TestStatusWithoutWatches(t *testing.T) {
	for what, c := range map[string]struct {
		f    *followed
		says int
	}{
		"claims are not granted":    {f: &followed{noClaims: forbidden}, says: 1},
		"snapshots are not granted": {f: &followed{noCopies: forbidden}, says: 1},
		"no snapshots":              {f: &followed{noCopies: apierrors.NewNotFound(resources["copy"], "")}},
		"no VolSync":                {f: &followed{noVolSync: true}},
	} {
		shown, err := following(t, c.f, nil, func(func()) {
			c.f.with(func() { c.f.trigger = "new" })
			after(lookAgain + settle)
		})
		if err != nil || shown[len(shown)-1] != "new" {
			t.Errorf("%s: got %v, shown %q", what, err, shown)
		}
		if n := c.f.log.count("a watch is refused"); n != c.says {
			t.Errorf("%s: %d refusals are said, want %d", what, n, c.says)
		}
	}
}

// VolSync that is installed while the status is watched is watched from then on.
func TestStatusFollowsVolSyncOnceItIsThere(t *testing.T) {
	f := &followed{noVolSync: true}
	_, err := following(t, f, nil, func(func()) {
		f.with(func() {
			if f.follows != 0 {
				t.Error("what is not there is watched")
			}
			f.noVolSync = false
		})
		after(lookAgain + settle)
	})
	if err != nil || f.follows != 1 {
		t.Errorf("got %v, %d watches", err, f.follows)
	}
}

// A refusal after a look may pass, as of an API server that has just been started; before it does not.
func TestStatusToleratesARefusal(t *testing.T) {
	f := &followed{refused: make(chan bool, 2)}
	if _, err := following(t, f, nil, nil); err != nil {
		t.Fatal(err)
	}
	<-f.refused // at the same time as the first look
	if !<-f.refused {
		t.Errorf("a refusal does not pass: %s", strings.TrimSpace(f.log.b.String()))
	}
}
