package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// kubectlDir is the variable with the directory of the kubectl to compare with: built from its
// module with the flags of the program.
const kubectlDir = "COPYTRIGGER_KUBECTL_DIR"

const waitingFor = `jsonpath={.metadata.annotations.volsync\.backube/latest-copy-status}=WaitingForTrigger`

// compare measures one wait whose condition holds already, with copytrigger and with kubectl, in
// turns. Each is started as in a pod of its own: nothing is cached.
func compare(t *testing.T, r *Report) {
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	kubectl := filepath.Join(os.Getenv(kubectlDir), "kubectl")
	ours, theirs := &Waits{Name: "copytrigger await-waiting"}, &Waits{Name: "kubectl wait"}
	one := func(s *harness.Site, i int) {
		run := fmt.Sprint("run-", i)
		ours.add(s, exec.Command(s.Binary(), "await-waiting", "--pvc", "data", "--run-id", run))
		theirs.add(s, exec.Command(kubectl, "wait", "pvc/data", "--for", waitingFor, "--timeout", "1m"))
		s.Unlock(run)
	}
	for i := range runs(t, 100) {
		one(s, i)
	}
	for w, program := range map[*Waits]string{ours: s.Binary(), theirs: kubectl} {
		info, err := os.Stat(program)
		must(t, err)
		w.Size = info.Size()
		through, proxy := s.Proxied() // by itself: the proxy costs more than what it counts
		counted := Waits{}
		if w == ours {
			counted.add(through, exec.Command(program, "await-waiting", "--pvc", "data", "--run-id", "counted"))
			s.Unlock("counted")
		} else {
			counted.add(through, exec.Command(program, "wait", "pvc/data", "--for", waitingFor, "--timeout", "1m"))
		}
		for _, request := range proxy.Asked() {
			if request.Resource == "" {
				w.Discovery++
			} else {
				w.Requests++
			}
		}
	}
	r.Waits = []Waits{*ours, *theirs}
}

// add runs a command, and adds what it took.
func (w *Waits) add(s *harness.Site, cmd *exec.Cmd) {
	s.Helper()
	cmd.Env = []string{"KUBECONFIG=" + s.Kubeconfig, "HOME=" + s.TempDir()}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	start, ended := time.Now(), make(chan struct{})
	s.Must(cmd.Start())
	peak := harness.Memory(cmd.Process.Pid, ended)
	err := cmd.Wait()
	took := time.Since(start)
	close(ended)
	if err != nil {
		s.Fatalf("%s: %v\n%s", cmd, err, &said)
	}
	w.Wall, w.Peak = append(w.Wall, took), append(w.Peak, peak())
	w.CPU = append(w.CPU, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}
