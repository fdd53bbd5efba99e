//go:build unix

package process

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// outputs are the pipes from a command to writers of this process. The command never waits for
// anybody but this process, as long as the writers do not.
type outputs struct {
	pipes []*output
}

// output is one of them.
type output struct {
	to      io.Writer
	r, w    *os.File
	twin    *os.File      // r, for the command
	pending []byte        // of a line that has not ended
	drained chan struct{} // closed when all that the command itself has said is written
}

// give gives a command what it has for these writers.
func (o *outputs) give(cmd *exec.Cmd, stdout, stderr io.Writer) error {
	var outErr, errErr error
	cmd.Stdout, outErr = o.end(stdout)
	cmd.Stderr, errErr = o.end(stderr)
	cmd.ExtraFiles = o.readers()
	if err := cmp.Or(outErr, errErr); err != nil {
		o.close()
		return err
	}
	return nil
}

// end returns what the command gets for a writer: none or a file as it is, or else a pipe.
func (o *outputs) end(to io.Writer) (io.Writer, error) {
	if _, file := to.(*os.File); file || to == nil {
		return to, nil
	}
	for _, p := range o.pipes {
		if p.to == to { // one pipe, so that the order stays
			return p.w, nil
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	twin, err := duplicate(r)
	if err != nil {
		r.Close()
		w.Close()
		return nil, err
	}
	o.pipes = append(o.pipes, &output{to: to, r: r, w: w, twin: twin, drained: make(chan struct{})})
	return w, nil
}

// duplicate returns another descriptor of r. To hand over r itself would make it one without
// deadlines ([os.File.Fd]).
func duplicate(r *os.File) (twin *os.File, err error) {
	raw, err := r.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) {
		var n int
		if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			twin = os.NewFile(uintptr(n), r.Name())
		}
	})
	return twin, cmp.Or(cerr, err)
}

// readers are the ends to read from. The command inherits them as well: what it leaves running is
// not to die of SIGPIPE when this process has ended, perhaps before it has let the application go.
func (o *outputs) readers() (all []*os.File) {
	for _, p := range o.pipes {
		all = append(all, p.twin)
	}
	return all
}

// started passes on what the command says, until nobody can say anything any more.
func (o *outputs) started() {
	for _, p := range o.pipes {
		p.w.Close()
		p.twin.Close()
		go p.forward()
	}
}

// close closes the pipes of a command that was not started.
func (o *outputs) close() {
	for _, p := range o.pipes {
		p.w.Close()
		p.twin.Close()
		p.r.Close()
	}
}

// drain returns when all is written that the command had said when it ended. What it has left
// running is heard on, and not waited for.
func (o *outputs) drain() {
	for _, p := range o.pipes {
		_ = p.r.SetReadDeadline(time.Unix(1, 0)) // long ago
		<-p.drained
	}
}

const (
	chunk = 32 << 10 // that is read at once

	// longestLine is as much of a line as is kept back until it ends.
	longestLine = 4 << 10

	// fullPipe is more than a command can have said without its being read (pipe-max-size).
	fullPipe = 1 << 20
)

// forward reads, and writes whole lines, so that nothing is written into them.
func (p *output) forward() {
	defer p.r.Close()
	buffer := make([]byte, chunk)
	drained := false
	for {
		n, err := p.r.Read(buffer)
		p.write(buffer[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = p.r.SetReadDeadline(time.Time{})
			err = p.readWhatIsThere(buffer)
			p.flush()
			drained = true
			close(p.drained)
		}
		if err != nil {
			p.flush()
			if !drained {
				close(p.drained)
			}
			return
		}
	}
}

// readWhatIsThere reads without waiting. Its error means that there will be no more.
func (p *output) readWhatIsThere(buffer []byte) error {
	raw, err := p.r.SyscallConn()
	for total := 0; err == nil && total < fullPipe; {
		var n int
		var rerr error
		err = raw.Read(func(fd uintptr) bool {
			n, rerr = unix.Read(int(fd), buffer)
			return true
		})
		switch {
		case err != nil:
		case rerr == unix.EAGAIN:
			return nil
		case rerr == unix.EINTR:
		case rerr != nil:
			err = rerr
		case n == 0:
			err = io.EOF
		default:
			p.write(buffer[:n])
			total += n
		}
	}
	return err
}

func (p *output) write(b []byte) {
	if len(b) == 0 {
		return
	}
	p.pending = append(p.pending, b...)
	end := bytes.LastIndexByte(p.pending, '\n') + 1
	if len(p.pending)-end >= longestLine {
		end = len(p.pending)
	}
	if end > 0 {
		_, _ = p.to.Write(p.pending[:end]) // there is nowhere to say that it failed
		p.pending = append(p.pending[:0], p.pending[end:]...)
	}
}

func (p *output) flush() {
	if len(p.pending) > 0 {
		_, _ = p.to.Write(p.pending)
		p.pending = p.pending[:0]
	}
}
