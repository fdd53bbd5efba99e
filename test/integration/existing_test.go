package integration

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Nobody's cluster is touched because KUBECONFIG happens to name it: only the flag does that,
// and says so first. The cluster is one that has no VolSync, so that nothing is run in it.
func TestOnlyTheFlagNamesACluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env     []string
		asked   bool
		says    string
		skipped bool
	}{
		"KUBECONFIG alone": {says: "PASS", skipped: true},
		"and tests of a cluster": {
			env:  []string{"COPYTRIGGER_CLUSTER_TESTS=1", "COPYTRIGGER_CLUSTER_DIR=none"},
			says: "no cluster is running",
		},
		"control: with the flag": {
			env:   []string{"USE_EXISTING_CLUSTER=true"},
			asked: true,
			says:  "install VolSync",
		},
		"with a flag that says little": {
			env:  []string{"USE_EXISTING_CLUSTER=yes"},
			says: "say true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, kubeconfig := emptyCluster(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClaimOnly$", "-test.v")
			cmd.Env = append(withoutClusters(), append(c.env, "KUBECONFIG="+kubeconfig)...)
			said, err := cmd.CombinedOutput()
			if !strings.Contains(string(said), c.says) || (err == nil) != c.skipped {
				t.Errorf("%v, and it does not say %q:\n%s", err, c.says, said)
			}
			if strings.Contains(string(said), "--- SKIP: TestClaimOnly") != c.skipped {
				t.Errorf("want TestClaimOnly skipped: %t\n%s", c.skipped, said)
			}
			if strings.Contains(string(said), `context "nobody's" (`+server.URL+")") != c.asked {
				t.Errorf("want it to say which cluster: %t\n%s", c.asked, said)
			}
			asked := server.asked()
			if (len(asked) > 0) != c.asked {
				t.Errorf("the cluster was asked %q; want it asked: %t", asked, c.asked)
			}
			for _, request := range asked {
				if !strings.HasPrefix(request, "GET ") {
					t.Errorf("the cluster was asked to %s", request)
				}
			}
		})
	}
}

// withoutClusters is the environment, without what says which cluster to use.
func withoutClusters() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "COPYTRIGGER_") || strings.HasPrefix(v, "USE_EXISTING_CLUSTER=") ||
			strings.HasPrefix(v, "KUBECONFIG=")
	})
}

// fakeServer answers nothing, and remembers what it was asked.
type fakeServer struct {
	*httptest.Server
	mu   sync.Mutex
	urls []string
}

func (s *fakeServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.urls)
}

func emptyCluster(t *testing.T) (*fakeServer, string) {
	t.Helper()
	s := &fakeServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.urls = append(s.urls, r.Method+" "+r.URL.Path)
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	const name = "nobody's"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: s.URL}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name}
	config.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return s, path
}
