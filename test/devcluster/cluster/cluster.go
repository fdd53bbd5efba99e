package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ErrStopped is what Wait says of a cluster that somebody asked to stop.
var ErrStopped = errors.New("the cluster was stopped")

// Cluster is a running cluster: one of this process's own (Up), another's (Attach), or one
// that is not of this package at all (Existing).
type Cluster struct {
	dir     string // "" if it is not ours
	config  *rest.Config
	server  clientcmdapi.Cluster // how its API server is reached
	client  kubernetes.Interface
	dynamic dynamic.Interface
	hand    hand
	network *network // where its addresses are

	own  *owned // nil if another process's
	once sync.Once
}

// owned is what only the process has that started the cluster.
type owned struct {
	options    Options
	state      *state
	supervisor *supervisor
	control    *control
	node       *node         // nil without one
	forward    net.Listener  // the way into a network of its own; nil without one
	over       chan struct{} // closed by Stop
}

// Kubeconfig is the path of the administrator's kubeconfig, in a cluster of ours.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }

// RESTConfig is the administrator's access to the API, with no limit to speak of.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.config) }

// Dir is the folder of the cluster; its logs are in log/.
func (c *Cluster) Dir() string { return c.dir }

// Dial connects to an address in the cluster's network: a pod's, for one.
func (c *Cluster) Dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if !c.Ours() {
		return nil, fmt.Errorf("connecting to %s: %w", address, ErrNotOurs)
	}
	return c.network.dial(ctx, kind, address)
}

// Status tells of every component how it is.
func (c *Cluster) Status(ctx context.Context) ([]Status, error) { return c.hand.list(ctx) }

// Wait returns when the cluster is no more: with ErrStopped if it was asked to stop, or
// with the component that ended by itself. The cluster still has to be stopped then.
// A cluster of another process is not watched: there it waits for ctx alone.
func (c *Cluster) Wait(ctx context.Context) error {
	if c.own == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-c.own.supervisor.failed:
		return c.own.supervisor.why()
	case <-c.own.over:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends all components and removes the folder. It may be called more than once. Of
// a cluster of another process it only lets go.
func (c *Cluster) Stop() error {
	var err error
	c.once.Do(func() {
		c.network.close()
		if c.own != nil {
			err = c.own.stop()
		}
	})
	return err
}

func (o *owned) stop() error {
	o.supervisor.stop()
	if o.forward != nil {
		o.forward.Close()
	}
	var group error
	if o.node != nil && o.node.cgroup != "" {
		group = removeCgroup(o.node.cgroup)
	}
	kept := keepLogs(o.state.path("log"), o.options.KeepLogs)
	removed := o.state.remove()
	// Last, for whoever asked for the end waits for this connection to close.
	if o.control != nil {
		o.control.close()
	}
	close(o.over)
	if err := errors.Join(group, kept, removed); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	return nil
}

// connect makes the clients, once there is a kubeconfig.
func (c *Cluster) connect() error {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig()}
	err := c.connectBy(clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}))
	if err != nil {
		return err
	}
	c.config.QPS, c.config.Burst = 500, 1000
	return c.clients()
}

// connectBy finds out who is asked, and how.
func (c *Cluster) connectBy(access clientcmd.ClientConfig) error {
	config, err := access.ClientConfig()
	if err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	raw, err := access.RawConfig()
	if err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	if err := clientcmdapi.MinifyConfig(&raw); err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	if err := clientcmdapi.FlattenConfig(&raw); err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	for _, server := range raw.Clusters {
		c.server = *server
	}
	c.config = config
	return nil
}

func (c *Cluster) clients() error {
	var err error
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfig(c.config); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return nil
}
