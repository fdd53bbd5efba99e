package harness

import (
	"context"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// Component is a program of the cluster, which is as it was when the test is over. Only
// tests that are not parallel may touch one.
type Component struct {
	site *Site
	of   *cluster.Component
	name string
}

// Component is the one of that name.
func (s *Site) Component(name string) *Component {
	s.Helper()
	s.Need(Components)
	c := &Component{s, shared.cluster.Component(name), name}
	s.Cleanup(c.repair)
	return c
}

func (c *Component) Kill()    { c.site.Helper(); c.site.Must(c.of.Kill(c.site.Ctx)) }
func (c *Component) Start()   { c.site.Helper(); c.site.Must(c.of.Start(c.site.Ctx)) }
func (c *Component) Restart() { c.site.Helper(); c.site.Must(c.of.Restart(c.site.Ctx)) }
func (c *Component) Pause()   { c.site.Helper(); c.site.Must(c.of.Pause(c.site.Ctx)) }
func (c *Component) Resume()  { c.site.Helper(); c.site.Must(c.of.Resume(c.site.Ctx)) }

// repair undoes what a failed test has left undone.
func (c *Component) repair() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	all, err := shared.cluster.Status(ctx)
	c.site.Must(err)
	for _, status := range all {
		if status.Name != c.name {
			continue
		}
		switch status.State {
		case cluster.Ended:
			c.site.Must(c.of.Start(ctx))
		case cluster.Paused:
			c.site.Must(c.of.Resume(ctx))
		}
	}
}

// SetPace sets the pace of all copies for the rest of the test, which must not be
// parallel.
func (s *Site) SetPace(p pace.Pace) {
	s.Helper()
	s.Need(SlowStorage)
	s.Must(shared.cluster.SetPace(p))
	s.Cleanup(func() { s.Must(shared.cluster.SetPace(pace.Pace{})) })
}

// CopyIsWhole says whether the copy has the same number in all of the application's files.
func (s *Site) CopyIsWhole() bool {
	s.Helper()
	s.Need(VolumeFiles)
	dir, err := shared.cluster.SnapshotDir(s.Ctx, s.Namespace, CopyName)
	s.Must(err)
	same, all, err := oneNumber(dir)
	s.Must(err)
	s.Logf("the copy has %q", all)
	return same
}
