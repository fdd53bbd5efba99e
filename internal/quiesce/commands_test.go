//go:build linux

package quiesce

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/process"
)

// always lets every attempt be made.
func always(context.Context) error { return nil }

func command(script string) process.Command {
	return process.Command{Args: []string{"sh", "-c", script}, Env: os.Environ()}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	c := Commands{
		On:  command("echo on >>" + dir + "/log"),
		Off: command("echo off >>" + dir + "/log"),
		Log: slog.New(slog.DiscardHandler),
	}
	if err := c.Quiesce(t.Context()); err != nil {
		t.Error(err)
	}
	if c.Lost() != nil {
		t.Error("nobody can know")
	}
	if err := c.Unquiesce(t.Context(), always); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "log")); string(got) != "on\noff\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// An unquiesce that ends with 106 has let the application go, which was not quiesced any more:
// it is not run again. An attempt that failed before does not hide that.
func TestUnquiesceFindsNothingQuiesced(t *testing.T) {
	for _, script := range []string{
		"echo x >>FILE; exit 106",
		"echo x >>FILE; [ -e FILE.1 ] && exit 106; touch FILE.1; exit 1",
	} {
		file := filepath.Join(t.TempDir(), "log")
		c := Commands{Off: command(strings.ReplaceAll(script, "FILE", file)), Log: slog.New(slog.DiscardHandler)}
		err := c.Unquiesce(t.Context(), always)
		if !errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), "sh ended with exit code 106") {
			t.Errorf("%s: %v", script, err)
		}
		if got, err := os.ReadFile(file); len(got) > len("x\nx\n") || err != nil {
			t.Errorf("%s: ran %q, %v", script, got, err)
		}
	}
}

func TestQuiesceFails(t *testing.T) {
	for script, says := range map[string]string{
		"exit 9":        "sh ended with exit code 9",
		"kill -KILL $$": "sh ended with exit code 137 (killed)",
	} {
		if err := (Commands{On: command(script)}).Quiesce(t.Context()); err == nil || err.Error() != says {
			t.Errorf("%s: got %v, want %q", script, err, says)
		}
	}
	if err := (Commands{On: process.Command{Args: []string{"/no/such"}}}).Quiesce(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "/no/such was not run") {
		t.Errorf("got %v", err)
	}
}

// A quiesce that is over its limit ends, with all that it has started, also if it does not
// want to; one whose limit is over already is not even begun.
func TestQuiesceTakesTooLong(t *testing.T) {
	for script, want := range map[string]string{
		"echo x; cat; true":         "exit code 143", // SIGTERM
		"trap '' TERM; echo x; cat": "exit code 137", // SIGKILL
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		idle, block, err := os.Pipe() // cat waits for ever
		if err != nil {
			t.Fatal(err)
		}
		defer func() { r.Close(); idle.Close(); block.Close() }()
		c := command(script)
		c.Stdin, c.Stdout = idle, w
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = r.Read(make([]byte, 1))
			cancel()
		}()
		if _, err := c.RunUntil(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
		w.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "ran")
	if _, err := command("touch " + file).RunUntil(ctx); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it was run")
	}
}

// Unquiesce is tried again until it is well.
func TestUnquiesceAgain(t *testing.T) {
	dir := t.TempDir()
	var said strings.Builder
	c := Commands{
		Off: command("[ -e " + dir + "/tried ] && exit 0; touch " + dir + "/tried; exit 1"),
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	}
	if err := c.Unquiesce(t.Context(), always); err != nil {
		t.Error(err)
	}
	if got := said.String(); strings.Count(got, "unquiesce failed: sh ended with exit code 1") != 1 {
		t.Errorf("said %q", got)
	}
}

// The limit ends it, with the reason of the last attempt that ended by itself.
func TestUnquiesceGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	again := filepath.Join(dir, "again")
	if err := syscall.Mkfifo(again, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = os.ReadFile(again) // the second attempt is under way
		cancel()
	}()
	c := Commands{
		Off: command(
			"if [ -e " + dir + "/tried ]; then echo >" + again + "; exec sleep 600; fi; touch " + dir + "/tried; exit 8",
		),
		Log: slog.New(slog.DiscardHandler),
	}
	err := c.Unquiesce(ctx, always)
	if err == nil || !strings.Contains(err.Error(), "exit code 8") || !MayGoOn(err) {
		t.Errorf("got %v, under way: %t", err, MayGoOn(err))
	}
}

// Only an attempt that nobody has seen end may be under way still.
func TestUnquiesceUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		err error
		cut bool // by the limit
		may bool
	}{
		"it ended":               {err: errors.New("exit code 1")},
		"it was cut short":       {err: errors.New("exit code 143"), cut: true, may: true},
		"its connection broke":   {err: &podexec.Broken{Err: errors.New("reset")}, may: true},
		"it found another's run": {err: ErrLeaveAlone},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			off := runs(func(ctx context.Context) (int, error) {
				if c.cut {
					<-ctx.Done()
				}
				return 1, c.err
			})
			err := Commands{Off: off, Log: slog.New(slog.DiscardHandler)}.Unquiesce(ctx, func(context.Context) error {
				if errors.Is(c.err, ErrLeaveAlone) {
					return c.err
				}
				return nil
			})
			if !errors.Is(err, c.err) || MayGoOn(err) != c.may {
				t.Errorf("%s: got %v, may be under way: %t", name, err, MayGoOn(err))
			}
		})
	}
}

// Before every attempt it is asked whether there may be one: an error puts it off, and after
// ErrLeaveAlone there is none any more.
func TestUnquiesceAsksBeforeEachAttempt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	answers := []error{errors.New("not now"), nil, ErrLeaveAlone, nil}
	asked := 0
	c := Commands{Off: command("echo x >>" + file + "; exit 1"), Log: slog.New(slog.DiscardHandler)}
	err := c.Unquiesce(t.Context(), func(context.Context) error {
		asked++
		return answers[asked-1]
	})
	if !errors.Is(err, ErrLeaveAlone) || asked != 3 {
		t.Errorf("asked %d times, then %v", asked, err)
	}
	if got, err := os.ReadFile(file); string(got) != "x\n" || err != nil {
		t.Errorf("ran %q, %v", got, err)
	}
}
