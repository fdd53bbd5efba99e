package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// BenchmarkFreeze measures how long an application stays quiesced beyond the time that
// VolSync takes, from the trigger to its Completed as another watch sees it, and beyond what
// quiesce and unquiesce take (they do nothing). kubectl's loop is what users have without us.
//
//	make bench
func BenchmarkFreeze(b *testing.B) {
	if os.Getenv("COPYTRIGGER_CLUSTER_TESTS") == "" {
		b.Skip("needs a cluster: make bench")
	}
	b.Run("run,commands", func(b *testing.B) { freezes(b, byRun("--quiesce", "exec true", "--unquiesce", "exec true")) })
	b.Run("run,hold", func(b *testing.B) { freezes(b, byRun("--hold", "echo QUIESCED; exec cat >/dev/null")) })
	b.Run("steps", func(b *testing.B) { freezes(b, bySteps) })
	for _, pause := range []int{1, 5} {
		b.Run(fmt.Sprintf("kubectl,sleep=%d", pause), func(b *testing.B) { freezes(b, byKubectl(pause)) })
	}
}

// form is one way to do a run; it gives how long the application was quiesced, without what
// its commands took themselves.
type form func(s *harness.Site, n int) time.Duration

func byRun(args ...string) form {
	return func(s *harness.Site, n int) time.Duration {
		r := s.Run("run", append(args, "--run-id", fmt.Sprint("run-", n))...).Ends(harness.OK)
		span := func(name string) time.Duration {
			seconds, ok := r.Values[name].(float64)
			if !ok {
				s.Fatalf("%s is %v", name, r.Values[name])
			}
			return time.Duration(seconds * float64(time.Second))
		}
		return span("freeze-seconds") - span("quiesce-seconds") - span("unquiesce-seconds")
	}
}

// bySteps is the script of docs/shell.md: a process for each step.
func bySteps(s *harness.Site, n int) time.Duration {
	trigger := s.AwaitWaiting(fmt.Sprint("run-", n))
	start := time.Now()
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	return time.Since(start)
}

// byKubectl is what users write who have kubectl only.
func byKubectl(pause int) form {
	const script = `
status() { kubectl get pvc data -o 'jsonpath={.metadata.annotations.volsync\.backube/latest-copy-status}'; }
until [ "$(status)" = WaitingForTrigger ]; do sleep $PAUSE; done
date +%s%N
kubectl annotate --overwrite pvc data volsync.backube/copy-trigger="$RUN" >/dev/null
until [ "$(status)" = Completed ]; do sleep $PAUSE; done
date +%s%N
`
	return func(s *harness.Site, n int) time.Duration {
		s.Helper()
		cmd := exec.Command("bash", "-ec", script)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "PAUSE="+strconv.Itoa(pause), fmt.Sprint("RUN=run-", n),
			"PATH="+kubectl(s)+":"+os.Getenv("PATH"), "HOME="+s.TempDir())
		out, err := cmd.Output()
		s.Must(err)
		var stamps []int64
		for _, line := range strings.Fields(string(out)) {
			n, err := strconv.ParseInt(line, 10, 64)
			s.Must(err)
			stamps = append(stamps, n)
		}
		if len(stamps) != 2 {
			s.Fatalf("the script said %q", out)
		}
		return time.Duration(stamps[1] - stamps[0])
	}
}

// kubectl gives a directory with the kubectl that the throw-away node has, if it was built,
// or says that there is the machine's.
func kubectl(s *harness.Site) string {
	s.Helper()
	built, err := filepath.Glob("../../.cache/bin/kubectl-*")
	s.Must(err)
	if len(built) == 0 {
		path, err := exec.LookPath("kubectl")
		s.Must(err)
		return filepath.Dir(path)
	}
	path, err := filepath.Abs(built[0])
	s.Must(err)
	dir := s.TempDir()
	s.Must(os.Symlink(path, filepath.Join(dir, "kubectl")))
	return dir
}

// freezes does b.N runs, each in a sync of its own, and reports what they took beyond
// VolSync's own time.
func freezes(b *testing.B, f form) {
	s := harness.NewFor(b)
	storage := s.Hold()
	storage.ReleaseReadyAfter(500 * time.Millisecond) // or a loop's first look finds it done
	s.Replicate(storage.Source("Snapshot"))
	var beyond []time.Duration
	for i := range b.N {
		s.AwaitStatus(harness.Waiting)
		took := s.WatchCopy()
		beyond = append(beyond, f(s, i)-took())
		s.FinishSync()
		s.SyncAgain(fmt.Sprint("sync ", i+2))
	}
	slices.Sort(beyond)
	at := func(p int) float64 {
		return float64(beyond[min(len(beyond)*p/100, len(beyond)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op") // of a whole sync: says nothing
	b.ReportMetric(at(50), "p50-ms")
	b.ReportMetric(at(99), "p99-ms")
	b.ReportMetric(at(100), "most-ms")
}
