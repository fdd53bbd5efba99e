package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// testSignals are the signals of one test, with what os/signal promises about them. No test
// of this package takes those of the process: os/signal hands on what the process gets some
// time later, to whoever listens then, and that may be the next test. Tests with real signals
// are in cmd/copytrigger; each sends them to a process of its own.
type testSignals struct {
	stops   []outcome.Stop
	mu      sync.Mutex
	exited  int // with this code; 0 for not
	ignored map[os.Signal]bool
	to      map[os.Signal][]chan<- os.Signal
}

// withSignals makes signals of which some are ignored from the start.
func withSignals(ignored ...os.Signal) *testSignals {
	s := &testSignals{stops: outcome.Stops(), ignored: map[os.Signal]bool{}, to: map[os.Signal][]chan<- os.Signal{}}
	s.Ignore(ignored...)
	return s
}

func (s *testSignals) Ignored(one os.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ignored[one]
}

func (s *testSignals) Ignore(all ...os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range all {
		s.ignored[one] = true
		delete(s.to, one)
	}
}

func (s *testSignals) Notify(c chan<- os.Signal, all ...os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range all {
		delete(s.ignored, one)
		if !slices.Contains(s.to[one], c) {
			s.to[one] = append(s.to[one], c)
		}
	}
}

func (s *testSignals) Stop(c chan<- os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.to {
		s.to[one] = slices.DeleteFunc(s.to[one], func(other chan<- os.Signal) bool { return other == c })
	}
}

func (s *testSignals) Stops() []outcome.Stop { return s.stops }

func (s *testSignals) Exit(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exited = code
}

func (s *testSignals) hasExited() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exited
}

// send sends a signal, and reports whether it would kill the process.
func (s *testSignals) send(one os.Signal) (kills bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.to[one] {
		select { // as os/signal sends: it never waits
		case c <- one:
		default:
		}
	}
	return len(s.to[one]) == 0 && !s.ignored[one]
}

func TestSignalsEndTheContext(t *testing.T) {
	for s, want := range map[syscall.Signal]outcome.Stop{
		syscall.SIGTERM: {Name: "SIGTERM", Number: 15},
		syscall.SIGINT:  {Name: "SIGINT", Number: 2},
		syscall.SIGHUP:  {Name: "SIGHUP", Number: 1},
		syscall.SIGQUIT: {Name: "SIGQUIT", Number: 3},

		// What images name as STOPSIGNAL, in a container.
		syscall.Signal(10): {Name: "SIGUSR1", Number: 10},
		syscall.Signal(12): {Name: "SIGUSR2", Number: 12},
		syscall.Signal(28): {Name: "SIGWINCH", Number: 28},
		syscall.Signal(37): {Name: "SIGRTMIN+3", Number: 37},
	} {
		t.Run(want.Name, func(t *testing.T) {
			from := withSignals()
			from.stops = stopsFor(true, false)
			ctx, stop := signals(t.Context(), from, func() bool { return true })
			defer stop()
			if from.send(s) {
				t.Fatal("it kills")
			}
			<-ctx.Done()
			if got := context.Cause(ctx); !errors.Is(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestNoSignalNoCause(t *testing.T) {
	ctx, stop := signals(t.Context(), withSignals(), func() bool { return true })
	stop()
	<-ctx.Done()
	if got := (outcome.Stop{}); errors.As(context.Cause(ctx), &got) {
		t.Errorf("got %v without a signal", got)
	}
}

// nohup means what it says.
func TestIgnoredHangupStaysIgnored(t *testing.T) {
	from := withSignals(syscall.SIGHUP)
	ctx, stop := signals(t.Context(), from, func() bool { return true })
	defer stop()
	if !from.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP is not ignored any more")
	}
	if ctx.Err() != nil {
		t.Error(ctx.Err())
	}
	from.send(syscall.SIGHUP)
	from.send(syscall.SIGTERM)
	<-ctx.Done()
	if want := (outcome.Stop{Name: "SIGTERM", Number: 15}); !errors.Is(context.Cause(ctx), want) {
		t.Errorf("got %v, want %v", context.Cause(ctx), want)
	}
}

// A signal that is no end elsewhere is one only where a container runtime sends it.
func TestStopsFor(t *testing.T) {
	has := func(stops []outcome.Stop, s syscall.Signal) bool {
		return slices.ContainsFunc(stops, func(stop outcome.Stop) bool { return stop.Number == int(s) })
	}
	for name, c := range map[string]struct {
		byRuntime, terminal bool
		usr1, winch         bool
	}{
		"started by a shell":            {},
		"at a terminal":                 {terminal: true},
		"in a container":                {byRuntime: true, usr1: true, winch: true},
		"in a container, at a terminal": {byRuntime: true, terminal: true, usr1: true},
	} {
		got := stopsFor(c.byRuntime, c.terminal)
		if has(got, syscall.Signal(10)) != c.usr1 || has(got, syscall.Signal(28)) != c.winch {
			t.Errorf("%s: got %v", name, got)
		}
		if !has(got, syscall.SIGTERM) || !has(got, syscall.SIGQUIT) {
			t.Errorf("%s: SIGTERM and SIGQUIT are missing in %v", name, got)
		}
	}
}

// A second signal kills, except a run that has an application quiesced. A broken pipe never does.
func TestWhatKills(t *testing.T) {
	for name, may := range map[string]bool{"impatience": true, "an application is quiesced": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from := withSignals()
				_, stop := signals(t.Context(), from, func() bool { return may })
				defer stop()
				from.send(syscall.SIGTERM)
				time.Sleep(signalDebounce)
				synctest.Wait()
				from.send(syscall.SIGHUP)
				from.send(syscall.SIGPIPE)
				synctest.Wait()
				if got := from.hasExited(); got != 0 {
					t.Errorf("SIGHUP or SIGPIPE ended it with %d", got)
				}
				from.send(syscall.SIGTERM)
				synctest.Wait()
				// Not 143, which says that nothing was fired.
				if got := from.hasExited(); (got == 137) != may || (got == 0) == may {
					t.Errorf("SIGTERM: ended with %d, want 137: %v", got, may)
				}
			})
		})
	}
}

// One hangup may arrive many times, and must not kill in the middle of taking back.
func TestRepeatedSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, end := context.WithCancel(t.Context())
		got, mayKill := make(chan os.Signal, 1), atomic.Bool{}
		ctx := cancelOnSignal(alive, got, func() { mayKill.Store(true) })
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
		if want := (outcome.Stop{Name: "SIGHUP", Number: 1}); !errors.Is(context.Cause(ctx), want) {
			t.Errorf("got %v, want %v", context.Cause(ctx), want)
		}
		time.Sleep(signalDebounce - 1)
		synctest.Wait()
		if mayKill.Load() {
			t.Errorf("a signal kills %s after the first", signalDebounce-1)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !mayKill.Load() {
			t.Errorf("a signal does not kill %s after the first", signalDebounce)
		}
		end()
	})
}

// What is over changes no signals any more.
func TestSignalsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, end := context.WithCancel(t.Context())
		got := make(chan os.Signal, 1)
		ctx := cancelOnSignal(alive, got, func() { t.Error("signals were let kill") })
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
	from := withSignals()
	m := newProgram(io.Discard, io.Discard, from)
	if code := m.main([]string{"copytrigger", "--version"}, "v1"); code != 0 {
		t.Errorf("got code %d", code)
	}
	for _, stop := range outcome.Stops() {
		if s := syscall.Signal(stop.Number); from.send(s) {
			t.Errorf("%s kills", s)
		}
	}
}
