package inpod

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// TestFreeze measures how long an application stays quiesced beyond VolSync's own time, with the
// same commands in its pod and beside the program.
//
// It is not parallel: the other tests would be measured, too. With COPYTRIGGER_FREEZE_RUNS=all it
// has enough runs for the slowest of a hundred.
func TestFreeze(t *testing.T) {
	s := site(t)
	storage := s.Hold()
	storage.ReleaseReadyAfter(500 * time.Millisecond) // VolSync's own time, or there would be nothing to compare with
	s.Replicate(storage.Source("Snapshot"))
	commands := []string{"--quiesce", "exec true", "--unquiesce", "exec true"}
	hold := []string{"--hold", "echo QUIESCED; exec cat >/dev/null"}
	forms := []struct {
		name string
		args []string
	}{
		{"run, two commands here", commands},
		{"run --in-pod, the same two", append([]string{"--in-pod"}, commands...)},
		{"run, a hold command here", hold},
		{"run --in-pod, the same hold command", append([]string{"--in-pod"}, hold...)},
	}
	runs := 3
	if os.Getenv("COPYTRIGGER_FREEZE_RUNS") == "all" {
		runs = 100
	}
	beyond, names := application.Freezes{}, []string{}
	for n := range runs {
		for _, f := range forms { // in turns: a machine that is slow for a while is so for all
			s.AwaitStatus(harness.Waiting)
			took := s.WatchCopy()
			id := fmt.Sprintf("run-%d-%d", n, len(beyond[f.name]))
			r := s.Run("run", append(f.args, "--run-id", id)...).Ends(harness.OK)
			seconds, is := r.Values["freeze-seconds"].(float64)
			if !is {
				t.Fatalf("freeze-seconds is %v", r.Values["freeze-seconds"])
			}
			frozen := time.Duration(seconds * float64(time.Second))
			beyond[f.name] = append(beyond[f.name], max(0, frozen-took()))
			s.FinishSync()
			s.SyncAgain(f.name + fmt.Sprint(n))
		}
	}
	for _, f := range forms {
		names = append(names, f.name)
		all := slices.Sorted(slices.Values(beyond[f.name]))
		t.Logf("%s: of %d runs p50 %s, p99 %s", f.name, len(all), all[len(all)/2], all[min(len(all)*99/100, len(all)-1)])
	}
	beyond.Report(t, names...)
	beyond.AtMost(t, names[1], 2*time.Second, "for a check and two connections")
	beyond.AtMost(t, names[3], 2*time.Second, "for a check and a connection")
}
