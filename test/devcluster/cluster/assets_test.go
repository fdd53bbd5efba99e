package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// assetsIn makes a folder with programs that say what theirs would.
func assetsIn(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, says := range map[string]string{"etcd": "", "kube-apiserver": "Kubernetes " + version} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAssetsOfTheRightVersionAreNotBuilt(t *testing.T) {
	source, err := FindSource()
	if err != nil {
		t.Fatal(err)
	}
	v, err := ReadVersions(source, DefaultVersions)
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := assetsIn(t, "v"+v.Of("kubernetes")), assetsIn(t, "v1.2.3")
	for _, c := range []struct {
		name, dir string
		used      bool
		says      string
	}{
		{"none", "", false, ""},
		{"the right version", right, true, ""},
		{"another version", wrong, false, "its kube-apiserver is Kubernetes v1.2.3"},
		{"an empty folder", t.TempDir(), false, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("KUBEBUILDER_ASSETS", c.dir)
			t.Setenv("VERSIONS", DefaultVersions)
			var said strings.Builder
			o, err := Options{Progress: &said}.filled()
			if err != nil {
				t.Fatal(err)
			}
			if used := o.assets != ""; used != c.used || !strings.Contains(said.String(), c.says) {
				t.Errorf("used: %t, want %t; said %q", used, c.used, said.String())
			}
			kubeall := programs(o)[0]
			if left := slices.Contains(kubeall.buildArgs("", ""), "-tags=assets"); left != c.used {
				t.Errorf("kubeall is built without etcd and API server: %t, want %t", left, c.used)
			}
			p := &plan{programs: built{"kubeall": "/kubeall"}, assets: o.assets}
			for name, want := range map[string]string{"etcd": filepath.Join(c.dir, "etcd"), "kube-scheduler": "/kubeall"} {
				if !c.used {
					want = "/kubeall"
				}
				if got := p.kubernetes(name, 1, "", "--flag"); got.program != want ||
					len(got.args) != 2-strings.Count(got.program, "etcd") {
					t.Errorf("%s is started as %s %v", name, got.program, got.args)
				}
			}
		})
	}
}
