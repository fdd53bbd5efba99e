package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/copytrigger/copytrigger/internal/step"
)

// redraw is how often a terminal's last line is drawn again.
const redraw = 200 * time.Millisecond

// live is a log for people at a terminal. Its last line shows what is being waited for, and for
// how long the application has been frozen; waiting makes no lines of its own.
type live struct {
	w     io.Writer
	width func() int
	times *step.Timeline
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	status string // what is being waited for; "" for nothing
	drawn  bool
}

// show makes the log live if stderr is a terminal. The caller ends what it returns.
func (m *program) show(times *step.Timeline) *live {
	terminal, is := m.rawStderr.(*os.File)
	if is {
		is = term.IsTerminal(int(terminal.Fd()))
	}
	l := &live{w: m.stderr, times: times, stop: make(chan struct{})}
	if !is || *m.format.Load() != "text" {
		return l
	}
	l.width = func() int {
		columns, _, err := term.GetSize(int(terminal.Fd()))
		if err != nil || columns == 0 {
			return 80
		}
		return columns
	}
	m.log = newLog(l, "text")
	l.ended.Go(l.run)
	return l
}

func (l *live) run() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		}
	}
}

// end takes the last line away.
func (l *live) end() {
	close(l.stop)
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = ""
	l.clear()
}

const waitingFor = "copytrigger: waiting: "

// Write takes one message. Any other message ends the wait before it; and the last line is
// not drawn while a command of the user's may be writing.
func (l *live) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if status, is := bytes.CutPrefix(p, []byte(waitingFor)); is {
		l.status = string(bytes.TrimSpace(status))
		l.draw()
		return len(p), nil
	}
	l.status = ""
	l.clear()
	return l.w.Write(p)
}

func (l *live) clear() {
	if l.drawn {
		_, _ = io.WriteString(l.w, "\r\x1b[K")
		l.drawn = false
	}
}

func (l *live) draw() {
	if l.status == "" {
		return
	}
	text := "waiting: " + l.status
	if since, frozen := l.times.Frozen(); frozen {
		text = fmt.Sprintf("frozen for %s: %s", time.Since(since).Round(100*time.Millisecond), text)
	}
	if runes := []rune(text); len(runes) >= l.width() {
		text = string(runes[:max(l.width()-2, 0)]) + "…"
	}
	_, _ = io.WriteString(l.w, "\r"+text+"\x1b[K")
	l.drawn = true
}

// logDurations logs how long each part of the run took.
func (m *program) logDurations(times *step.Timeline) {
	width := 0
	for _, span := range times.Spans() {
		width = max(width, len([]rune(span.Label)))
	}
	for _, span := range times.Spans() {
		if span.Reached {
			line := fmt.Sprintf("%-*s %10s", width, span.Label, span.Took.Round(time.Millisecond))
			m.log.Info(line, span.Name, span.Took.Seconds())
		}
	}
}
