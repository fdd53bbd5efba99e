//go:build linux

package quiesce

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// lostNode is a cluster whose node goes with the pod on it, after a while, and without a word.
// There is another pod then.
type lostNode struct {
	old, again pods.Target
	gone       time.Time
	ran        []string // uids of the pods
}

func (n *lostNode) Find(context.Context) (pods.Target, error) {
	if time.Now().After(n.gone) {
		return n.again, nil
	}
	return n.old, nil
}

func (n *lostNode) Look(ctx context.Context, _ pods.Target) (pods.Target, error) { return n.Find(ctx) }

func (n *lostNode) Check(context.Context, pods.Target, ...[]string) (bool, error) { return true, nil }

func (n *lostNode) Run(ctx context.Context, t pods.Target, _ podexec.Command) (int, error) {
	n.ran = append(n.ran, t.UID)
	if t == n.old && len(n.ran) > 1 {
		<-ctx.Done()
		return notRun, &podexec.Broken{Where: t, Err: context.Cause(ctx)}
	}
	return 0, nil
}

// The node goes while unquiesce is waited for, and nobody says so: the attempt ends when the pod is
// seen to be another one, and the next one is made there.
func TestNodeGoesInUnquiesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &lostNode{
			old: pods.Target{Name: "db", UID: "1"}, again: pods.Target{Name: "db", UID: "2"},
			gone: time.Now().Add(time.Minute),
		}
		c := &PodCommands{Pod: Pod{Cluster: n, Log: slog.New(slog.DiscardHandler)}, On: shell("on"), Off: shell("off")}
		if err := errors.Join(c.Prepare(t.Context()), c.Quiesce(t.Context())); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := c.Unquiesce(ctx, always); !errors.Is(err, ErrNotHeld) {
			t.Errorf("got %v", err)
		}
		if len(n.ran) != 3 || n.ran[1] != "1" || n.ran[2] != "2" {
			t.Errorf("ran in %q", n.ran)
		}
	})
}
