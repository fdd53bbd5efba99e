package cluster

import (
	"context"
	"fmt"
	"syscall"
)

// Component is one program of the cluster, for tests that want to see it fail. Names
// are those Status gives: "volsync", "kube-apiserver", and so on.
type Component struct {
	name string
	hand hand
}

// Component is the handle of a component; whether there is one shows when it is used.
func (c *Cluster) Component(name string) *Component { return &Component{name, c.hand} }

// Kill ends it as a crash would, and returns when it has ended. What cannot be without
// it (csi-snapshotter without dircsi) ends too.
func (c *Component) Kill(ctx context.Context) error { return c.hand.act(ctx, c.name, "kill") }

// Stop ends it politely.
func (c *Component) Stop(ctx context.Context) error { return c.hand.act(ctx, c.name, "stop") }

// Start starts it after Kill or Stop, and returns when it is ready.
func (c *Component) Start(ctx context.Context) error { return c.hand.act(ctx, c.name, "start") }

// Restart is Kill and Start.
func (c *Component) Restart(ctx context.Context) error { return c.hand.act(ctx, c.name, "restart") }

// Pause stops it in its tracks: it holds its connections and does nothing.
func (c *Component) Pause(ctx context.Context) error { return c.hand.act(ctx, c.name, "pause") }

// Resume lets it go on after Pause.
func (c *Component) Resume(ctx context.Context) error { return c.hand.act(ctx, c.name, "resume") }

// Do is the action by its name: kill, stop, start, restart, pause or resume.
func (c *Component) Do(ctx context.Context, action string) error {
	return c.hand.act(ctx, c.name, action)
}

// hand is what can reach the components: their own supervisor, or a connection to it.
type hand interface {
	act(ctx context.Context, name, action string) error
	list(ctx context.Context) ([]Status, error)
}

func (s *supervisor) act(ctx context.Context, name, action string) error {
	switch action {
	case "kill":
		return s.end(ctx, name, syscall.SIGKILL)
	case "stop":
		return s.end(ctx, name, syscall.SIGTERM)
	case "start":
		return s.start(ctx, name)
	case "restart":
		if err := s.end(ctx, name, syscall.SIGKILL); err != nil {
			return err
		}
		return s.start(ctx, name)
	case "pause":
		return s.pause(name, true)
	case "resume":
		return s.pause(name, false)
	}
	return fmt.Errorf("doing %q to %s: not one of kill, stop, start, restart, pause, resume", action, name)
}
