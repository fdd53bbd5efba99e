//go:build linux

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// heard is a writer that keeps what is written, and each Write.
type heard struct {
	mu     sync.Mutex
	all    strings.Builder
	writes []string
	more   chan struct{} // gets one for each Write; may be nil
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, string(p))
	if h.more != nil {
		h.more <- struct{}{}
	}
	return h.all.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.String()
}

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What the command has said is written when it is over. What it has left running holds the pipe,
// is not waited for, and is heard all the same.
func TestOutputOfWhatIsLeftRunning(t *testing.T) {
	go_, out := fifo(t), &heard{more: make(chan struct{}, 9)}
	code, err := Command{
		Args: []string{"sh", "-c", `(read x <"$0"; echo later) & echo now; printf half`, go_}, Env: os.Environ(),
		Stdout: out, Stderr: out,
	}.Run(nil)
	if code != 0 || err != nil || out.String() != "now\nhalf" {
		t.Errorf("got %d, %v, %q", code, err, out.String())
	}
	for len(out.more) > 0 {
		<-out.more
	}
	if err := os.WriteFile(go_, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	<-out.more
	if !strings.HasSuffix(out.String(), "later\n") {
		t.Errorf("got %q", out.String())
	}
}

// A command with much to say is written whole, in lines.
func TestOutputOfMuch(t *testing.T) {
	out := &heard{}
	code, err := Command{
		Args: []string{"seq", "200000"}, Env: os.Environ(), Stdout: out, Stderr: io.Discard,
	}.Run(nil)
	lines := strings.Count(out.String(), "\n")
	if code != 0 || err != nil || lines != 200000 || !strings.HasSuffix(out.String(), "\n200000\n") {
		t.Errorf("got %d, %v, %d lines", code, err, lines)
	}
	for _, w := range out.writes {
		if !strings.HasSuffix(w, "\n") {
			t.Errorf("a line is written in two: ...%q", w[max(0, len(w)-20):])
		}
	}
}

// A line that does not end is passed on all the same.
func TestOutputOfOneLongLine(t *testing.T) {
	out := &heard{}
	_, err := Command{
		Args: []string{"head", "-c", "1000000", "/dev/zero"}, Env: os.Environ(), Stdout: out,
	}.Run(nil)
	if got := len(out.String()); err != nil || got != 1000000 {
		t.Errorf("got %d bytes, %v", got, err)
	}
}

// What is left running lives on when nobody reads any more: it may be what lets the application go.
func TestOutputWithoutReader(t *testing.T) {
	go_, done := fifo(t), fifo(t)
	var o outputs
	p, err := Command{
		Args: []string{"sh", "-c", `(read x <"$0"; echo one; echo two; echo well >"$1") & :`, go_, done},
		Env:  os.Environ(), Stdout: &heard{},
	}.start(&o)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Over()
	o.pipes[0].r.Close() // as the end of this process does
	if err := os.WriteFile(go_, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(done)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if line, err := bufio.NewReader(f).ReadString('\n'); line != "well\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// What a command says on both of its streams comes in the order in which it said it, where one writer gets both.
func TestOutputKeepsTheOrder(t *testing.T) {
	const script = `i=0; while [ $i -lt 500 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done`
	out := &heard{}
	code, err := Command{Args: []string{"sh", "-c", script}, Env: os.Environ(), Stdout: out, Stderr: out}.Run(nil)
	var want strings.Builder
	for i := range 500 {
		fmt.Fprintf(&want, "out %d\nerr %d\n", i, i)
	}
	if code != 0 || err != nil || out.String() != want.String() {
		t.Errorf("got %d, %v, %q", code, err, out.String())
	}
}

// The command's ends of a pipe are its own: this process keeps none, or it would never see the end. Of a
// command that was not started nothing is left.
func TestOutputLeavesNoPipes(t *testing.T) {
	left := func(o *outputs) (open []string) {
		for name, f := range map[string]*os.File{"w": o.pipes[0].w, "twin": o.pipes[0].twin, "r": o.pipes[0].r} {
			if f.Close() == nil {
				open = append(open, name)
			}
		}
		slices.Sort(open)
		return open
	}
	var started, not outputs
	p, err := Command{Args: []string{"sleep", "600"}, Env: os.Environ(), Stdout: &heard{}}.start(&started)
	if err != nil {
		t.Fatal(err)
	}
	if open := left(&started); !slices.Equal(open, []string{"r"}) {
		t.Errorf("of a command that was started %q are open", open)
	}
	p.End()
	odd := Command{Args: []string{"true", "a\x00b"}, Env: os.Environ(), Stdout: &heard{}}
	if _, err := odd.start(&not); err == nil {
		t.Error("it was started")
	}
	if open := left(&not); len(open) > 0 {
		t.Errorf("of a command that was not started %q are open", open)
	}
}

// refill says as much again as it has heard, up to a limit: there is no end of it.
type refill struct {
	t           *testing.T
	w           io.Writer
	heard, most int
}

func (r *refill) Write(p []byte) (int, error) {
	if r.heard += len(p); r.heard <= r.most {
		if _, err := r.w.Write(p); err != nil {
			r.t.Error(err)
		}
	}
	return len(p), nil
}

// What is left running may say something without end: it is not waited for until it is silent.
func TestOutputWithoutEnd(t *testing.T) {
	r, w := pipe(t)
	to := &refill{t: t, w: w, most: 4 * fullPipe}
	if _, err := w.WriteString(strings.Repeat("on and on\n", 100)); err != nil {
		t.Fatal(err)
	}
	p := &output{to: to, r: r}
	if err := p.readWhatIsThere(make([]byte, chunk)); err != nil || to.heard < fullPipe || to.heard > 2*fullPipe {
		t.Errorf("got %v after %d bytes", err, to.heard)
	}
}

// A line is kept back until it ends, or is too long, and is written once.
func TestOutputKeepsLinesBack(t *testing.T) {
	out := &heard{}
	p := &output{to: out}
	longest := strings.Repeat("x", longestLine)
	for _, piece := range []string{"one\ntwo", "\n", longest[1:], "y", "rest"} {
		p.write([]byte(piece))
	}
	p.flush()
	p.flush()
	p.write([]byte("\n"))
	if want := []string{"one\n", "two\n", longest[1:] + "y", "rest", "\n"}; !slices.Equal(out.writes, want) {
		t.Errorf("got %q", out.writes)
	}
}
