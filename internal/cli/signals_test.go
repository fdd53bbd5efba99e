package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"

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
			ctx, stop := signals(t.Context())
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
	ctx, stop := signals(t.Context())
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
	ctx, stop := signals(t.Context())
	defer stop()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
	if ctx.Err() != nil {
		t.Error(ctx.Err())
	}
}
