package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/step"
)

func TestSignalsEndTheContext(t *testing.T) {
	for s, want := range map[syscall.Signal]step.Stop{
		syscall.SIGTERM: {Name: "SIGTERM", Number: 15},
		syscall.SIGINT:  {Name: "SIGINT", Number: 2},
		syscall.SIGHUP:  {Name: "SIGHUP", Number: 1},
	} {
		t.Run(want.Name, func(t *testing.T) {
			if signal.Ignored(s) {
				t.Skip("ignored by whoever started the tests")
			}
			ctx, stop := signals(t.Context(), func() bool { return true })
			defer stop()
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
			if got := context.Cause(ctx); !errors.Is(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestNoSignalNoCause(t *testing.T) {
	ctx, stop := signals(t.Context(), func() bool { return true })
	stop()
	<-ctx.Done()
	if got := (step.Stop{}); errors.As(context.Cause(ctx), &got) {
		t.Errorf("got %v without a signal", got)
	}
}

// nohup means what it says.
func TestIgnoredHangupStaysIgnored(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	ctx, stop := signals(t.Context(), func() bool { return true })
	defer stop()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
	if ctx.Err() != nil {
		t.Error(ctx.Err())
	}
}

// One hangup may arrive many times, and must not kill in the middle of taking back.
func TestRepeatedSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, end := context.WithCancel(t.Context())
		got, mayKill := make(chan os.Signal, 1), atomic.Bool{}
		ctx := obey(alive, got, func() { mayKill.Store(true) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if ctx.Err() != nil || mayKill.Load() {
			t.Fatalf("without a signal: got %v, kills %v", ctx.Err(), mayKill.Load())
		}
		for range 3 {
			select { // as os/signal sends: it never waits
			case got <- syscall.SIGHUP:
			default:
			}
			synctest.Wait()
		}
		if want := (step.Stop{Name: "SIGHUP", Number: 1}); !errors.Is(context.Cause(ctx), want) {
			t.Errorf("got %v, want %v", context.Cause(ctx), want)
		}
		time.Sleep(echo - 1)
		synctest.Wait()
		if mayKill.Load() {
			t.Errorf("a signal kills %s after the first", echo-1)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !mayKill.Load() {
			t.Errorf("a signal does not kill %s after the first", echo)
		}
		end()
	})
}

// What is over changes no signals any more.
func TestSignalsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, end := context.WithCancel(t.Context())
		got := make(chan os.Signal, 1)
		ctx := obey(alive, got, func() { t.Error("signals were let kill") })
		got <- syscall.SIGTERM
		<-ctx.Done()
		end()
		time.Sleep(time.Hour)
	})
}

// The exit code is that of what was done, also where a signal comes between its end and that of
// the process: one that is not caught would kill this one.
func TestSignalAfterTheEnd(t *testing.T) {
	noEnv(t)
	defer signal.Reset(syscall.SIGTERM)
	if code := Main([]string{"copytrigger", "--version"}, "v1", io.Discard, io.Discard); code != 0 {
		t.Errorf("got code %d", code)
	}
	runtime.LockOSThread() // it has come when the call returns
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}
