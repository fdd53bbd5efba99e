package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// What a step asks of the cluster: it is its [Claims], its [VolSync] and its [Pods].

func (c *cluster) Get(ctx context.Context, n string) (got pvc.Claim, err error) {
	err = c.do(ctx, "get", "pvc", func() error {
		if c.claim == nil {
			return apierrors.NewNotFound(resources["pvc"], n)
		}
		got = *c.claim
		return nil
	})
	c.known(n)
	return got, err
}

func (c *cluster) MayAnnotate(ctx context.Context, n string, values map[string]string) (got pvc.Claim, err error) {
	c.known(n)
	err = c.do(ctx, "try", "pvc", func() error {
		if c.claim == nil {
			return apierrors.NewNotFound(resources["pvc"], n)
		}
		got = *c.claim
		got.Annotations = maps.Clone(got.Annotations)
		maps.Copy(got.Annotations, c.mutated(values))
		return nil
	})
	return got, err
}

// ourAnnotations are those that this program writes.
func ourAnnotations() []string {
	return []string{
		handshake.TriggerAnnotation, handshake.LockAnnotation, handshake.LastRunAnnotation, handshake.LastGoodAnnotation,
	}
}

// mutated is what a webhook makes of what is written.
func (c *cluster) mutated(values map[string]string) map[string]string {
	values = maps.Clone(values)
	for key, to := range c.webhook {
		if value, set := values[key]; set {
			values[key] = to(value)
		}
	}
	return values
}

func (c *cluster) Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (got pvc.Claim, err error) {
	c.known(was.Name)
	var pairs []string
	for key, value := range c.mutated(values) {
		if pairs = append(pairs, key, value); !slices.Contains(ourAnnotations(), key) {
			c.t.Errorf("%s was written, which is not ours", key)
		}
	}
	told := func() {}
	err = c.do(ctx, "patch", "pvc", func() error {
		if c.claim == nil {
			return apierrors.NewNotFound(resources["pvc"], was.Name)
		}
		if was.UID != c.claim.UID || was.Version != c.claim.Version {
			return apierrors.NewConflict(resources["pvc"], was.Name, errors.New("the object has been modified"))
		}
		told = c.apply("pvc", c.set(pairs...))
		got = *c.claim
		return nil
	})
	told()
	return got, err
}

// List of one claim: [clusters] have several.
func (c *cluster) List(ctx context.Context, selector string) (got []pvc.Claim, err error) {
	wanted, err := labels.Parse(selector)
	if err != nil {
		return nil, err
	}
	err = c.do(ctx, "list", "pvc", func() error {
		if c.claim != nil && wanted.Matches(labels.Set(c.claim.Labels)) {
			got = append(got, *c.claim)
		}
		return nil
	})
	return got, err
}

func (c *cluster) known(n string) {
	if n != c.name {
		c.t.Errorf("asked for the claim %q, which is not there", n)
	}
}

func (c *cluster) follow(ctx context.Context, kind string, changed func(), trouble kube.Trouble) error {
	w := &watcher{kind, changed, make(chan error, 1)}
	err := kube.Retry(ctx, trouble, func(ctx context.Context) error {
		return c.do(ctx, "watch", kind, func() error { c.watchers[w] = true; return nil })
	})
	if err != nil {
		return err
	}
	defer func() { c.mu.Lock(); delete(c.watchers, w); c.mu.Unlock() }()
	changed()
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.end:
		return err
	}
}

func (c *cluster) Follow(ctx context.Context, n string, changed func(), trouble kube.Trouble) error {
	c.known(n)
	return c.follow(ctx, "pvc", changed, trouble)
}

func (c *cluster) FollowSources(ctx context.Context, changed func(string), trouble kube.Trouble) error {
	var begun atomic.Bool // several tell of changes
	return c.follow(ctx, "rs", func() {
		if !begun.Swap(true) {
			changed("")
			return
		}
		changed(c.name)
	}, trouble)
}

func (c *cluster) FollowCopy(ctx context.Context, _ handshake.Source, changed func(), trouble kube.Trouble) error {
	return c.follow(ctx, "copy", changed, trouble)
}

func (c *cluster) Sources(ctx context.Context) (got []handshake.Source, err error) {
	err = c.do(ctx, "list", "rs", func() error { got = slices.Clone(c.sources); return nil })
	for i := range got {
		got[i].Claim = cmp.Or(got[i].Claim, c.name)
	}
	return got, err
}

func (c *cluster) SetManual(ctx context.Context, to handshake.Source) (got handshake.Source, err error) {
	told := func() {}
	err = c.do(ctx, "patch", "rs", func() error {
		for i, s := range c.sources {
			if s.UID != to.UID {
				continue
			}
			if s.Version != to.Version {
				return conflict
			}
			told = c.apply("rs", func() {
				c.sources = slices.Clone(c.sources)
				c.sources[i].Manual, c.sources[i].Started = to.Manual, to.Started
				c.sources[i].Version = fmt.Sprint(c.version + 1)
				if c.strip {
					c.sources[i].Started = ""
				}
			})
			got = c.sources[i]
			return nil
		}
		return apierrors.NewNotFound(resources["rs"], to.Name)
	})
	told()
	return got, err
}

func (c *cluster) SourcesNotOlder(ctx context.Context) ([]handshake.Source, error) {
	c.mu.Lock()
	c.notOlder++
	c.mu.Unlock()
	return c.Sources(ctx)
}

func (c *cluster) Copy(ctx context.Context, _ handshake.Source) (got *handshake.Copy, err error) {
	err = c.do(ctx, "get", "copy", func() error {
		if c.copied != nil {
			copied := *c.copied
			got = &copied
		}
		return nil
	})
	return got, err
}

func (c *cluster) selects(selector string) {
	if selector != podLabels {
		c.t.Errorf("asked for the pods %q", selector)
	}
}

func (c *cluster) NotEnded(ctx context.Context, selector string) (got []pods.Pod, err error) {
	c.selects(selector)
	err = c.do(ctx, "list", "pods", func() error { got = slices.Clone(c.pods); return nil })
	return got, err
}

func (c *cluster) FollowNotEnded(ctx context.Context, selector string, changed func(), trouble kube.Trouble) error {
	c.selects(selector)
	return c.follow(ctx, "pods", changed, trouble)
}
