package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
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
	if err := c.applyUpstream(up.ctx, p.programs["snapshot-controller"], nil); err != nil {
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
	change := leaveOut("Deployment", "Namespace")
	if p.node != nil {
		change = volsyncDeployment
	}
	// As its kustomization does, into the one namespace.
	change = both(func(o *unstructured.Unstructured) bool { intoNamespace(o, volsyncNamespace); return true }, change)
	if err := c.applyUpstream(up.ctx, p.programs["volsync-manager"], change); err != nil {
		return err
	}
	up.say.done("VolSync definitions and rights")
	if p.node != nil {
		return c.deployed(up, volsyncNamespace, volsyncAccount)
	}
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

// change makes of upstream's object what is applied; false leaves it out.
type change func(*unstructured.Unstructured) bool

func both(first, second change) change {
	return func(o *unstructured.Unstructured) bool { return first(o) && second(o) }
}

func leaveOut(kinds ...string) change {
	return func(o *unstructured.Unstructured) bool { return !slices.Contains(kinds, o.GetKind()) }
}

// applyUpstream applies the manifests of a program, changed, and waits until they are in
// force. Webhooks go last: what they look at must be there before them.
func (c *Cluster) applyUpstream(ctx context.Context, program string, change change) error {
	objects, err := upstream(program)
	if err != nil {
		return err
	}
	var first, last []*unstructured.Unstructured
	for _, o := range objects {
		if change != nil && !change(o) {
			continue
		}
		// Old generators leave a status in what is to be applied.
		unstructured.RemoveNestedField(o.Object, "status")
		unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
		if strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			last = append(last, o)
		} else {
			first = append(first, o)
		}
	}
	if err := apply(ctx, c.dynamic, first); err != nil {
		return err
	}
	if err := c.served(ctx, first); err != nil {
		return err
	}
	return apply(ctx, c.dynamic, last)
}

// settled is how long a node or a Deployment may take until it is ready. What is not ready
// by then waits for something that will not come.
const settled = 20 * time.Minute

// deployed waits until a Deployment's pods are ready.
func (c *Cluster) deployed(up starter, namespace, name string) error {
	ctx, cancel := context.WithTimeout(up.ctx, settled)
	defer cancel()
	lw := cache.NewListWatchFromClient(
		c.client.AppsV1().RESTClient(),
		"deployments",
		namespace,
		fields.OneTermEqualSelector("metadata.name", name),
	)
	_, err := watchtools.UntilWithSync(ctx, lw, &appsv1.Deployment{}, nil, func(e watch.Event) (bool, error) {
		d, ok := e.Object.(*appsv1.Deployment)
		return ok && d.Status.ObservedGeneration >= d.Generation && d.Spec.Replicas != nil &&
			d.Status.AvailableReplicas == *d.Spec.Replicas, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for deployment %s/%s (see the kubelet's log): %w", namespace, name, err)
	}
	up.say.done(name)
	return nil
}
