package cluster

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
)

// ErrNotOurs is what a cluster that somebody else runs says to whatever asks for more than
// its API: its components, its storage and its network are theirs.
var ErrNotOurs = errors.New("somebody else runs this cluster, and there is only its API")

// Existing is a cluster that somebody else runs, reached by a kubeconfig. Nothing has been
// sent to it yet.
func Existing(access clientcmd.ClientConfig) (*Cluster, error) {
	c := &Cluster{hand: nobody{}, network: &network{}}
	if err := c.connectBy(access); err != nil {
		return nil, err
	}
	// It has other users.
	c.config.QPS, c.config.Burst = 50, 100
	return c, c.clients()
}

// Ours reports whether the cluster is one of this package's.
func (c *Cluster) Ours() bool { return c.dir != "" }

// nobody can reach the components.
type nobody struct{}

func (nobody) act(_ context.Context, name, action string) error {
	return fmt.Errorf("doing %q to %s: %w", action, name, ErrNotOurs)
}

func (nobody) list(context.Context) ([]Status, error) { return nil, ErrNotOurs }
