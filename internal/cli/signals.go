package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// signalDebounce is how long after the first signal all others are ignored. One hangup or one
// Ctrl-C may arrive twice: from the terminal, and again from the shell or whatever started us.
const signalDebounce = time.Second

// stopBy returns the stop that a signal of [listen] means.
func stopBy(s os.Signal) outcome.Stop {
	for _, stop := range slices.Concat(outcome.Stops(), outcome.ImageStops()) {
		if syscall.Signal(stop.Number) == s {
			return stop
		}
	}
	return outcome.Stop{Name: s.String()}
}

// signalSource is where signals come from: those of the process, or those of a test. Package
// os/signal says what those of its methods do.
type signalSource interface {
	Ignored(s os.Signal) bool
	Ignore(s ...os.Signal)
	Notify(c chan<- os.Signal, s ...os.Signal)
	Stop(c chan<- os.Signal)
	// Stops are the signals that end a step here.
	Stops() []outcome.Stop
	// Exit ends the process at once.
	Exit(code int)
}

// processSignals are the signals of this process. A process has them only once: a test that
// takes them may get one that another test has sent.
type processSignals struct{}

func (processSignals) Ignored(s os.Signal) bool                  { return signal.Ignored(s) }
func (processSignals) Ignore(s ...os.Signal)                     { signal.Ignore(s...) }
func (processSignals) Notify(c chan<- os.Signal, s ...os.Signal) { signal.Notify(c, s...) }
func (processSignals) Stop(c chan<- os.Signal)                   { signal.Stop(c) }
func (processSignals) Exit(code int)                             { os.Exit(code) }

func (processSignals) Stops() []outcome.Stop { return stopsFor(os.Getppid() == 0, hasTerminal()) }

// stopsFor returns the signals that end a step. A container runtime sends the one that the image
// names; whoever it has started has no parent that can be seen: process 1, or, where the
// containers of a pod share their processes, one beside it. At a terminal SIGWINCH says that the
// window has another size.
func stopsFor(byRuntime, terminal bool) []outcome.Stop {
	if !byRuntime {
		return outcome.Stops()
	}
	return slices.DeleteFunc(slices.Concat(outcome.Stops(), outcome.ImageStops()), func(s outcome.Stop) bool {
		return terminal && s.Name == "SIGWINCH"
	})
}

// hasTerminal reports whether a terminal controls the process.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err == nil {
		tty.Close()
	}
	return err == nil
}

// listen returns a channel that gets the signals that end a step, except those that were
// ignored before.
func listen(from signalSource, room int) chan os.Signal {
	got := make(chan os.Signal, room)
	for _, stop := range from.Stops() {
		s := syscall.Signal(stop.Number)
		if !from.Ignored(s) {
			from.Notify(got, s)
		}
	}
	return got
}

// killedCode is the exit code of a program that SIGKILL ends. A second signal ends this one with
// it: 128 and the number of that signal would say that nothing was fired.
const killedCode = 128 + int(syscall.SIGKILL)

// signals returns a context that the first signal ends, with a [outcome.Stop] as its cause; a
// step then still gives its trigger back. Another SIGINT, SIGQUIT or SIGTERM, more than a
// [signalDebounce] later, ends the process at once. Any other never does: nobody sends it by
// hand. What was ignored before (nohup) stays ignored.
//
// SIGPIPE is ignored: a log that nobody reads any more is no reason to die in the middle of a
// freeze.
//
// mayKill is asked before signals may kill: impatience must not end a run that has the
// application quiesced.
func signals(parent context.Context, from signalSource, mayKill func() bool) (context.Context, context.CancelFunc) {
	from.Ignore(syscall.SIGPIPE)
	got := listen(from, 1)
	alive, end := context.WithCancel(parent)
	ctx := cancelOnSignal(alive, got, func() {
		if mayKill() {
			kill := make(chan os.Signal, 1)
			from.Notify(kill, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
			go func() {
				select {
				case <-kill:
					from.Exit(killedCode)
				case <-alive.Done():
					from.Stop(kill)
				}
			}()
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
	m.catch(append(terminalStops(), syscall.SIGPIPE)...)
}
