package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

const (
	attachEnv = "COPYTRIGGER_CLUSTER_DIR"  // folder of a running cluster to use
	logsEnv   = "COPYTRIGGER_CLUSTER_LOGS" // directory to save the cluster's logs in
	skipped   = "needs a cluster: run with %s=1 (starts one; the first time it builds it, which takes minutes), and " +
		attachEnv + "=DIR to use a running one (devcluster up --dir DIR); or with " +
		existingEnv + "=true in that of " + kubeconfigEnv
)

// Config is what the tests of a package ask of their cluster.
type Config struct {
	Wanted   string          // environment variable without which they are skipped
	Parallel int             // how many run at once: they wait more than they compute
	Cluster  cluster.Options // what it has
	Flags    []string        // more of those that the program is built with
	// Anywhere tells that some of them can run in a cluster that somebody else runs.
	Anywhere bool
	// Open lets every user of the machine pass through the cluster's folder: a database on
	// a volume in it runs as a user of its own. What is secret in it is still root's.
	Open bool
	// Prepare makes a cluster of ours ready for the tests; nil for nothing.
	Prepare func(context.Context, *cluster.Cluster) error
}

// shared is what all tests of a test binary have in common; nil without a cluster, and
// then wanted is the variable that asks for one.
var (
	shared *world
	wanted string
)

type world struct {
	cluster *cluster.Cluster
	client  kubernetes.Interface
	dynamic dynamic.Interface
	binary  string
	guest   *guest // nil in a cluster of ours
	tally   tally
}

// Main is TestMain's body: it brings up the cluster, builds the program, runs the tests
// and returns the exit code.
//
// A test that is not parallel has the cluster to itself: Go starts the parallel ones
// when the others are done. So whatever stops VolSync or sets the pace of all copies
// must not be parallel, and everything else should be.
func Main(m *testing.M, c Config) int {
	flag.Parse()
	wanted = c.Wanted
	existing, err := wantsExisting()
	if err != nil && c.Anywhere {
		fmt.Fprintf(os.Stderr, "%s: %v\n", suite(), err)
		return 1
	}
	existing = existing && c.Anywhere
	if os.Getenv(c.Wanted) == "" && !existing {
		return m.Run()
	}
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", strconv.Itoa(c.Parallel)); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", suite(), err)
			return 1
		}
	}
	if signal.Ignored(syscall.SIGHUP) { // by nohup; what is started from here would inherit it
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}
	code, err := run(m, c, existing)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", suite(), err)
		return 1
	}
	return code
}

// suite is the name of the test binary.
func suite() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") }

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func run(m *testing.M, c Config, existing bool) (code int, err error) {
	dir, err := os.MkdirTemp("", "copytrigger-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute)
	defer cancel()
	if c.Open {
		if err := os.Chmod(dir, 0o755); err != nil {
			return 1, err
		}
	}
	w := &world{binary: filepath.Join(dir, "copytrigger")}
	if existing {
		if w.cluster, w.guest, err = visit(ctx); err != nil {
			return 1, err
		}
	}
	if err := Build(ctx, w.binary, c.Flags...); err != nil {
		return 1, err
	}
	if !existing {
		c.Cluster.Dir = filepath.Join(dir, "c")
		if w.cluster, err = clusterFor(ctx, c.Cluster); err != nil {
			return 1, err
		}
	}
	defer func() { err = errors.Join(err, w.cluster.Stop()) }()
	if w.client, err = kubernetes.NewForConfig(w.cluster.RESTConfig()); err != nil {
		return 1, err
	}
	if w.dynamic, err = dynamic.NewForConfig(w.cluster.RESTConfig()); err != nil {
		return 1, err
	}
	if c.Prepare != nil && !existing {
		if err := c.Prepare(ctx, w.cluster); err != nil {
			return 1, err
		}
	}
	shared = w
	if existing {
		return w.guest.stay(m, &w.tally)
	}
	return m.Run(), nil
}

// clusterFor is the cluster that the environment names, or a new one.
func clusterFor(ctx context.Context, options cluster.Options) (*cluster.Cluster, error) {
	if running := os.Getenv(attachEnv); running != "" {
		return cluster.Attach(ctx, running)
	}
	options.Progress, options.KeepLogs = os.Stderr, os.Getenv(logsEnv)
	if err := cluster.Build(ctx, options); err != nil {
		return nil, err
	}
	return cluster.Up(ctx, options)
}

// Build makes the program from the root module, looking for races if the tests do. flags are
// more flags of go build.
func Build(ctx context.Context, binary string, flags ...string) error {
	args := []string{"build", "-trimpath", "-tags=urfave_cli_no_docs,urfave_cli_no_suggest,nethttpomithttp2", "-o", binary}
	args = append(args, flags...)
	env := append(os.Environ(), "GOWORK=off")
	if raceDetector {
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	} else {
		env = append(env, "CGO_ENABLED=0")
	}
	root, err := cluster.FindSource()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/copytrigger")...)
	cmd.Dir = root
	cmd.Env = env
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building copytrigger: %w\n%s", err, said)
	}
	return nil
}
