package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// echo is how long after the first signal no other one counts. One hangup or one Ctrl-C
// may arrive twice: from the terminal, and again from the shell or whatever started us.
const echo = time.Second

// stopBy is the stop by a signal of [listen]'s.
func stopBy(s os.Signal) outcome.Stop {
	for _, stop := range outcome.Stops() {
		if syscall.Signal(stop.Number) == s {
			return stop
		}
	}
	return outcome.Stop{Name: s.String()}
}

// signalSource is where signals come from: those of the process, or those of a test. Package
// os/signal says what each method does.
type signalSource interface {
	Ignored(s os.Signal) bool
	Ignore(s ...os.Signal)
	Notify(c chan<- os.Signal, s ...os.Signal)
	Stop(c chan<- os.Signal)
	Reset(s ...os.Signal)
}

// processSignals are the signals of this process. A process has them only once: who takes
// them in a test may get one that another test has sent.
type processSignals struct{}

func (processSignals) Ignored(s os.Signal) bool                  { return signal.Ignored(s) }
func (processSignals) Ignore(s ...os.Signal)                     { signal.Ignore(s...) }
func (processSignals) Notify(c chan<- os.Signal, s ...os.Signal) { signal.Notify(c, s...) }
func (processSignals) Stop(c chan<- os.Signal)                   { signal.Stop(c) }
func (processSignals) Reset(s ...os.Signal)                      { signal.Reset(s...) }

// listen makes a channel that gets the signals that a step ends by, but for those that were
// ignored before.
func listen(from signalSource, room int) chan os.Signal {
	got := make(chan os.Signal, room)
	for _, stop := range outcome.Stops() {
		s := syscall.Signal(stop.Number)
		if !from.Ignored(s) {
			from.Notify(got, s)
		}
	}
	return got
}

// signals gives a context that the first signal ends, with a [outcome.Stop] as its cause; a
// step then still gives its trigger back. Who means it sends another SIGINT or SIGTERM
// after more than an [echo]: that kills at once. A SIGHUP that is repeated never does,
// since nobody sends it by hand. What was ignored before (nohup) stays so.
//
// SIGTERM is how a pod ends, SIGINT and SIGHUP how a terminal does. SIGPIPE is ignored:
// that nobody reads the log any more is no reason to die in the middle of a freeze.
//
// mayKill is asked first: a run with the application quiesced is not left by impatience.
func signals(parent context.Context, from signalSource, mayKill func() bool) (context.Context, context.CancelFunc) {
	from.Ignore(syscall.SIGPIPE)
	got := listen(from, 1)
	alive, end := context.WithCancel(parent)
	ctx := obey(alive, got, func() {
		if mayKill() {
			from.Reset(syscall.SIGTERM, syscall.SIGINT)
		}
	})
	return ctx, func() { from.Stop(got); end() }
}

// stopOf is the signal that ended the context of signals, if one did. It waits for its end.
func stopOf(ctx context.Context) (outcome.Stop, bool) {
	<-ctx.Done()
	var stop outcome.Stop
	return stop, errors.As(context.Cause(ctx), &stop)
}

// obey ends its context with the first signal got, and lets signals kill an [echo] later.
// What else comes stays in got, or finds it full; either way nobody asks for it. When alive
// ends, so does the context, but not before it is known whether a signal came first.
func obey(alive context.Context, got <-chan os.Signal, letKill func()) context.Context {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(alive))
	stopped := func(s os.Signal) {
		cancel(stopBy(s))
	}
	go func() {
		select {
		case s := <-got:
			stopped(s)
		case <-alive.Done():
			select {
			case s := <-got:
				stopped(s)
			default:
				cancel(nil)
			}
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
