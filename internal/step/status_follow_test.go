package step

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

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
