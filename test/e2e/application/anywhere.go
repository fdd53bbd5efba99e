package application

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// imageRefEnv names the program's image as a cluster that is not ours pulls it.
const imageRefEnv = "COPYTRIGGER_IMAGE_REF"

// Anywhere is New for a test that runs in a cluster that is not ours, too, if that has the
// engine. Its administrator decides there what pods may do.
func Anywhere(t *testing.T, dir string) *Site {
	t.Helper()
	harness.Need(t)
	if harness.Ours() {
		return New(t, dir)
	}
	// What is missing is found before anything is made there.
	ref := os.Getenv(imageRefEnv)
	if ref == "" {
		harness.Skip(t, "needs an image of the program that the cluster can pull, and "+imageRefEnv+" names none")
	}
	if _, err := exec.LookPath("kubectl"); err != nil {
		harness.Skip(t, "needs kubectl, which forwards a port of its database")
	}
	for _, version := range versions(t, dir) {
		_, err := harness.Kube().Discovery().ServerResourcesForGroupVersion(version)
		switch {
		case apierrors.IsNotFound(err):
			harness.Skip(t, "needs an engine that the cluster has not: "+version)
		case err != nil:
			t.Fatal(err)
		}
	}
	image, err := shippedImage(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{Site: harness.New(t), images: map[string]string{image: ref, postgresImage: harness.AppImage()}}
	s.Apply(s.Shipped(dir)...)
	return s.withDatabase()
}

// postgresImage is the users' image in the examples.
const postgresImage = "docker.io/library/postgres:17"

// versions are the API versions of what is in a folder.
func versions(t *testing.T, dir string) []string {
	t.Helper()
	all, err := shipped(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, o := range all {
		found[o.GetAPIVersion()] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// image is that of applications.
func image() string {
	if harness.Ours() {
		return cluster.DebianImage
	}
	return harness.AppImage()
}

// replaceImages puts the images that this cluster can pull in place of the others, wherever an
// object names one: engines have them in parameters.
func (s *Site) replaceImages(o *unstructured.Unstructured) {
	if len(s.images) > 0 {
		o.Object = replaced(o.Object, s.images).(map[string]any)
	}
}

func replaced(value any, by map[string]string) any {
	switch value := value.(type) {
	case string:
		if image, ok := by[value]; ok {
			return image
		}
	case map[string]any:
		for key, v := range value {
			value[key] = replaced(v, by)
		}
	case []any:
		for i, v := range value {
			value[i] = replaced(v, by)
		}
	}
	return value
}

// classed is the spec of a claim with the class that this cluster is used with.
func classed(spec map[string]any) map[string]any {
	if class := harness.StorageClass(); class != nil {
		spec["storageClassName"] = *class
	}
	return spec
}

// elsewhere is a mover's spec with the classes that this cluster is used with.
func elsewhere(mover map[string]any) map[string]any {
	if class := harness.StorageClass(); class != nil {
		mover["cacheStorageClassName"] = *class
		mover["volumeSnapshotClassName"] = harness.SnapshotClass()
	}
	return mover
}

// grouped gives a pod's volumes to its group, where they are file systems of their own, which
// are root's at first. Only at first: PostgreSQL wants its directory to be its user's alone.
func grouped(security map[string]any) map[string]any {
	if !harness.Ours() {
		security["fsGroup"], security["fsGroupChangePolicy"] = int64(cluster.PostgresUser), "OnRootMismatch"
	}
	return security
}
