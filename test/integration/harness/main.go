package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/copytrigger/copytrigger/test/cluster"
)

const (
	wantedEnv = "COPYTRIGGER_CLUSTER_TESTS" // run these tests at all
	attachEnv = "COPYTRIGGER_CLUSTER_DIR"   // folder of a running cluster to use
	logsEnv   = "COPYTRIGGER_CLUSTER_LOGS"  // directory to save the cluster's logs in
	skipped   = "needs a cluster: run with " + wantedEnv + "=1 (starts one; the first time it builds it, which takes minutes), and " +
		attachEnv + "=DIR to use a running one (devcluster up --dir DIR)"
)

// shared is what all tests of a test binary have in common; nil without a cluster.
var shared *world

type world struct {
	cluster *cluster.Cluster
	client  kubernetes.Interface
	dynamic dynamic.Interface
	binary  string
}

// Main is TestMain's body: it brings up the cluster, builds the program, runs the tests
// and returns the exit code.
//
// A test that is not parallel has the cluster to itself: Go starts the parallel ones
// when the others are done. So whatever stops VolSync or sets the pace of all copies
// must not be parallel, and everything else should be.
func Main(m *testing.M) int {
	flag.Parse()
	if os.Getenv(wantedEnv) == "" {
		return m.Run()
	}
	// Tests wait more than they compute.
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, "integration:", err)
			return 1
		}
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	return code
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "copytrigger-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	w := &world{binary: filepath.Join(dir, "copytrigger")}
	if err := build(ctx, w.binary); err != nil {
		return 1, err
	}
	if w.cluster, err = clusterFor(ctx, filepath.Join(dir, "c")); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, w.cluster.Stop()) }()
	if w.client, err = kubernetes.NewForConfig(w.cluster.RESTConfig()); err != nil {
		return 1, err
	}
	if w.dynamic, err = dynamic.NewForConfig(w.cluster.RESTConfig()); err != nil {
		return 1, err
	}
	shared = w
	return m.Run(), nil
}

// Need skips the test without a cluster.
func Need(t *testing.T) {
	t.Helper()
	// Asked again here, where go test notes what a cached result depends on.
	if shared == nil || os.Getenv(wantedEnv) == "" {
		t.Skip(skipped)
	}
}

// clusterFor is the cluster that the environment names, or a new one.
func clusterFor(ctx context.Context, dir string) (*cluster.Cluster, error) {
	if running := os.Getenv(attachEnv); running != "" {
		return cluster.Attach(ctx, running)
	}
	options := cluster.Options{Dir: dir, Progress: os.Stderr, KeepLogs: os.Getenv(logsEnv)}
	if err := cluster.Build(ctx, options); err != nil {
		return nil, err
	}
	return cluster.Up(ctx, options)
}

// build makes the program from the root module, looking for races if the tests do.
func build(ctx context.Context, binary string) error {
	args := []string{"build", "-trimpath", "-tags=urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2", "-o", binary}
	env := append(os.Environ(), "GOWORK=off")
	if raceDetector {
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	} else {
		env = append(env, "CGO_ENABLED=0")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/copytrigger")...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = env
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building copytrigger: %w\n%s", err, said)
	}
	return nil
}
