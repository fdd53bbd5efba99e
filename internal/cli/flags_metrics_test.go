package cli

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

func TestExposition(t *testing.T) {
	got := exposition("app", []step.End{
		{
			Claim: "data", LastGood: "2026-01-02T03:04:05Z",
			Last: handshake.LastRun{Run: "run-1", Outcome: "ok", FreezeSeconds: 1.25},
		},
		{Claim: "wal", Last: handshake.LastRun{Run: "run-1", Outcome: "tainted"}, Locked: true},
		{Claim: "new", LastGood: "yesterday"},
	})
	want := `# HELP copytrigger_last_run_ok Whether the last run has ended with a good copy.
# TYPE copytrigger_last_run_ok gauge
copytrigger_last_run_ok{namespace="app",pvc="data"} 1
copytrigger_last_run_ok{namespace="app",pvc="wal"} 0
# HELP copytrigger_last_run_freeze_seconds How long the last run kept the application quiesced.
# TYPE copytrigger_last_run_freeze_seconds gauge
copytrigger_last_run_freeze_seconds{namespace="app",pvc="data"} 1.25
# HELP copytrigger_last_good_copy_timestamp_seconds When the last good copy was cut.
# TYPE copytrigger_last_good_copy_timestamp_seconds gauge
copytrigger_last_good_copy_timestamp_seconds{namespace="app",pvc="data"} 1767323045
# HELP copytrigger_locked Whether a run has, or may have, the application of the claim quiesced.
# TYPE copytrigger_locked gauge
copytrigger_locked{namespace="app",pvc="data"} 0
copytrigger_locked{namespace="app",pvc="wal"} 1
copytrigger_locked{namespace="app",pvc="new"} 0
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
