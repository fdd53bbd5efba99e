package kube

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// server is what Follow watches. open answers each opening in turn; after the last
// answer every watch opens and stays open.
type server struct {
	t       *testing.T
	mu      sync.Mutex
	answers []error
	opened  []time.Duration // since the start
	start   time.Time
	now     *watch.FakeWatcher
	opts    metav1.ListOptions
	changes int
	trouble []error
}

func (s *server) open(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && !s.now.IsStopped() {
		s.t.Error("a watch was opened while the last one was not stopped")
	}
	s.opts = opts
	s.opened = append(s.opened, time.Since(s.start))
	if len(s.answers) > 0 {
		err := s.answers[0]
		if s.answers = s.answers[1:]; err != nil {
			return nil, err
		}
	}
	s.now = watch.NewFake()
	return s.now, nil
}

// follows runs Follow in a bubble while events happen to it, and gives what it returned.
// That the bubble ends proves that no goroutine is left.
func follows(t *testing.T, answers []error, events func(s *server, end context.CancelFunc)) (*server, error) {
	s := &server{t: t, answers: answers}
	var err error
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = Follow(ctx, Request{Resource: "persistentvolumeclaims", Namespace: "app", Name: "data"}, s.open,
				Any(func() { s.mu.Lock(); s.changes++; s.mu.Unlock() }),
				s.told)
		}()
		synctest.Wait()
		events(s, cancel)
		synctest.Wait()
		cancel()
		<-done
		if s.now != nil && !s.now.IsStopped() {
			t.Error("the last watch was not stopped")
		}
	})
	return s, err
}

var object = &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "data"}}

// pass lets time go by, and what it brings happen.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// ends is a server that ends the watch.
func ends(s *server) { s.now.Stop(); synctest.Wait() }

// told keeps what will be tried again.
func (s *server) told(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if Passing(err) {
		s.trouble = append(s.trouble, err)
	}
	return Passing(err)
}

func (s *server) want(opened, changes, trouble int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opened) != opened || s.changes != changes || len(s.trouble) != trouble {
		s.t.Errorf("opened %d times, %d changes, %d troubles, want %d, %d, %d (%v)",
			len(s.opened), s.changes, len(s.trouble), opened, changes, trouble, s.trouble)
	}
}

func TestFollowPokes(t *testing.T) {
	s, err := follows(t, nil, func(s *server, _ context.CancelFunc) {
		s.want(1, 1, 0) // it stands
		s.now.Add(object)
		s.now.Modify(object)
		s.now.Delete(object)
		synctest.Wait()
		s.want(1, 4, 0)
		s.now.Action(watch.Bookmark, object)
		synctest.Wait()
		s.want(1, 4, 0)
		pass(24 * time.Hour)
		s.want(1, 4, 0) // nothing happens, so nothing is done
	})
	if err != nil {
		t.Errorf("got %v, want none when the caller ends it", err)
	}
	want := metav1.ListOptions{FieldSelector: "metadata.name=data"}
	if s.opts.FieldSelector != want.FieldSelector || s.opts.ResourceVersion != "" || s.opts.AllowWatchBookmarks {
		t.Errorf("got options %+v, want %+v", s.opts, want)
	}
}

func TestFollowReopensAtOnceWhatHeld(t *testing.T) {
	follows(t, nil, func(s *server, _ context.CancelFunc) {
		pass(time.Hour)
		ends(s)
		s.want(2, 2, 0)
		if s.opened[1] != time.Hour {
			t.Errorf("reopened after %s, want at once", s.opened[1])
		}
	})
}

// A server that ends every watch in the moment in which it opens is not hammered.
func TestFollowBacksOffWhatDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		opened, changes := 0, 0
		err := Follow(ctx, Request{}, func(context.Context, metav1.ListOptions) (watch.Interface, error) {
			opened++
			w := watch.NewFake()
			w.Stop()
			return w, nil
		}, Any(func() { changes++ }), quiet)
		if err != nil {
			t.Error(err)
		}
		if most := int(time.Hour/(maxPause*80/100)) + 10; opened < 100 || opened > most || changes != opened {
			t.Errorf("opened %d times in an hour, %d changes; want at most %d, and a change for each", opened, changes, most)
		}
	})
}

