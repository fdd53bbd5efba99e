//go:build linux

package quiesce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copytrigger/copytrigger/internal/process"
)

// output is what a command has said.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *output) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

func hold(script string, out *output) *Hold {
	return NewHold(process.Command{Args: []string{"sh", "-c", script}, Env: os.Environ()}, "QUIESCED", out)
}

// never is not asked by a hold, whose lock is its own.
func never(context.Context) error { return ErrLeaveAlone }

// held is a hold that has its lock.
func held(t *testing.T, script string) *Hold {
	t.Helper()
	h := hold(script, &output{})
	if err := h.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// What a hold is to do: keep the lock until its stdin ends.
const keeps = "echo QUIESCED; cat >/dev/null"

func TestHold(t *testing.T) {
	var out output
	h := hold("echo before; echo ' QUIESCED\r'; echo after; read line; echo the end", &out)
	if err := h.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-h.Lost():
		t.Errorf("lost: %v", err)
	default:
	}
	if err := h.Unquiesce(t.Context(), never); err != nil {
		t.Error(err)
	}
	if got := strings.Join(strings.Fields(out.String()), " "); got != "before QUIESCED after the end" {
		t.Errorf("said %q", got)
	}
}

func TestHoldThatDoesNotGetTheLock(t *testing.T) {
	for script, says := range map[string]string{
		"exit 3":                                   `sh ended with exit code 3 before it said "QUIESCED"`,
		"echo QUIESCED soon; echo NOT QUIESCED":    `sh ended before it said "QUIESCED"`,
		"echo QUIESCED >&2":                        `sh ended before it said "QUIESCED"`,
		"kill -KILL $$":                            `exit code 137 (killed) before it said "QUIESCED"`,
		"head -c 10000 /dev/zero; printf QUIESCED": `sh ended before it said "QUIESCED"`, // one long line
	} {
		h := hold(script, &output{})
		if err := h.Quiesce(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", script, err, says)
		}
		if err := h.Unquiesce(t.Context(), never); err != nil {
			t.Errorf("%s: there was nothing to let go: %v", script, err)
		}
	}
	h := NewHold(process.Command{Args: []string{"no-such-program"}}, "QUIESCED", &output{})
	if err := h.Quiesce(t.Context()); err == nil || !strings.Contains(err.Error(), "was not run") {
		t.Errorf("got %v", err)
	}
}

// The limit of the freeze passes before it has the lock: what it has locked half-way goes
// with it, however it takes SIGTERM.
func TestHoldThatTakesTooLong(t *testing.T) {
	for _, script := range []string{"cat >/dev/null", "trap '' TERM; while :; do :; done"} {
		ctx, cancel := context.WithCancel(t.Context())
		h := hold("echo $$; "+script, &output{})
		cancel()
		if err := h.Quiesce(ctx); err == nil {
			t.Errorf("%s: no error", script)
		}
		select {
		case <-h.ended:
		default:
			t.Errorf("%s: it still runs", script)
		}
	}
}

// Its end is the proof, and says whatever it says: before it was let go, or after.
func TestHoldThatLosesTheLock(t *testing.T) {
	for script, says := range map[string]string{
		"echo QUIESCED":                          "sh ended early",
		"echo QUIESCED; exit 7":                  "sh ended with exit code 7 early",
		"echo QUIESCED; exec kill -KILL $$":      "exit code 137 (killed) early",
		"echo QUIESCED; cat; echo gone; exit 3":  "sh ended with exit code 3",
		"echo QUIESCED; cat; exec kill -TERM $$": "exit code 143 (terminated)",
	} {
		h := held(t, script)
		early := strings.HasSuffix(says, "early")
		if early {
			if err := <-h.Lost(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: lost: got %v, want %q", script, err, says)
			}
			<-h.ended
		}
		if err := h.Unquiesce(t.Context(), never); !errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", script, err, says)
		}
	}
}

// One that goes on when its stdin has ended is ended: the application is to run again.
func TestHoldThatDoesNotLetGo(t *testing.T) {
	h := held(t, "echo QUIESCED; exec sleep 600")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := h.Unquiesce(ctx, never); !errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("got %v", err)
	}
	<-h.ended
}

