package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// bringManager starts what makes objects out of objects. It is ready when it has made
// the first that everybody needs: a namespace's default service account.
func (c *Cluster) bringManager(up starter, p *plan) error {
	if err := up.start(p.manager(), p.scheduler()); err != nil {
		return err
	}
	if err := up.await("kube-controller-manager"); err != nil {
		return err
	}
	if err := c.defaultAccount(up.ctx, "default"); err != nil {
		return err
	}
	up.say.done("default service account")
	return up.await("kube-scheduler")
}

func (c *Cluster) defaultAccount(ctx context.Context, namespace string) error {
	lw := cache.NewListWatchFromClient(c.client.CoreV1().RESTClient(), "serviceaccounts", namespace,
		fields.OneTermEqualSelector("metadata.name", "default"))
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.ServiceAccount{}, nil, func(watch.Event) (bool, error) {
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the default service account of %s: %w", namespace, err)
	}
	return nil
}

// bringStorage starts the driver and the snapshot controllers, and closes definitions
// when the snapshots' kinds are served.
func (c *Cluster) bringStorage(up starter, p *plan, definitions chan<- struct{}) error {
	if err := up.start(p.dircsi()); err != nil {
		return err
	}
	if err := c.applyUpstream(up.ctx, p.programs["snapshot-controller"]); err != nil {
		return err
	}
	close(definitions)
	up.say.done("snapshot definitions")
	if err := up.start(p.snapshotController()); err != nil {
		return err
	}
	for _, name := range []string{"storage.yaml", "snapshotclass.yaml"} {
		objects, err := embedded(name)
		if err != nil {
			return err
		}
		if err := apply(up.ctx, c.dynamic, objects); err != nil {
			return err
		}
	}
	if err := up.await("dircsi"); err != nil {
		return err
	}
	if err := up.start(p.csiSnapshotter()); err != nil {
		return err
	}
	return up.await("snapshot-controller", "csi-snapshotter")
}

func (c *Cluster) bringVolsync(up starter, p *plan, definitions <-chan struct{}) error {
	objects, err := embedded("volsync.yaml")
	if err != nil {
		return err
	}
	if err := apply(up.ctx, c.dynamic, objects); err != nil {
		return err
	}
	if err := c.applyUpstream(up.ctx, p.programs["volsync-manager"]); err != nil {
		return err
	}
	up.say.done("VolSync definitions and rights")
	err = c.ServiceAccountKubeconfig(up.ctx, volsyncNamespace, volsyncAccount, p.state.path("volsync.kubeconfig"))
	if err != nil {
		return err
	}
	// VolSync watches snapshots too.
	select {
	case <-definitions:
	case <-up.ctx.Done():
		return up.ctx.Err()
	}
	if err := up.start(p.volsync()); err != nil {
		return err
	}
	return up.await("volsync")
}

// applyUpstream applies the manifests of a program and waits until they are in force.
func (c *Cluster) applyUpstream(ctx context.Context, program string) error {
	objects, err := upstream(program)
	if err != nil {
		return err
	}
	for _, o := range objects {
		intoNamespace(o, volsyncNamespace)
		// Old generators leave a status in what is to be applied.
		unstructured.RemoveNestedField(o.Object, "status")
		unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	}
	if err := apply(ctx, c.dynamic, objects); err != nil {
		return err
	}
	return c.served(ctx, objects)
}