func TestFollowSurvives(t *testing.T) {
	gone := apierrors.NewResourceExpired("too old resource version")
	lost := errors.Join(apierrors.NewServiceUnavailable("starting"))
	for name, answers := range map[string][]error{
		"410 at connect": {gone, gone},
		"server lost":    {lost, context.DeadlineExceeded},
		"a gap later":    {nil},
	} {
		t.Run(name, func(t *testing.T) {
			follows(t, answers, func(s *server, _ context.CancelFunc) {
				pass(time.Second)
				if answers[0] == nil {
					ends(s)
					pass(time.Second)
					s.want(2, 2, 1)
					return
				}
				s.want(len(answers)+1, 1, len(answers))
			})
		})
	}
}

func TestFollowHonoursRetryAfter(t *testing.T) {
	follows(t, []error{apierrors.NewTooManyRequests("slow down", 30)}, func(s *server, _ context.CancelFunc) {
		pass(29 * time.Second)
		s.want(1, 0, 1)
		pass(time.Second)
		s.want(2, 1, 1)
	})
}

func TestFollowErrorEvent(t *testing.T) {
	status := func(err *apierrors.StatusError) runtime.Object { return &err.ErrStatus }
	t.Run("410 passes", func(t *testing.T) {
		follows(t, nil, func(s *server, _ context.CancelFunc) {
			s.now.Error(status(apierrors.NewResourceExpired("too old resource version")))
			pass(time.Second)
			s.want(2, 2, 1)
		})
	})
	t.Run("forbidden does not", func(t *testing.T) {
		s, err := follows(t, nil, func(s *server, _ context.CancelFunc) {
			s.now.Error(status(apierrors.NewForbidden(pvcs, "data", errors.New("revoked"))))
			synctest.Wait()
		})
		if !IsForbidden(err) {
			t.Errorf("got %v, want forbidden", err)
		}
		s.want(1, 1, 0)
	})
}

func TestFollowEndsForGood(t *testing.T) {
	for _, answer := range []error{
		apierrors.NewForbidden(pvcs, "data", errors.New("no")),
		apierrors.NewUnauthorized("who"),
		plain(404),
	} {
		s, err := follows(t, []error{answer}, func(s *server, _ context.CancelFunc) {})
		if !errors.Is(err, answer) {
			t.Errorf("got %v, want %v", err, answer)
		}
		s.want(1, 0, 0)
		var failed *Error
		if !errors.As(err, &failed) || failed.Request.Verb != "watch" || failed.Request.Name != "data" {
			t.Errorf("%v does not name the request", err)
		}
	}
}

func TestFollowNoNameNoSelector(t *testing.T) {
	var selector []string
	ctx, cancel := context.WithCancel(t.Context())
	err := Follow(
		ctx,
		Request{Resource: "replicationsources"},
		func(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			selector = append(selector, opts.FieldSelector)
			return watch.NewFake(), nil
		},
		Any(cancel),
		quiet,
	)
	if err != nil || !slices.Equal(selector, []string{""}) {
		t.Errorf("err %v, selectors %q, want none", err, selector)
	}
}

// A watch that has lasted as long as it takes is reopened at once when it ends; a moment less, and
// there is a pause. A refusal ends it for good, however long it has lasted.
func TestFollowAfterAWatchThatHeld(t *testing.T) {
	for lasts, pauses := range map[time.Duration]bool{steady: false, steady - time.Millisecond: true} {
		follows(t, nil, func(s *server, _ context.CancelFunc) {
			pass(lasts)
			ends(s)
			if got := len(s.opened) == 1; got != pauses {
				t.Errorf("after %s: paused %t, want %t", lasts, got, pauses)
			}
		})
	}
	s, err := follows(t, nil, func(s *server, _ context.CancelFunc) {
		pass(time.Hour)
		revoked := apierrors.NewForbidden(pvcs, "data", errors.New("revoked"))
		s.now.Error(&revoked.ErrStatus)
		synctest.Wait()
	})
	if !IsForbidden(err) {
		t.Errorf("got %v, want the refusal", err)
	}
	s.want(1, 1, 0)
}

// Follow tells of an event with its object, and of a watch that is established without one.
func TestFollowTellsWhich(t *testing.T) {
	w := watch.NewFakeWithChanSize(1, false)
	w.Modify(object)
	ctx, cancel := context.WithCancel(t.Context())
	var told []runtime.Object
	err := Follow(ctx, Request{}, func(context.Context, metav1.ListOptions) (watch.Interface, error) { return w, nil },
		func(o runtime.Object) {
			if told = append(told, o); len(told) == 2 {
				cancel()
			}
		}, quiet)
	if err != nil || !slices.Equal(told, []runtime.Object{nil, object}) {
		t.Errorf("got %v, %v", told, err)
	}
}