// Gigabytes without a line's end neither stop it nor fill the memory.
func TestHoldThatSaysTooMuch(t *testing.T) {
	var most counter
	h := NewHold(
		process.Command{
			Args: []string{"sh", "-c", "head -c 300000000 /dev/zero; echo; echo QUIESCED; cat >/dev/null"},
			Env:  os.Environ(),
		},
		"QUIESCED",
		&most,
	)
	if err := h.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Unquiesce(t.Context(), never); err != nil {
		t.Error(err)
	}
	if most.longest.Load() > longestLine {
		t.Errorf("a piece of %d bytes was kept in memory", most.longest.Load())
	}
}

type counter struct{ longest atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.longest.Store(max(c.longest.Load(), int64(len(p))))
	return len(p), nil
}

// What the command leaves running does not keep it from ending, although it has its pipes.
func TestHoldThatForks(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	h := held(t, fmt.Sprintf("sleep 600 & echo $! >%s; %s", pid, keeps))
	if err := h.Unquiesce(t.Context(), never); err != nil {
		t.Error(err)
	}
	id, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("kill", strings.TrimSpace(string(id))).CombinedOutput(); err != nil {
		t.Errorf("it was ended, too: %v: %s", err, out)
	}
}

// The process that holds is killed: the command ends, by its stdin or by the signal.
func TestHoldDiesWithItsProcess(t *testing.T) {
	if script := os.Getenv("TEST_HOLD_SCRIPT"); script != "" {
		h := held(t, script)
		fmt.Println("held")
		<-h.ended
		return
	}
	dir := t.TempDir()
	for name, script := range map[string]string{
		"stdin":  "trap '' TERM; echo QUIESCED; cat >/dev/null; echo $? >" + dir + "/stdin",
		"signal": "trap 'echo $? >" + dir + "/signal; exit' TERM; echo QUIESCED; while :; do read line; done",
	} {
		t.Run(name, func(t *testing.T) {
			end := filepath.Join(dir, name)
			if out, err := exec.Command("mkfifo", end).CombinedOutput(); err != nil { // to read it is to wait for it
				t.Fatalf("%v: %s", err, out)
			}
			holder := exec.Command(os.Args[0], "-test.run=^TestHoldDiesWithItsProcess$")
			holder.Env = append(os.Environ(), "TEST_HOLD_SCRIPT="+script)
			out, err := holder.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := holder.Start(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4)
			if _, err := out.Read(buf); err != nil || string(buf) != "held" {
				t.Fatalf("got %q, %v", buf, err)
			}
			if err := holder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.ReadFile(end); err != nil {
				t.Error(err)
			}
			_ = holder.Wait()
		})
	}
}

// It ends in the moment in which it is let go, before anybody has been told: with 0, too,
// it has not had the lock until then.
func TestHoldThatEndsJustBefore(t *testing.T) {
	for range 20 {
		h := held(t, "sleep 600 & echo $! >&2; echo QUIESCED; exit 0") // its stdout stays open
		if err := <-h.Lost(); err == nil {
			t.Fatal("not lost")
		}
		if err := h.Unquiesce(t.Context(), never); !errors.Is(err, ErrNotHeld) {
			t.Fatalf("got %v", err)
		}
	}
}

// What was told to end takes all that it has started with it, whatever that does about
// SIGTERM: it could quiesce, or keep the lock, afterwards.
func TestEndedWithAllThatItStarted(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	c := command("(trap '' TERM; echo $$ >/dev/null; exec sleep 600) & echo $! >" + pid + "; echo started; wait")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c.Stdout = w
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = r.Read(make([]byte, 1))
		cancel()
	}()
	if _, err := c.RunUntil(ctx); err == nil {
		t.Error("no error")
	}
	id, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(id)) + "/stat")
	if err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("it goes on: %s", state)
	}
}

// A command that the kernel does not let end has its lock still, for all that anybody knows.
// Here it is one whose end nobody tells.
func TestHoldThatCannotBeEnded(t *testing.T) {
	for name, said := range map[string]bool{"ready": true, "not ready": false} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sleep", "1000")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Wait() }()
			synctest.Test(t, func(t *testing.T) {
				h := hold("", &output{})
				h.process, h.stdin, h.ended = process.Attach(cmd.Process.Pid), io.NopCloser(nil), make(chan struct{})
				if h.said = make(chan struct{}); said {
					close(h.said)
				}
				if err := h.Unquiesce(t.Context(), never); err == nil || errors.Is(err, ErrNotHeld) ||
					!strings.Contains(err.Error(), "could not be ended") {
					t.Errorf("got %v, which says that the application runs", err)
				}
			})
		})
	}
}
