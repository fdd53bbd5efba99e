package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that writes nothing while it is shut.
type gate struct {
	shut chan struct{}
	mu   sync.Mutex
	strings.Builder
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.shut
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Builder.Write(p)
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Builder.String()
}

func lostLine(n int) []byte { return fmt.Appendf(nil, "lost %d\n", n) }

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func writeLines(t *testing.T, l *lines, from, to int) {
	t.Helper()
	buffer := make([]byte, 0, 64) // reused, as slog reuses its own
	for i := from; i < to; i++ {
		buffer = fmt.Appendf(buffer[:0], "line %d\n", i)
		if n, err := l.Write(buffer); n != len(buffer) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		close(g.shut)
		l := newLines(g, lostLine)
		for i := range 5 {
			writeLines(t, l, i*queueLimit, (i+1)*queueLimit)
			synctest.Wait() // without a flush
			if got, want := g.String(), numbered(0, (i+1)*queueLimit); got != want {
				t.Fatalf("round %d: got %d bytes, want %d", i, len(got), len(want))
			}
		}
		writeLines(t, l, 5*queueLimit, 6*queueLimit)
		start := time.Now()
		l.flush(time.Hour)
		if got, want := g.String(), numbered(0, 6*queueLimit); got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("flush took %s", waited)
		}
	})
}

// What could not be written in time is counted where it is missing, and the end is there.
func TestLinesDropTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		l := newLines(g, lostLine)
		writeLines(t, l, 0, 1)
		synctest.Wait() // the first is being written
		writeLines(t, l, 1, queueLimit+4)
		close(g.shut)
		synctest.Wait()
		want := "line 0\nlost 3\n" + numbered(4, queueLimit+4)
		if got := g.String(); got != want {
			t.Errorf("got %q...", got[:min(len(got), 80)])
		}
		writeLines(t, l, 0, 1)
		l.flush(time.Second)
		if got := g.String(); got != want+"line 0\n" {
			t.Errorf("got ...%q", got[max(0, len(got)-80):])
		}
	})
}

// A writer that never writes holds nobody up for more than the limit.
func TestLinesNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		l := newLines(g, lostLine)
		start := time.Now()
		writeLines(t, l, 0, 3*queueLimit)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("writing took %s", waited)
		}
		l.flush(time.Second)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("flush took %s, want %s", waited, time.Second)
		}
		close(g.shut)
	})
}

// Nobody reads: the program still ends, in time and with its code and its results.
func TestMainWithBlockedStderr(t *testing.T) {
	noEnv(t)
	config := kubeconfig(t)
	for _, c := range []struct {
		args []string
		want int
		out  string
	}{
		{[]string{"fire"}, 64, ""},
		{
			[]string{"await-waiting", "--kubeconfig", config, "--pvc", "data", "--run-id", "r", "--timeout", "200ms"},
			124, `"outcome":"timed-out"`,
		},
	} {
		r, w := io.Pipe()
		var out strings.Builder
		start := time.Now()
		if got := newProgram(&out, w, withSignals()).main(append([]string{"copytrigger"}, c.args...), "v1"); got != c.want {
			t.Errorf("%q: got code %d, want %d", c.args, got, c.want)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%q: it took %s", c.args, took)
		}
		if !strings.Contains(out.String(), c.out) {
			t.Errorf("%q: got %q, want %s", c.args, out.String(), c.out)
		}
		r.Close()
	}
}

// What was dropped is said in the format of the log.
func TestLostMessages(t *testing.T) {
	for format, want := range map[string]string{
		"text": "copytrigger: warning: 7 messages were dropped: stderr was not read\n",
		"json": `"level":"WARN","msg":"7 messages were dropped: stderr was not read"}` + "\n",
	} {
		m := newProgram(io.Discard, io.Discard, withSignals())
		m.setLogFormat(format)
		if got := string(m.lost(7)); !strings.HasSuffix(got, want) || format == "text" && got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}
