package quiesce

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/process"
)

// ErrNotHeld says that the application was not quiesced until it was let go.
var ErrNotHeld = errors.New("the application was not quiesced until the end")

// endGrace is how long a hold has at least to end after its stdin was closed.
const endGrace = 10 * time.Second

// lastWords is how long what the command has said at its end may take to be passed on: what
// it has left running may keep its stdout open for ever.
const lastWords = time.Second

// Hold quiesces an application by one command that runs as long as the application is to be
// quiesced: for locks that live as long as a client's session. It says a line when it has
// the lock, and ends when its stdin does. How it ends is the proof that it had the lock all
// the time: with 0, or not.
//
// It dies with this process, however that dies: its stdin ends, and it gets SIGTERM.
type Hold struct {
	command process.Command
	ready   string

	said  chan struct{} // closed when the line has been said
	ended chan struct{} // closed when it has ended, and what it said is passed on
	lost  chan error

	process *process.Process
	stdin   io.Closer
	limit   time.Time // of the freeze
}

// NewHold makes a hold of a command, whose own Stdin and Stdout are not used: what it says
// goes to out, a line each Write. ready is the line that says that it has the lock.
func NewHold(c process.Command, ready string, out io.Writer) *Hold {
	c.Bound, c.Stdout = true, out
	return &Hold{
		command: c, ready: ready,
		said: make(chan struct{}), ended: make(chan struct{}), lost: make(chan error, 1),
	}
}

// Quiesce starts the command, and returns when it says that it has the lock.
func (h *Hold) Quiesce(ctx context.Context) error {
	if err := h.start(); err != nil {
		return err
	}
	h.limit, _ = ctx.Deadline()
	select {
	case <-h.said:
		return nil
	case <-h.ended:
	case <-ctx.Done():
		if !h.process.End() {
			return h.unended()
		}
		<-h.ended
	}
	select {
	case <-h.said: // and ended in the same moment
		return nil
	default:
		return fmt.Errorf("%w before it said %q", h.exitError(), h.ready)
	}
}

// exitError describes an exit that nobody asked for.
func (h *Hold) exitError() error {
	if err := h.command.Failure(h.process.Code()); err != nil {
		return err
	}
	return fmt.Errorf("%s ended", process.Name(h.command.Args))
}

// unended is about a command that SIGKILL does not end: the kernel has it.
func (h *Hold) unended() error {
	return fmt.Errorf("%s could not be ended", process.Name(h.command.Args))
}

// start starts the command, between a pipe to its stdin and one from its stdout.
func (h *Hold) start() error {
	stdin, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	r, stdout, err := os.Pipe()
	if err != nil {
		w.Close()
		return err
	}
	defer stdout.Close()
	c := h.command
	c.Stdin, c.Stdout = stdin, stdout
	p, err := c.Start()
	if err != nil {
		w.Close()
		r.Close()
		return c.NotRun(err)
	}
	h.process, h.stdin = p, w
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		h.listen(r)
	}()
	go func() {
		<-h.process.Over()
		h.lost <- fmt.Errorf("%w early", h.exitError())
		select {
		case <-heard:
		case <-time.After(lastWords):
		}
		close(h.ended)
	}()
	return nil
}

// longestLine is as much of a line as is looked at, and passed on in one piece.
const longestLine = 4 << 10

// listen passes on what the command says, to its end, and notices the line. What it has left
// running may go on to say something; so this ends with the process, at the latest.
func (h *Hold) listen(r *os.File) {
	defer r.Close()
	lines, whole, said := bufio.NewReaderSize(r, longestLine), true, false
	for {
		line, err := lines.ReadSlice('\n')
		ends := err == nil || err == io.EOF
		if !said && whole && ends && strings.TrimSpace(string(line)) == h.ready {
			said = true
			close(h.said)
		}
		whole = ends
		if len(line) > 0 {
			_, _ = h.command.Stdout.Write(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// Lost gives an error when the command has ended.
func (h *Hold) Lost() <-chan error { return h.lost }

// Unquiesce closes the command's stdin, and waits for its end. One that does not end in
// time, the limit of the freeze or [endGrace], is killed, and its lock ends with it. If it
// cannot be killed it may have its lock still. Nobody is asked whether it may: a session's lock is
// its own.
func (h *Hold) Unquiesce(ctx context.Context, _ func(context.Context) error) error {
	select {
	case <-h.said:
	default:
		if h.process != nil && !h.process.IsOver() && !h.process.End() {
			return h.unended()
		}
		return nil // it never had the lock
	}
	if h.process.HasEnded() {
		<-h.process.Over()
		return fmt.Errorf("%w: %w early", ErrNotHeld, h.exitError())
	}
	_ = h.stdin.Close()
	ctx, cancel := context.WithTimeout(ctx, max(time.Until(h.limit), endGrace))
	defer cancel()
	select {
	case <-h.ended:
		if err := h.command.Failure(h.process.Code()); err != nil {
			return fmt.Errorf("%w: %w", ErrNotHeld, err)
		}
		return nil
	case <-ctx.Done():
		if !h.process.End() {
			return h.unended()
		}
		return fmt.Errorf("%w: %s did not end when its stdin did, and was killed", ErrNotHeld, process.Name(h.command.Args))
	}
}

// UnquiesceIsScoped reports true: a session's lock is its own.
func (h *Hold) UnquiesceIsScoped() bool { return true }
