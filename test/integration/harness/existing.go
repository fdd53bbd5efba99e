package harness

import (
	"context"
	"fmt"
	"os"
	"strings"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// Tests run in a cluster that somebody else runs only if both of these say so: KUBECONFIG
// alone may be that of a cluster which nobody wants to be touched.
const (
	existingEnv   = "USE_EXISTING_CLUSTER"
	kubeconfigEnv = clientcmd.RecommendedConfigPathEnvVar
)

// What such a cluster is used with.
const (
	storageClassEnv  = "COPYTRIGGER_STORAGE_CLASS"  // the default one if empty
	snapshotClassEnv = "COPYTRIGGER_SNAPSHOT_CLASS" // the default one of its driver if empty
	appImageEnv      = "COPYTRIGGER_APP_IMAGE"      // of applications and users' steps
	appImage         = "docker.io/library/postgres:17"
)

// AppImage is the image of applications and users' steps in a cluster that is not ours.
func AppImage() string { return or(os.Getenv(appImageEnv), appImage) }

// wantsExisting reports whether the environment says to use a cluster that is not ours.
// What it may mean, and does not say, is an error.
func wantsExisting() (bool, error) {
	switch said := os.Getenv(existingEnv); strings.ToLower(said) {
	case "", "false":
		return false, nil
	case "true":
	default:
		return false, fmt.Errorf(
			"%s is %q: say true to use the cluster that %s names, or nothing for a throw-away one",
			existingEnv,
			said,
			kubeconfigEnv,
		)
	}
	if os.Getenv(kubeconfigEnv) == "" {
		return false, fmt.Errorf(
			"%s is true, and %s is not set: name the kubeconfig whose current context is to be used; "+
				"no other file is looked for",
			existingEnv,
			kubeconfigEnv,
		)
	}
	if os.Getenv(attachEnv) != "" {
		return false, fmt.Errorf("%s and %s name a cluster each: unset one", existingEnv, attachEnv)
	}
	return true, nil
}

// visit finds the cluster that KUBECONFIG names, says which it is, and sees that it has what
// every test needs. It writes nothing there.
func visit(ctx context.Context) (*cluster.Cluster, *guest, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	access := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	raw, err := access.RawConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", kubeconfigEnv, err)
	}
	// Without one client-go would take the cluster that this process is a pod of.
	if raw.Contexts[raw.CurrentContext] == nil {
		return nil, nil, fmt.Errorf(
			"%s is %q, which has no current context (its path must be absolute: tests run in their own directories)",
			kubeconfigEnv,
			os.Getenv(kubeconfigEnv),
		)
	}
	c, err := cluster.Existing(access)
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("context %q (%s)", raw.CurrentContext, c.RESTConfig().Host)
	fmt.Fprintf(os.Stderr, "%s: in the existing cluster of %s\n", suite(), name)
	g, err := newGuest(c, raw.CurrentContext)
	if err != nil {
		return nil, nil, err
	}
	if err := g.look(ctx); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(
		os.Stderr,
		"%s: volumes of class %s, snapshots of class %s\n",
		suite(),
		g.classes.storage,
		g.classes.snapshot,
	)
	fmt.Fprintf(
		os.Stderr,
		"%s: if nothing is left of this process, its namespaces are deleted by\n\t%s\n",
		suite(),
		g.command(),
	)
	return c, g, nil
}

// look sees that the cluster has what every test needs, and finds its classes.
func (g *guest) look(ctx context.Context) error {
	for _, of := range []struct{ version, what string }{
		{sources.GroupVersion().String(), "VolSync"},
		{snapshots.GroupVersion().String(), "the snapshot controller's definitions"},
	} {
		if served, err := g.serves(of.version); err != nil {
			return err
		} else if !served {
			return fmt.Errorf("it has no %s: install %s", of.version, of.what)
		}
	}
	var err error
	g.classes, err = g.findClasses(ctx)
	return err
}

// serves reports whether the cluster has kinds of the group and version.
func (g *guest) serves(version string) (bool, error) {
	_, err := g.client.Discovery().ServerResourcesForGroupVersion(version)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// classesOf are the classes that a run uses.
type classesOf struct {
	storage, snapshot string
	late              bool // a claim is bound only when a pod wants it
	byDefault         bool // VolSync takes this snapshot class by itself
}

// findClasses finds those that the environment names, or else the default ones.
func (g *guest) findClasses(ctx context.Context) (classesOf, error) {
	all, err := g.client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return classesOf{}, err
	}
	storage := chosen(all.Items, os.Getenv(storageClassEnv))
	if storage == nil {
		return classesOf{}, fmt.Errorf(
			"it has no storage class %q (%s; if that is empty, the default one)",
			os.Getenv(storageClassEnv),
			storageClassEnv,
		)
	}
	found := classesOf{
		storage: storage.Name, snapshot: os.Getenv(snapshotClassEnv),
		late: storage.VolumeBindingMode != nil && *storage.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer,
	}
	list, err := g.dynamic.Resource(classes).List(ctx, metav1.ListOptions{})
	if err != nil {
		return classesOf{}, err
	}
	usual := usualFor(list.Items, storage.Provisioner)
	found.snapshot = or(found.snapshot, usual)
	if found.snapshot == "" {
		return classesOf{}, fmt.Errorf(
			"it has no default snapshot class for %s, the driver of storage class %s: name one by %s",
			storage.Provisioner,
			storage.Name,
			snapshotClassEnv,
		)
	}
	if _, err := g.dynamic.Resource(classes).Get(ctx, found.snapshot, metav1.GetOptions{}); err != nil {
		return classesOf{}, fmt.Errorf("looking for the snapshot class of %s: %w", snapshotClassEnv, err)
	}
	found.byDefault = found.snapshot == usual
	return found, nil
}

// chosen is the class of that name; without a name the default one: of several the newest,
// as Kubernetes does it.
func chosen(all []storagev1.StorageClass, name string) *storagev1.StorageClass {
	var found *storagev1.StorageClass
	for i, class := range all {
		switch {
		case name != "" && class.Name == name:
			return &all[i]
		case name == "" && class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true":
			if found == nil || found.CreationTimestamp.Before(&class.CreationTimestamp) {
				found = &all[i]
			}
		}
	}
	return found
}

// usualFor is the snapshot class that the snapshot controller takes for a driver where none is
// named; "" if there is none, or several, which it does not choose from.
func usualFor(all []unstructured.Unstructured, driver string) string {
	var usual []string
	for _, class := range all {
		o := object{&class}
		if o.text("driver") == driver && o.GetAnnotations()["snapshot.storage.kubernetes.io/is-default-class"] == "true" {
			usual = append(usual, class.GetName())
		}
	}
	if len(usual) != 1 {
		return ""
	}
	return usual[0]
}
