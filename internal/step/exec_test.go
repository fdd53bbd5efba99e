//go:build unix

package step

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/podexec/podtest"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// A command's own code is no outcome; whatever kept it from being run, or from being seen to end, is.
func TestExec(t *testing.T) {
	sh := func(line string) []string { return []string{"/bin/sh", "-c", line} }
	stopped, stop := context.WithCancelCause(t.Context())
	for name, c := range map[string]struct {
		args    []string
		prepare func(*podtest.Server)
		limit   time.Duration
		code    int             // if it has ended
		outcome outcome.Outcome // else
		says    string
	}{
		"well": {args: sh("exit 0")},
		"code": {args: sh("exit 3"), code: 3, says: "ended with exit code 3"},
		"no pod": {
			args:    sh("exit 0"),
			prepare: func(s *podtest.Server) { s.Set() },
			outcome: outcome.Refused,
			says:    "no running pod",
		},
		"no program": {args: []string{"psqll"}, outcome: outcome.Refused, says: "there is no program psqll"},
		"no right": {
			args:    sh("exit 0"),
			prepare: func(s *podtest.Server) { s.Refuse(403) },
			outcome: outcome.Refused,
			says:    "nothing was quiesced",
		},
		"no right to look": {
			args:    sh("exit 0"),
			prepare: func(s *podtest.Server) { s.Deny(403) },
			outcome: outcome.Refused,
			says:    "list pods",
		},
		"limit": {
			args:    sh("exec sleep 600"),
			limit:   500 * time.Millisecond,
			outcome: outcome.TimedOut,
			says:    "may go on there",
		},
		"signal": {
			args: sh("exec sleep 600"),
			prepare: func(*podtest.Server) {
				time.AfterFunc(500*time.Millisecond, func() { stop(outcome.Stop{}) })
			},
			outcome: outcome.Signalled,
			says:    "may go on there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := podtest.New(t, podtest.Pod{Name: "db-0", UID: "1", Claims: []string{"data"}})
			client, err := dynamic.NewForConfig(server.Config())
			if err != nil {
				t.Fatal(err)
			}
			ctx, limit := t.Context(), c.limit
			if name == "signal" {
				ctx = stopped
			}
			if limit == 0 {
				limit = time.Minute
			}
			if c.prepare != nil {
				c.prepare(server)
			}
			s := Step{Namespace: "app", Claim: "data", Log: slog.New(slog.DiscardHandler)}
			got, err := s.Exec(ctx, ExecOptions{
				Cluster: quiesce.InCluster{
					Exec: podexec.Exec{Config: server.Config(), Out: io.Discard},
					Pods: pods.ApplicationIn(client, "app"), Wanted: pods.Wanted{Claims: []string{"data"}},
				},
				Args: c.args, Timeout: limit,
			})
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if ended := c.outcome == ""; got.Ended != ended || got.Code != c.code {
				t.Errorf("got %+v", got)
			}
			if c.outcome != "" && endingOf(err).Outcome != c.outcome {
				t.Errorf("got %s, want %s", endingOf(err).Outcome, c.outcome)
			}
		})
	}
}
