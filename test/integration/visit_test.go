package integration

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// visit is a run of these tests in the cluster, as in one that is somebody else's.
type visit struct {
	t        *testing.T
	cmd      *exec.Cmd
	selector string // of its namespaces
	said     strings.Builder
	out      *bufio.Reader
}

var selecting = regexp.MustCompile(`delete namespace --selector=(copytrigger\.test/run=\w+)`)

// startVisit starts one, and returns when it has said how its namespaces are deleted.
func startVisit(t *testing.T, tests string) *visit {
	t.Helper()
	v := &visit{t: t, cmd: exec.Command(os.Args[0], "-test.run="+tests, "-test.v")}
	v.cmd.Env = append(withoutClusters(), "USE_EXISTING_CLUSTER=true", "KUBECONFIG="+harness.Kubeconfig())
	for _, kept := range os.Environ() { // what a cluster of somebody else is used with
		if strings.HasPrefix(kept, "COPYTRIGGER_STORAGE_CLASS=") || strings.HasPrefix(kept, "COPYTRIGGER_SNAPSHOT_CLASS=") ||
			strings.HasPrefix(kept, "COPYTRIGGER_APP_IMAGE=") {
			v.cmd.Env = append(v.cmd.Env, kept)
		}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	v.cmd.Stdout, v.cmd.Stderr = writer, writer
	err = v.cmd.Start()
	writer.Close()
	t.Cleanup(func() { reader.Close() })
	if err != nil {
		t.Fatal(err)
	}
	v.out = bufio.NewReader(reader)
	for v.selector == "" {
		line, err := v.out.ReadString('\n')
		v.said.WriteString(line)
		if found := selecting.FindStringSubmatch(line); found != nil {
			v.selector = found[1]
		}
		if err != nil {
			t.Fatalf("it has not said which namespaces are its own: %v, %v\n%s", err, v.cmd.Wait(), v.said.String())
		}
	}
	return v
}

// end waits for its end, asserts that nothing is left of it, and gives its exit code.
func (v *visit) end() int {
	v.t.Helper()
	rest, _ := io.ReadAll(v.out)
	v.said.Write(rest)
	_ = v.cmd.Wait() // the code says it
	if left := v.namespaces(); len(left) > 0 {
		v.t.Errorf("it has left %d namespaces, the first %s", len(left), left[0].Name)
	}
	return v.cmd.ProcessState.ExitCode()
}

func (v *visit) namespaces() []corev1.Namespace {
	v.t.Helper()
	list, err := harness.Kube().CoreV1().Namespaces().List(v.t.Context(), metav1.ListOptions{LabelSelector: v.selector})
	if err != nil {
		v.t.Fatal(err)
	}
	return list.Items
}

// In a cluster of somebody else what can run does, what cannot is counted, and nothing is left.
// The tests are one that holds a copy and lets it go, one that keeps what it deletes, one that
// looks into volumes half-way, and a story that does.
func TestVisit(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	v := startVisit(
		t,
		"^(TestAwaitCompletedKilled|TestCopyDeletedDuringTheCopy|TestStories|TestFireTriggerRefusesAfterAChange)$/"+
			"^(the_claim_is_being_deleted|clone|aborted-before)$",
	)
	code := v.end()
	const want = ": 3 tests ran, 2 were skipped: 2 × looks into the directory of a volume\n"
	if said := v.said.String(); code != 0 || !strings.Contains(said, want) ||
		!strings.Contains(said, "--- SKIP: TestStories/clone") {
		t.Errorf("it ended with %d, and does not say %q:\n%s", code, want, said)
	}
}

// Ctrl-C in the middle of a test leaves nothing either, and the tests after it do not begin.
func TestVisitInterrupted(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	v := startVisit(t, "^TestAwaitWaitingRefuses$/^(a_claim_that_is_being_deleted|copyMethod_Direct)$")
	w, err := harness.Kube().CoreV1().Namespaces().Watch(t.Context(), metav1.ListOptions{LabelSelector: v.selector})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if len(v.namespaces()) == 0 {
		<-w.ResultChan()
	}
	if err := v.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := v.end(); code != 1 || !strings.Contains(v.said.String(), "interrupt: deleting the namespaces of this run") {
		t.Errorf("it ended with %d:\n%s", code, v.said.String())
	}
}
