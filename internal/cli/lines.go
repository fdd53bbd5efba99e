package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	queueLimit = 1000        // lines that wait to be written
	flushLimit = time.Second // how long the end of the program waits for them
)

// lines is a writer that never makes its caller wait: a log that nobody takes (a full
// pipe, a terminal after Ctrl-S, a collector that hangs) must not hold up a time-out or
// the giving back of a trigger. Each Write is one message, and is written whole.
//
// When too many wait, the oldest are dropped: the last ones say how the command ended.
type lines struct {
	w    io.Writer
	done chan struct{} // closed when all is written and no more will come

	mu      sync.Mutex
	changed sync.Cond // of queue or closed
	queue   [][]byte
	dropped int // since lost was last written
	lost    func(dropped int) []byte
	closed  bool
}

// newLines returns lines that are written to w. lost returns the message that takes the place
// of dropped ones.
func newLines(w io.Writer, lost func(dropped int) []byte) *lines {
	l := &lines{w: w, done: make(chan struct{}), lost: lost}
	l.changed.L = &l.mu
	go func() {
		defer close(l.done)
		for {
			line, more := l.next()
			if !more {
				return
			}
			_, _ = l.w.Write(line) // there is nowhere left to say that it failed
		}
	}()
	return l
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == queueLimit {
		l.queue = l.queue[1:]
		l.dropped++
	}
	l.queue = append(l.queue, bytes.Clone(p))
	l.changed.Signal()
	return len(p), nil
}

// next waits for a line and returns it. more is false when there will be none.
func (l *lines) next() (line []byte, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.changed.Wait()
	}
	if n := l.dropped; n > 0 {
		l.dropped = 0
		return l.lost(n), true
	}
	if len(l.queue) == 0 {
		return nil, false
	}
	line, l.queue = l.queue[0], l.queue[1:]
	return line, true
}

// flush waits until everything is written, but no longer than limit. Nothing may be written
// after it.
func (l *lines) flush(limit time.Duration) {
	l.mu.Lock()
	l.closed = true
	l.changed.Signal()
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(limit):
	}
}
