package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	queueLimit = 1 << 20     // bytes that wait to be written
	flushLimit = time.Second // how long the end of the program waits for a reader that reads nothing
	flushTotal = 5 * flushLimit
)

// lines is a writer that never makes its caller wait: a log that nobody takes (a full
// pipe, a terminal after Ctrl-S, a collector that hangs) must not hold up a time-out, the
// giving back of a trigger, or a command of the user's that is to unquiesce. Each Write is one
// message, and is written whole.
//
// When too many wait, the oldest are dropped: the last ones say how the command ended.
type lines struct {
	w    io.Writer
	done chan struct{} // closed when all is written and no more will come

	// patience is how long a Write waits for room while w takes nothing; as long as w takes
	// something it waits on, as for any pipe. It is 0 for a log.
	patience time.Duration

	mu      sync.Mutex
	changed sync.Cond // of queue, closed, or the time
	queue   [][]byte
	size    int       // of queue, in bytes
	limit   int       // of size
	moved   time.Time // when w was last ready to take something
	dropped int       // since lost was last written
	lost    func(dropped int) []byte
	closed  bool
}

// newLines returns lines that are written to w. lost returns the message that takes the place
// of dropped ones.
func newLines(w io.Writer, lost func(dropped int) []byte) *lines {
	l := &lines{w: w, done: make(chan struct{}), limit: queueLimit, moved: time.Now(), lost: lost}
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
	for l.size+len(p) > l.limit && l.wait(l.patience-time.Since(l.moved)) {
	}
	for len(l.queue) > 0 && l.size+len(p) > l.limit {
		l.take()
		l.dropped++
	}
	l.queue, l.size = append(l.queue, bytes.Clone(p)), l.size+len(p)
	l.changed.Broadcast()
	return len(p), nil
}

// wait waits for a change, but no longer than limit. It reports false if there is nothing to wait for.
func (l *lines) wait(limit time.Duration) bool {
	if limit <= 0 || len(l.queue) == 0 {
		return false
	}
	defer time.AfterFunc(limit, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	}).Stop()
	l.changed.Wait()
	return true
}

// take takes the oldest from the queue.
func (l *lines) take() (line []byte) {
	line, l.queue = l.queue[0], l.queue[1:]
	l.size -= len(line)
	return line
}

// next waits for a line and returns it. more is false when there will be none.
func (l *lines) next() (line []byte, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.changed.Wait()
	}
	l.moved = time.Now()
	defer l.changed.Broadcast()
	if n := l.dropped; n > 0 {
		l.dropped = 0
		return l.lost(n), true
	}
	if len(l.queue) == 0 {
		return nil, false
	}
	return l.take(), true
}

// flush waits until everything is written, but no longer than limit for a reader that reads
// nothing, and no longer than total. Nothing may be written after it.
func (l *lines) flush(limit, total time.Duration) {
	l.mu.Lock()
	l.closed = true
	l.moved = time.Now()
	l.changed.Broadcast()
	l.mu.Unlock()
	for end := time.Now().Add(total); ; {
		l.mu.Lock()
		left := min(time.Until(l.moved.Add(limit)), time.Until(end))
		l.mu.Unlock()
		if left <= 0 {
			return
		}
		select {
		case <-l.done:
			return
		case <-time.After(left):
		}
	}
}
