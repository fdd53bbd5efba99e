package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutACluster(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 2, "usage: devcluster"},
		{"help", 2, "usage: devcluster"},
		{"dance", 2, `no command "dance"`},
		{"up --dance", 2, "-dance"},
		{"run", 2, "usage: devcluster run"},
		{"build --versions newest", 1, `no set "newest"`},
		{"ctl --dir " + none + " volsync", 2, "usage: devcluster ctl"},
		{"ctl --dir " + none + " volsync kill", 1, "no cluster is running"},
		{"status --dir " + none, 1, "no cluster is running"},
		{"pace --dir " + none + " --cut-delay 1s", 1, "no cluster is running"},
		{"down --dir " + none, 0, "no cluster was running"},
	} {
		var stdout, stderr bytes.Buffer
		if got := realMain(strings.Fields(c.args), &stdout, &stderr); got != c.code {
			t.Errorf("%q: got exit code %d, want %d", c.args, got, c.code)
		}
		if !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q: got %q, want it to say %q", c.args, stderr.String(), c.says)
		}
		if stdout.Len() > 0 {
			t.Errorf("%q: got %q on standard output", c.args, stdout.String())
		}
	}
}
