package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Up starts a cluster from built programs and returns when it is ready. It lives until
// Stop, and never longer than this process.
func Up(ctx context.Context, options Options) (*Cluster, error) {
	o, err := options.filled()
	if err != nil {
		return nil, err
	}
	programs, err := locate(o)
	if err != nil {
		return nil, err
	}
	if err := programs.check(o); err != nil {
		return nil, err
	}
	p := &plan{programs: programs, assets: o.assets}
	if o.Node {
		if err := checkNode(o.Dir); err != nil {
			return nil, fmt.Errorf("starting a cluster: %w", err)
		}
		p.node = &node{archives: programs.archives(o)}
	}
	if p.state, err = claim(o.Dir); err != nil {
		return nil, err
	}
	supervisor, err := newSupervisor(o.Dir, p.node != nil)
	if err != nil {
		return nil, errors.Join(err, p.state.remove())
	}
	c := &Cluster{dir: o.Dir, hand: supervisor, network: &network{}, own: &owned{
		options: o, state: p.state, supervisor: supervisor, node: p.node, over: make(chan struct{}),
	}}
	if err := c.bring(ctx, p); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// bring starts everything, side by side where one does not wait for the other.
func (c *Cluster) bring(ctx context.Context, p *plan) error {
	// A component that ends while another is waited for must not be waited out.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-c.own.supervisor.failed:
			cancel(c.own.supervisor.why())
		case <-ctx.Done():
		}
	}()
	say := newStages(c.own.options.Progress)
	if err := c.stages(ctx, p, say); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("starting the cluster: %w", err)
	}
	say.done("cluster")
	return nil
}

func (c *Cluster) stages(ctx context.Context, p *plan, say *stages) error {
	if err := p.prepare(); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	say.done("certificates")
	up := starter{ctx, c.own.supervisor, say}
	var err error
	if p.node != nil {
		if err = c.bringNamespaces(up, p); err != nil {
			return err
		}
	}
	if p.probe, err = newProber(p.pki, c.network.dial); err != nil {
		return err
	}
	// The API server asks for etcd until it is there.
	if err := up.start(p.etcd(), p.apiserver()); err != nil {
		return err
	}
	if err := up.await("etcd", "kube-apiserver"); err != nil {
		return err
	}
	// The controller manager gives up if there is no API server within ten seconds, so
	// it comes after.
	definitions := make(chan struct{})
	work := []func(starter) error{
		func(up starter) error { return c.bringManager(up, p) },
		func(up starter) error { return c.bringStorage(up, p, definitions) },
		func(up starter) error { return c.bringVolsync(up, p, definitions) },
	}
	if c.own.options.Node {
		work = append(work, func(up starter) error { return c.bringNode(up, p) })
	}
	if c.own.options.Tekton {
		work = append(work, func(up starter) error { return c.bringTekton(up, p) })
	}
	if c.own.options.Argo {
		work = append(work, func(up starter) error { return c.bringArgo(up, p) })
	}
	if c.own.options.Events {
		work = append(work, func(up starter) error { return c.bringEvents(up, p) })
	}
	if err := up.together(work...); err != nil {
		return err
	}
	c.own.control, err = serveControl(c)
	return err
}

func (p *plan) prepare() error {
	var err error
	if p.pki, err = newPKI(p.state.path("pki")); err != nil {
		return err
	}
	if err := p.pki.keyPair("sa"); err != nil {
		return err
	}
	for _, user := range users() {
		if err := p.pki.issue(user[0], user[1], user[2:]...); err != nil {
			return err
		}
	}
	if p.ports, err = pickPorts(p.node != nil); err != nil {
		return err
	}
	return p.certificateKubeconfigs()
}

// starter starts components and tells when they are ready.
type starter struct {
	ctx        context.Context
	supervisor *supervisor
	say        *stages
}

// together does the work side by side.
func (s starter) together(work ...func(starter) error) error {
	var all []func(context.Context) error
	for _, f := range work {
		all = append(all, func(ctx context.Context) error { return f(starter{ctx, s.supervisor, s.say}) })
	}
	return together(s.ctx, all...)
}

func (s starter) start(specs ...spec) error {
	for _, spec := range specs {
		if err := s.supervisor.add(spec); err != nil {
			return err
		}
	}
	return nil
}

func (s starter) await(names ...string) error {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
	defer cancel()
	for _, name := range names {
		if err := s.supervisor.await(ctx, name); err != nil {
			return err
		}
		s.say.done(name)
	}
	return nil
}
