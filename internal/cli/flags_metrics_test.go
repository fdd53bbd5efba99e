package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/pvc"
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

// theClaim is a claim that can be read, or cannot.
type theClaim struct {
	step.Claims
	fails error
}

func (c theClaim) Get(ctx context.Context, name string) (pvc.Claim, error) {
	if ctx.Err() != nil {
		return pvc.Claim{}, ctx.Err()
	}
	return pvc.Claim{Name: name}, c.fails
}

// The file is written where it was asked for, also by a command that was stopped, for the node exporter
// to read, which is another user. Where the claims are not known it stays as it is, and that is said.
func TestMetricsFile(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	const was = "as it was"
	for name, c := range map[string]struct {
		ctx    context.Context
		fails  error
		claims []string
		unset  bool
		want   string // a part of the file
		says   string
	}{
		"well":       {claims: []string{"data"}, want: `copytrigger_locked{namespace="app",pvc="data"} 0`},
		"stopped":    {ctx: stopped, claims: []string{"data"}, want: `copytrigger_locked{namespace="app",pvc="data"} 0`},
		"not known":  {fails: errors.New("no"), claims: []string{"data"}, want: was, says: "file was not written: no"},
		"no claims":  {want: was},
		"not wanted": {claims: []string{"data"}, unset: true, want: was},
	} {
		file := filepath.Join(t.TempDir(), "copytrigger.prom")
		if err := os.WriteFile(file, []byte(was), 0o600); err != nil {
			t.Fatal(err)
		}
		f := metricsFlags{metrics: file}
		if c.unset {
			f.metrics = ""
		}
		var log strings.Builder
		s := step.Step{
			Namespace: "app", Group: c.claims, Claims: theClaim{fails: c.fails}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		ctx := t.Context()
		if c.ctx != nil {
			ctx = c.ctx
		}
		f.writeMetrics(ctx, s)
		got, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(got), c.want) || !strings.Contains(log.String(), c.says) ||
			c.says == "" && log.Len() > 0 {
			t.Errorf("%s: got %q, %v, and said %s", name, got, err, &log)
		}
		if info, err := os.Stat(file); err != nil || c.want != was && info.Mode().Perm() != 0o644 {
			t.Errorf("%s: got %v, %v", name, info.Mode(), err)
		}
	}
}
