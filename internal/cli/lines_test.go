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

// linesLimit is how many lines of [writeLines] the queue of linesTo takes.
const linesLimit = 1000

func linesTo(w io.Writer) *lines {
	l := newLines(w, lostLine)
	l.limit = linesLimit * len("line 00000\n")
	return l
}

func lostLine(n int) []byte { return fmt.Appendf(nil, "lost %d\n", n) }

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %05d\n", i)
	}
	return b.String()
}

func writeLines(t *testing.T, l *lines, from, to int) {
	t.Helper()
	buffer := make([]byte, 0, 64) // reused, as slog reuses its own
	for i := from; i < to; i++ {
		buffer = fmt.Appendf(buffer[:0], "line %05d\n", i)
		if n, err := l.Write(buffer); n != len(buffer) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		close(g.shut)
		l := linesTo(g)
		for i := range 5 {
			writeLines(t, l, i*linesLimit, (i+1)*linesLimit)
			synctest.Wait() // without a flush
			if got, want := g.String(), numbered(0, (i+1)*linesLimit); got != want {
				t.Fatalf("round %d: got %d bytes, want %d", i, len(got), len(want))
			}
		}
		writeLines(t, l, 5*linesLimit, 6*linesLimit)
		start := time.Now()
		l.flush(time.Hour, time.Hour)
		if got, want := g.String(), numbered(0, 6*linesLimit); got != want {
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
		l := linesTo(g)
		writeLines(t, l, 0, 1)
		synctest.Wait() // the first is being written
		writeLines(t, l, 1, linesLimit+4)
		close(g.shut)
		synctest.Wait()
		want := "line 00000\nlost 3\n" + numbered(4, linesLimit+4)
		if got := g.String(); got != want {
			t.Errorf("got %q...", got[:min(len(got), 80)])
		}
		writeLines(t, l, 0, 1)
		l.flush(time.Second, time.Minute)
		if got := g.String(); got != want+"line 00000\n" {
			t.Errorf("got ...%q", got[max(0, len(got)-80):])
		}
	})
}

// A writer that never writes holds nobody up for more than the limit.
func TestLinesNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		l := linesTo(g)
		start := time.Now()
		writeLines(t, l, 0, 3*linesLimit)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("writing took %s", waited)
		}
		l.flush(time.Second, time.Minute)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("flush took %s, want %s", waited, time.Second)
		}
		close(g.shut)
	})
}

// What a command says on stdout may be data: a reader that reads slowly gets all of it. One that
// reads nothing holds nobody up.
func TestLinesWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		l := linesTo(g)
		l.patience = time.Second
		go func() {
			for range 2 * linesLimit {
				time.Sleep(time.Second - 1)
				g.shut <- struct{}{}
			}
		}()
		start := time.Now()
		writeLines(t, l, 0, 2*linesLimit)
		if waited := time.Since(start); waited < 900*time.Second {
			t.Errorf("writing took %s", waited)
		}
		l.flush(time.Second, time.Hour)
		if got, want := g.String(), numbered(0, 2*linesLimit); got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := &gate{shut: make(chan struct{})}
		l := linesTo(g)
		l.patience = time.Second
		start := time.Now()
		writeLines(t, l, 0, 3*linesLimit)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("writing took %s", waited)
		}
		close(g.shut)
		l.flush(time.Second, time.Minute)
	})
}

// The end waits for a reader that still reads, and no longer than in all.
func TestLinesFlushWhileRead(t *testing.T) {
	for total, want := range map[time.Duration]time.Duration{
		time.Hour:       9 * time.Second,
		5 * time.Second: 5 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &gate{shut: make(chan struct{})}
			l := linesTo(g)
			writeLines(t, l, 0, 10)
			go func() {
				for i := range 10 {
					if i > 0 {
						time.Sleep(time.Second - 1)
					}
					g.shut <- struct{}{}
				}
			}()
			start := time.Now()
			l.flush(time.Second, total)
			if waited := time.Since(start).Round(time.Second); waited != want {
				t.Errorf("flush took %s, want %s", waited, want)
			}
			<-l.done
		})
	}
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
