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

// signalDebounce is how long after the first signal all others are ignored. One hangup or one
// Ctrl-C may arrive twice: from the terminal, and again from the shell or whatever started us.
const signalDebounce = time.Second

// stopBy returns the stop that a signal of [listen] means.
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

// processSignals are the signals of this process. A process has them only once: a test that
// takes them may get one that another test has sent.
type processSignals struct{}

func (processSignals) Ignored(s os.Signal) bool                  { return signal.Ignored(s) }
func (processSignals) Ignore(s ...os.Signal)                     { signal.Ignore(s...) }
func (processSignals) Notify(c chan<- os.Signal, s ...os.Signal) { signal.Notify(c, s...) }
func (processSignals) Stop(c chan<- os.Signal)                   { signal.Stop(c) }
func (processSignals) Reset(s ...os.Signal)                      { signal.Reset(s...) }

// listen returns a channel that gets the signals that end a step, except those that were
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

// signals returns a context that the first signal ends, with a [outcome.Stop] as its cause; a
// step then still gives its trigger back. Another SIGINT or SIGTERM, more than a
// [signalDebounce] later, kills at once. A repeated SIGHUP never does: nobody sends it by
// hand. What was ignored before (nohup) stays ignored.
//
// SIGTERM is how a pod ends, SIGINT and SIGHUP how a terminal does. SIGPIPE is ignored: a log
// that nobody reads any more is no reason to die in the middle of a freeze.
//
// mayKill is asked before signals may kill: impatience must not end a run that has the
// application quiesced.
func signals(parent context.Context, from signalSource, mayKill func() bool) (context.Context, context.CancelFunc) {
	from.Ignore(syscall.SIGPIPE)
	got := listen(from, 1)
	alive, end := context.WithCancel(parent)
	ctx := cancelOnSignal(alive, got, func() {
		if mayKill() {
			from.Reset(syscall.SIGTERM, syscall.SIGINT)
		}
	})
	return ctx, func() { from.Stop(got); end() }
}

// stopOf returns the signal that ended the context of signals, and whether one did. It waits
// until the context has ended.
func stopOf(ctx context.Context) (outcome.Stop, bool) {
	<-ctx.Done()
	var stop outcome.Stop
	return stop, errors.As(context.Cause(ctx), &stop)
}

// cancelOnSignal returns a context that the first signal got ends, and calls letKill a
// [signalDebounce] later. Later signals are ignored. When alive ends, so does the context, but
// not before it is known whether a signal came first.
func cancelOnSignal(alive context.Context, got <-chan os.Signal, letKill func()) context.Context {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(alive))
	go func() {
		select {
		case s := <-got:
			cancel(stopBy(s))
		case <-alive.Done():
			select {
			case s := <-got:
				cancel(stopBy(s))
			default:
				cancel(nil)
			}
			return
		}
		select {
		case <-time.After(signalDebounce):
			letKill()
		case <-alive.Done():
		}
	}()
	return ctx
}

// catch catches signals that are then no reason to die or to stop. What is caught is not
// inherited by a command, as what is ignored would be.
func (m *program) catch(s ...os.Signal) { m.signals.Notify(make(chan os.Signal, 1), s...) }

// ignoreSecondSignal is for a command that has to let an application go: a second signal does
// not kill it, nor does a broken pipe, and the terminal does not stop it.
func (m *program) ignoreSecondSignal() {
	m.secondSignalIgnored.Store(true)
	m.catch(syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
}
