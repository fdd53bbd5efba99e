package cluster

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// ticker shows that something long is going on: a running clock on a terminal, now and
// then a line elsewhere.
type ticker struct {
	out      io.Writer
	what     string
	terminal bool
	begun    time.Time
	end      chan struct{}
	ended    sync.WaitGroup
	once     sync.Once
}

func startTicker(out io.Writer, what string) *ticker {
	t := &ticker{out: out, what: what, terminal: isTerminal(out), begun: time.Now(), end: make(chan struct{})}
	every := 15 * time.Second
	if t.terminal {
		every = time.Second
	}
	t.show()
	t.ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-t.end:
				return
			case <-tick.C:
				t.show()
			}
		}
	})
	return t
}

func (t *ticker) show() {
	if t.terminal {
		fmt.Fprintf(t.out, "\r%s (%s) ", t.what, round(time.Since(t.begun)))
		return
	}
	fmt.Fprintf(t.out, "%s (%s)\n", t.what, round(time.Since(t.begun)))
}

// stop ends the ticker wherever it is; done says that the work was.
func (t *ticker) stop() {
	t.once.Do(func() {
		close(t.end)
		t.ended.Wait()
		if t.terminal {
			fmt.Fprintln(t.out)
		}
	})
}

func (t *ticker) done() {
	t.once.Do(func() {
		close(t.end)
		t.ended.Wait()
		if t.terminal {
			fmt.Fprint(t.out, "\r")
		}
		fmt.Fprintf(t.out, "%s: %s\n", t.what, round(time.Since(t.begun)))
	})
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
