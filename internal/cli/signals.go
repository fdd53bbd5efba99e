package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/step"
)

// signals gives a context that the first signal ends, with a [step.Stop] as its cause; a
// step then still gives its trigger back. A second signal kills at once. What was ignored
// before (nohup) stays so.
//
// SIGTERM is how a pod ends, SIGINT and SIGHUP how a terminal does. SIGPIPE is ignored:
// that nobody reads the log any more is no reason to die in the middle of a freeze.
func signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signal.Ignore(syscall.SIGPIPE)
	got := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	go func() {
		select {
		case s := <-got:
			signal.Stop(got)
			number, _ := s.(syscall.Signal)
			cancel(step.Stop{Name: unix.SignalName(number), Number: int(number)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(got); cancel(nil) }
}
