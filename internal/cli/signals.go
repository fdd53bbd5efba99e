package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/step"
)

// echo is how long after the first signal no other one counts. One hangup or one Ctrl-C
// may arrive twice: from the terminal, and again from the shell or whatever started us.
const echo = time.Second

// signals gives a context that the first signal ends, with a [step.Stop] as its cause; a
// step then still gives its trigger back. Who means it sends another SIGINT or SIGTERM
// after more than an [echo]: that kills at once. A SIGHUP that is repeated never does,
// since nobody sends it by hand. What was ignored before (nohup) stays so.
//
// SIGTERM is how a pod ends, SIGINT and SIGHUP how a terminal does. SIGPIPE is ignored:
// that nobody reads the log any more is no reason to die in the middle of a freeze.
func signals(parent context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	got := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	alive, end := context.WithCancel(parent)
	ctx := obey(alive, got, func() { signal.Reset(syscall.SIGTERM, syscall.SIGINT) })
	return ctx, func() { signal.Stop(got); end() }
}

// obey ends its context with the first signal got, and lets signals kill an [echo] later.
// What else comes stays in got, or finds it full; either way nobody asks for it.
func obey(alive context.Context, got <-chan os.Signal, letKill func()) context.Context {
	ctx, cancel := context.WithCancelCause(alive)
	go func() {
		select {
		case s := <-got:
			number, _ := s.(syscall.Signal)
			cancel(step.Stop{Name: unix.SignalName(number), Number: int(number)})
		case <-alive.Done():
			cancel(nil)
			return
		}
		select {
		case <-time.After(echo):
			letKill()
		case <-alive.Done():
		}
	}()
	return ctx
}
