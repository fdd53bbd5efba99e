package cli

import (
	"context"
	"errors"
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

// obeyed are the signals that a step ends by, with a code of its own.
func obeyed() []syscall.Signal {
	return []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}
}

func stopBy(s syscall.Signal) step.Stop { return step.Stop{Name: unix.SignalName(s), Number: int(s)} }

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
	for _, s := range obeyed() {
		if !from.Ignored(s) {
			from.Notify(got, s)
		}
	}
	return got
}

// signals gives a context that the first signal ends, with a [step.Stop] as its cause; a
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
func stopOf(ctx context.Context) (step.Stop, bool) {
	<-ctx.Done()
	var stop step.Stop
	return stop, errors.As(context.Cause(ctx), &stop)
}

// obey ends its context with the first signal got, and lets signals kill an [echo] later.
// What else comes stays in got, or finds it full; either way nobody asks for it. When alive
// ends, so does the context, but not before it is known whether a signal came first.
func obey(alive context.Context, got <-chan os.Signal, letKill func()) context.Context {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(alive))
	stopped := func(s os.Signal) {
		number, _ := s.(syscall.Signal)
		cancel(stopBy(number))
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
