package kube

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `
apiVersion: v1
kind: Config
clusters:
- {name: one, cluster: {server: "https://one.invalid:6443"}}
- {name: two, cluster: {server: "https://two.invalid:6443"}}
contexts:
- {name: with, context: {cluster: one, namespace: of-the-context}}
- {name: without, context: {cluster: two}}
current-context: with
`

// nowhere takes away everything that could name a cluster.
func nowhere(t *testing.T) {
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "KUBECONFIG": filepath.Join(home, "none"),
		"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT": "", "KUBERNETES_MASTER": "", "POD_NAMESPACE": ""} {
		t.Setenv(name, value)
	}
}

func written(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnect(t *testing.T) {
	nowhere(t)
	file := written(t, kubeconfig)
	for name, c := range map[string]struct {
		where             Where
		server, namespace string
	}{
		"the current context": {Where{Kubeconfig: file}, "https://one.invalid:6443", "of-the-context"},
		"the context's namespace": {
			Where{Kubeconfig: file, Context: "with"},
			"https://one.invalid:6443", "of-the-context",
		},
		"a namespace goes before it": {Where{Kubeconfig: file, Namespace: "app"}, "https://one.invalid:6443", "app"},
		"another context": {
			Where{Kubeconfig: file, Context: "without"},
			"https://two.invalid:6443", "default",
		},
		"a namespace for a context without": {
			Where{Kubeconfig: file, Context: "without", Namespace: "app"},
			"https://two.invalid:6443", "app",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Connect(c.where)
			if err != nil {
				t.Fatal(err)
			}
			if got.Server != c.server || got.Namespace != c.namespace {
				t.Errorf("got %s, namespace %s, want %s, %s", got.Server, got.Namespace, c.server, c.namespace)
			}
		})
	}
}

func TestConnectByEnvironment(t *testing.T) {
	nowhere(t)
	t.Run("KUBECONFIG", func(t *testing.T) {
		t.Setenv("KUBECONFIG", written(t, kubeconfig))
		if got, err := Connect(Where{}); err != nil || got.Server != "https://one.invalid:6443" {
			t.Errorf("got %s, %v", got.Server, err)
		}
	})
	t.Run("the flag goes before it", func(t *testing.T) {
		t.Setenv("KUBECONFIG", written(t, strings.ReplaceAll(kubeconfig, "one.invalid", "three.invalid")))
		if got, err := Connect(Where{Kubeconfig: written(t, kubeconfig)}); err != nil ||
			got.Server != "https://one.invalid:6443" {
			t.Errorf("got %s, %v", got.Server, err)
		}
	})
}

func TestConnectFails(t *testing.T) {
	nowhere(t)
	file := written(t, kubeconfig)
	for name, c := range map[string]struct {
		where Where
		is    error
		says  string
	}{
		"nowhere":               {Where{}, ErrNowhere, ""},
		"nowhere in particular": {Where{Namespace: "app"}, ErrNowhere, ""},
		"file missing":          {Where{Kubeconfig: file + ".none"}, fs.ErrNotExist, ".none"},
		"unknown context":       {Where{Kubeconfig: file, Context: "three"}, nil, `"three"`},
		"context of nothing":    {Where{Context: "with"}, nil, `"with"`},
		"not a kubeconfig":      {Where{Kubeconfig: written(t, "{")}, nil, "kubeconfig"},
		"not a URL": {
			Where{Kubeconfig: written(t, strings.ReplaceAll(kubeconfig, "https://one.invalid:6443", "https://%zz"))},
			nil, "%zz",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(c.where)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that is %v and says %s", err, c.is, c.says)
			}
			if c.is == nil && errors.Is(err, ErrNowhere) {
				t.Errorf("%v hides what is wrong", err)
			}
		})
	}
}
