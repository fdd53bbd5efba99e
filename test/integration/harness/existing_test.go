package harness

import (
	"strings"
	"testing"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWantsExisting(t *testing.T) {
	for name, c := range map[string]struct {
		flag, kubeconfig, attach string
		want                     bool
		refused                  string
	}{
		"nothing is said":         {"", "", "", false, ""},
		"KUBECONFIG alone":        {"", "/a", "", false, ""},
		"no":                      {"false", "/a", "", false, ""},
		"yes, this one":           {"true", "/a", "", true, ""},
		"as envtest takes it":     {"True", "/a", "", true, ""},
		"yes, but which":          {"true", "", "", false, "KUBECONFIG is not set"},
		"what is meant?":          {"1", "/a", "", false, `USE_EXISTING_CLUSTER is "1"`},
		"another one, too":        {"true", "/a", "/dev", false, "unset one"},
		"another one, and not it": {"", "/a", "/dev", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(existingEnv, c.flag)
			t.Setenv(kubeconfigEnv, c.kubeconfig)
			t.Setenv(attachEnv, c.attach)
			got, err := wantsExisting()
			if got != c.want || (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Errorf("got %t, %v; want %t, %q", got, err, c.want, c.refused)
			}
		})
	}
}

func TestStorageClass(t *testing.T) {
	class := func(name, usual string, age time.Duration) storagev1.StorageClass {
		return storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{
			Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age)),
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": usual},
		}}
	}
	all := []storagev1.StorageClass{
		class("slow", "false", 3),
		class("old", "true", 2*time.Hour),
		class("new", "true", time.Hour),
	}
	for name, want := range map[string]string{"": "new", "slow": "slow", "old": "old", "none": ""} {
		got := ""
		if found := chosen(all, name); found != nil {
			got = found.Name
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if found := chosen(all[:1], ""); found != nil {
		t.Errorf("without a default one: got %q", found.Name)
	}
}

func TestSnapshotClass(t *testing.T) {
	class := func(name, driver, usual string) unstructured.Unstructured {
		o := unstructured.Unstructured{Object: map[string]any{"driver": driver}}
		o.SetName(name)
		o.SetAnnotations(map[string]string{"snapshot.storage.kubernetes.io/is-default-class": usual})
		return o
	}
	all := []unstructured.Unstructured{
		class("a", "one", "true"),
		class("b", "one", "false"),
		class("c", "two", "true"),
		class("d", "two", "true"),
	}
	for driver, want := range map[string]string{"one": "a", "two": "", "three": ""} {
		if got := usualFor(all, driver); got != want {
			t.Errorf("%s: got %q, want %q", driver, got, want)
		}
	}
}

// What is printed is for a shell.
func TestQuoted(t *testing.T) {
	if got, want := quoted(`it's "a" $b`), `'it'\''s "a" $b'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
