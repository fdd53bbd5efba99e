package application

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Form is one way to put the steps together.
type Form struct {
	Name string
	Runs int // how often, with COPYTRIGGER_FREEZE_RUNS=all; three times are enough to see a change
	// Frozen makes a run, waits for its good end, and says how long it was from the end of
	// quiesce to the start of unquiesce.
	Frozen func() time.Duration
}

// Stamp is the users' steps of these runs: they say the time, and do nothing else.
const Stamp = "date +%s.%N"

// What users write today: a loop that looks at the claim, and a trigger of their own.
const (
	kubectlWait = `until [ "$(kubectl get pvc data ` +
		`--output=jsonpath='{.metadata.annotations.volsync\.backube/latest-copy-status}')" = %s ]; do sleep 5; done`
	kubectlFire = `kubectl annotate --overwrite pvc data volsync.backube/copy-trigger="$(date +%s)"`
)

// KubectlWaiting and KubectlCopy are scripts that users write today.
var (
	KubectlWaiting = fmt.Sprintf(kubectlWait, harness.Waiting)
	KubectlCopy    = kubectlFire + "\n" + fmt.Sprintf(kubectlWait, harness.Completed)
)

// Stamped is the time that a step has said.
func (s *Site) Stamped(log string) time.Time {
	s.Helper()
	first, _ := s.Between(log)
	return first
}

// Between is the first and the last time that a step has said.
func (s *Site) Between(log string) (first, last time.Time) {
	s.Helper()
	for line := range strings.Lines(log) {
		if seconds, nanos, ok := strings.Cut(strings.TrimSpace(line), "."); ok && len(nanos) == 9 {
			s, err1 := strconv.ParseInt(seconds, 10, 64)
			n, err2 := strconv.ParseInt(nanos, 10, 64)
			if err1 == nil && err2 == nil {
				if last = time.Unix(s, n); first.IsZero() {
					first = last
				}
			}
		}
	}
	if first.IsZero() {
		s.Fatalf("a step has not said the time: %s", log)
	}
	return first, last
}

// Freezes are the times that applications stayed quiesced beyond the time that VolSync
// itself took for the copy, by form.
type Freezes map[string][]time.Duration

// MeasureFreezes measures them, one after the other.
func (s *Site) MeasureFreezes(t *testing.T, forms ...Form) Freezes {
	t.Helper()
	storage := s.Hold()
	storage.ReleaseReadyAfter(2 * time.Second) // or a loop's first look may find it done
	s.Replicate(storage.Class())
	overhead := Freezes{}
	sync := 0
	for _, f := range forms {
		for range runs(f) {
			s.AwaitStatus(harness.Waiting)
			copied := s.WatchCopy()
			frozen, took := f.Frozen(), copied()
			// When VolSync did what, the test hears a moment later.
			if frozen < took-time.Second {
				t.Fatalf("%s: frozen for %s, and VolSync took %s: a step has not said all its times", f.Name, frozen, took)
			}
			t.Logf(
				"%s: frozen for %s, of which VolSync took %s",
				f.Name,
				frozen.Round(time.Millisecond),
				took.Round(time.Millisecond),
			)
			overhead[f.Name] = append(overhead[f.Name], max(0, frozen-took))
			s.AwaitSynced()
			sync++
			s.Patch(
				"ReplicationSource",
				Source,
				map[string]any{"spec": map[string]any{"trigger": map[string]any{"manual": strconv.Itoa(sync)}}},
			)
		}
	}
	return overhead
}

func runs(f Form) int {
	if os.Getenv("COPYTRIGGER_FREEZE_RUNS") == "all" {
		return f.Runs
	}
	return min(f.Runs, 3)
}

// Median is that of a form; of an even number the lower one, for a busy machine only adds.
func (f Freezes) Median(form string) time.Duration {
	all := slices.Sorted(slices.Values(f[form]))
	return all[(len(all)-1)/2]
}

// slow is what a slow machine may take for a process that waits for nobody's looks.
const slow = 700 * time.Millisecond

// AtMost asserts that a form, which needs the machine only, takes no longer than what is
// given, or than a slow machine may.
func (f Freezes) AtMost(t *testing.T, form string, most time.Duration, why string) {
	t.Helper()
	if got, most := f.Median(form), max(most, slow); got > most {
		t.Errorf("%s: %s, want at most %s, %s", form, got, most, why)
	}
}

// Report logs the table of the forms, and writes it to freeze-SUITE.md in the folder that
// COPYTRIGGER_FREEZE_TABLES names.
func (f Freezes) Report(t *testing.T, forms ...string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, "| form | runs | frozen beyond VolSync's own copy time: median | least | most |")
	fmt.Fprintln(&b, "|---|---|---|---|---|")
	for _, form := range forms {
		all := slices.Sorted(slices.Values(f[form]))
		if len(all) == 0 {
			t.Fatalf("nothing has been measured of %s", form)
		}
		fmt.Fprintf(&b, "| %s | %d | %.2f s | %.2f s | %.2f s |\n", form, len(all),
			f.Median(form).Seconds(), all[0].Seconds(), all[len(all)-1].Seconds())
	}
	t.Log("\n" + b.String())
	if dir := os.Getenv("COPYTRIGGER_FREEZE_TABLES"); dir != "" {
		suite, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "freeze-"+filepath.Base(suite)+".md")
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
