package bench

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// ready is how long after the cut a copy is ready to use: a loop's first look must not find it
// done.
const ready = 500 * time.Millisecond

// form is one way to freeze an application around a copy.
type form struct {
	name   string
	claims int
	runs   int
	run    func(g *harness.Group, n int) time.Duration // how long the application was quiesced
	with   string                                      // the program; "" for the one that is tested
}

// commands and hold are the two ways in which a run quiesces: both take as good as no time.
func commands() []string { return []string{"--quiesce", "exec true", "--unquiesce", "exec true"} }
func hold() []string     { return []string{"--hold", "echo QUIESCED; exec cat >/dev/null"} }

func forms(t *testing.T) []form {
	all := []form{
		{name: "run, commands", claims: 1, runs: runs(t, 100), run: byRun(commands())},
		{name: "run, hold", claims: 1, runs: runs(t, 100), run: byRun(hold())},
		{name: "run, commands", claims: 2, runs: runs(t, 50), run: byRun(commands())},
		{name: "run, hold", claims: 2, runs: runs(t, 50), run: byRun(hold())},
		{name: "run, commands", claims: 10, runs: runs(t, 30), run: byRun(commands())},
		{name: "run, hold", claims: 10, runs: runs(t, 30), run: byRun(hold())},
		{name: "steps", claims: 1, runs: runs(t, 30), run: bySteps},
		{name: "kubectl, sleep 1", claims: 1, runs: runs(t, 20), run: byKubectl(1)},
		{name: "kubectl, sleep 5", claims: 1, runs: runs(t, 10), run: byKubectl(5)},
	}
	if before := os.Getenv(before); before != "" {
		all = []form{
			{name: "commands, before", claims: 1, runs: runs(t, 100), with: before, run: byRun(append(commands(), "--lock"))},
			{name: "commands", claims: 1, runs: runs(t, 100), run: byRun(commands())},
			{name: "hold, before", claims: 1, runs: runs(t, 100), with: before, run: byRun(append(hold(), "--lock"))},
			{name: "hold", claims: 1, runs: runs(t, 100), run: byRun(hold())},
		}
	}
	return all
}

// fifty is by itself: fifty copies at once leave a small machine nothing for what else is measured.
func fifty(t *testing.T) []form {
	return []form{
		{name: "run, commands", claims: 50, runs: runs(t, 10), run: byRun(commands())},
		{name: "run, hold", claims: 50, runs: runs(t, 10), run: byRun(hold())},
	}
}

// runs is n of a hundred of what RUNS asks for.
func runs(t *testing.T, n int) int {
	of, err := strconv.Atoi(os.Getenv("RUNS"))
	if err != nil {
		t.Fatalf("RUNS: %v", err)
	}
	return max(1, n*of/100)
}

// freezes measures how long an application stays quiesced beyond the time that VolSync takes, from
// the last trigger to the last Completed as another watch sees them, and beyond what quiesce and
// unquiesce take (they do nothing). The forms take turns, so that what else the machine does
// meets all of them.
func freezes(t *testing.T, r *Report, forms []form) {
	type course struct {
		form
		group  *harness.Group
		beyond []time.Duration
	}
	var courses []*course
	for _, f := range forms {
		g := harness.New(t).Together(f.claims)
		if f.with != "" {
			g.Program(f.with)
		}
		storage := g.Hold()
		storage.ReleaseReadyAfter(ready)
		for _, m := range g.Members {
			m.Replicate(storage.Source("Snapshot"))
		}
		courses = append(courses, &course{form: f, group: g})
	}
	for i := range courses[0].runs {
		for _, c := range courses {
			// Those with few runs are spread over the whole time.
			if len(c.beyond) == c.runs || i%(courses[0].runs/c.runs) != 0 {
				continue
			}
			for _, m := range c.group.Members {
				m.AwaitStatus(harness.Waiting)
			}
			took := c.group.WatchCopies()
			c.beyond = append(c.beyond, c.run(c.group, i)-took())
			c.group.FinishSyncs(fmt.Sprint("sync ", i+2))
		}
	}
	for _, c := range courses {
		r.Freezes = append(r.Freezes, Freeze{Form: c.name, Claims: c.claims, Beyond: c.beyond})
	}
}

// byRun is the whole run in one process.
func byRun(args []string) func(*harness.Group, int) time.Duration {
	return func(g *harness.Group, n int) time.Duration {
		p := g.Start("run", append(slices.Clone(args), "--run-id", fmt.Sprint("run-", n))...)
		r := p.End().EndsTogether(harness.OK)
		span := func(name string) time.Duration {
			seconds, ok := r.Values[name].(float64)
			if !ok {
				g.Fatalf("%s is %v", name, r.Values[name])
			}
			return time.Duration(seconds * float64(time.Second))
		}
		return span("freeze-seconds") - span("quiesce-seconds") - span("unquiesce-seconds")
	}
}

// bySteps is the README's script: a process for each step.
func bySteps(g *harness.Group, n int) time.Duration {
	run := fmt.Sprint("run-", n)
	trigger := g.AwaitWaiting(run)
	start := time.Now()
	g.Run("fire-trigger", "--trigger", trigger).EndsTogether(harness.OK)
	g.Run("await-completed", "--trigger", trigger, "--timeout", "10m").EndsTogether(harness.OK)
	took := time.Since(start)
	g.Run("unlock", "--run-id", run).EndsTogether(harness.OK)
	return took
}

// byKubectl is what users write who have kubectl only.
func byKubectl(pause int) func(*harness.Group, int) time.Duration {
	const script = `
status() { kubectl get pvc data -o 'jsonpath={.metadata.annotations.volsync\.backube/latest-copy-status}'; }
until [ "$(status)" = WaitingForTrigger ]; do sleep $PAUSE; done
date +%s%N
kubectl annotate --overwrite pvc data volsync.backube/copy-trigger="$RUN" >/dev/null
until [ "$(status)" = Completed ]; do sleep $PAUSE; done
date +%s%N
`
	return func(g *harness.Group, n int) time.Duration {
		g.Helper()
		cmd := exec.Command("bash", "-ec", script)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+g.Kubeconfig, "PAUSE="+strconv.Itoa(pause),
			fmt.Sprint("RUN=run-", n), "PATH="+os.Getenv(kubectlDir)+":"+os.Getenv("PATH"), "HOME="+g.TempDir())
		out, err := cmd.Output()
		g.Must(err)
		var stamps []int64
		for _, line := range strings.Fields(string(out)) {
			n, err := strconv.ParseInt(line, 10, 64)
			g.Must(err)
			stamps = append(stamps, n)
		}
		if len(stamps) != 2 {
			g.Fatalf("the script said %q", out)
		}
		return time.Duration(stamps[1] - stamps[0])
	}
}
