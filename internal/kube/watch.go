package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// Any is for Follow where it does not matter which object has changed.
func Any(changed func()) func(runtime.Object) { return func(runtime.Object) { changed() } }

// WatchFunc opens a watch: Watch of the metadata client, of the dynamic client.
type WatchFunc func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)

// errEnded: a server may end a watch whenever it likes, most do within the hour.
var errEnded = errors.New("the server ended the watch")

// steady is how long a watch must have lasted for its end to be nothing to worry about.
const steady = 5 * time.Second

// Follow calls changed when the watch stands, and whenever what is watched may have
// changed since: after each event, and after each gap. It carries no state on purpose:
// who is called looks at the present state, so that no event is missed or out of order,
// whatever a watch lost. The object of an event tells what to look at; after a gap, when
// anything may have changed, it is nil. It returns when ctx ends (with nil) or on an error
// that does not pass.
//
// The watch is opened without a resourceVersion, so it starts somewhere up to now: whatever
// happens after changed has been called, and so after the look that follows, is an event.
func Follow(ctx context.Context, r Request, open WatchFunc, changed func(runtime.Object), trouble Trouble) error {
	opts := metav1.ListOptions{AllowWatchBookmarks: false}
	if r.Name != "" {
		// With exactly this selector a Role may name the object (resourceNames).
		opts.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, r.Name).String()
	}
	r.Verb = "watch"
	for ctx.Err() == nil {
		// A fresh backoff after each watch that held: a later gap is a new trouble.
		err := Retry(ctx, trouble, func(ctx context.Context) error {
			start := time.Now()
			err := r.wrap(follow(ctx, open, opts, changed))
			if time.Since(start) >= steady && Passing(err) {
				return nil
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// follow is one watch, from opening to its end.
func follow(ctx context.Context, open WatchFunc, opts metav1.ListOptions, changed func(runtime.Object)) error {
	w, err := open(ctx, opts)
	if err != nil {
		return err
	}
	defer w.Stop()
	changed(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-w.ResultChan():
			switch {
			case !ok:
				return errEnded
			case event.Type == watch.Error:
				return fmt.Errorf("watching: %w", apierrors.FromObject(event.Object))
			case event.Type != watch.Bookmark:
				changed(event.Object)
			}
		}
	}
}
