package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/file"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/step"
)

// metricsFlags are of the commands after which it is known how a run has ended.
type metricsFlags struct {
	metrics string
}

func (f *metricsFlags) flags() []cli.Flag {
	return []cli.Flag{text(&f.metrics, "metrics-file",
		"write how the last run of each claim has ended to `FILE`, for the textfile collector of Prometheus' node exporter")}
}

// writeMetrics writes the file after whatever the command has done. That it cannot is no error.
func (f *metricsFlags) writeMetrics(ctx context.Context, s step.Step) {
	if f.metrics == "" || len(s.Group) == 0 {
		return
	}
	ends, err := s.Members().Ends(context.WithoutCancel(ctx))
	if err == nil {
		err = file.Write(f.metrics, []byte(exposition(s.Namespace, ends)), 0o644)
	}
	if err != nil {
		s.Log.Warn("--metrics-file was not written: " + err.Error())
	}
}

// exposition is how the last runs have ended, in the text format of Prometheus.
func exposition(namespace string, ends []step.End) string {
	var b strings.Builder
	gauge := func(name, help string, value func(e step.End) (string, bool)) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		for _, e := range ends {
			if v, known := value(e); known {
				fmt.Fprintf(&b, "%s{namespace=%q,pvc=%q} %s\n", name, namespace, e.Claim, v)
			}
		}
	}
	truth := func(is bool) string { return map[bool]string{true: "1", false: "0"}[is] }
	gauge("copytrigger_last_run_ok", "Whether the last run has ended with a good copy.",
		func(e step.End) (string, bool) { return truth(e.Last.Outcome == string(outcome.OK)), e.Last.Run != "" })
	gauge("copytrigger_last_run_freeze_seconds", "How long the last run kept the application quiesced.",
		func(e step.End) (string, bool) {
			return strconv.FormatFloat(e.Last.FreezeSeconds, 'f', -1, 64), e.Last.FreezeSeconds > 0
		})
	gauge("copytrigger_last_good_copy_timestamp_seconds", "When the last good copy was cut.",
		func(e step.End) (string, bool) {
			at, err := time.Parse(time.RFC3339, e.LastGood)
			return strconv.FormatInt(at.Unix(), 10), err == nil
		})
	gauge("copytrigger_locked", "Whether a run has, or may have, the application of the claim quiesced.",
		func(e step.End) (string, bool) { return truth(e.Locked), true })
	return b.String()
}
