package recipes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// database is what a ledger can be written to: a server, or a file.
type database interface {
	// client is the command of a client that stays, and answers each line by a line.
	client() []string
	// insert writes a number, and answers a number. To repeat it does no harm.
	insert(n int64) string
	// numbers are how many there are, and the highest.
	numbers(b *bench) (count, highest int64)
}

// session is a client that stays connected.
type session struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func connect(client []string) (*session, error) {
	cmd := command(client...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &session{cmd, in, bufio.NewScanner(out)}, launch()(cmd)
}

var errEnded = errors.New("the session ended")

func (x *session) ask(statement string) (string, error) {
	if _, err := fmt.Fprintln(x.in, statement); err != nil {
		return "", err
	}
	if !x.out.Scan() {
		return "", errEnded
	}
	return x.out.Text(), nil
}

// close ends it; how does not matter to anybody any more.
func (x *session) close() {
	_ = x.in.Close()
	_ = x.cmd.Process.Kill()
	_ = x.cmd.Wait()
}

// ledger is an application that writes numbers, one after the other, each only when the
// one before it has been acknowledged.
type ledger struct {
	b  *bench
	db database

	mu    sync.Mutex
	acked int64
}

func (b *bench) ledger(db database) *ledger {
	b.Helper()
	l := &ledger{b: b, db: db}
	ctx, cancel := context.WithCancel(b.Ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			l.write(ctx, pace)
		}
	}()
	b.Cleanup(func() { cancel(); <-done })
	l.awaitWrites(20)
	return l
}

// write goes on as long as one session does.
func (l *ledger) write(ctx context.Context, pace *time.Ticker) {
	x, err := connect(l.db.client())
	if err != nil {
		return
	}
	defer x.close()
	stop := context.AfterFunc(ctx, func() { _ = x.cmd.Process.Kill() })
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		n := l.last() + 1
		said, err := x.ask(l.db.insert(n))
		if err != nil {
			return
		}
		if _, err := strconv.Atoi(said); err != nil {
			return // refused: again, with another session
		}
		l.mu.Lock()
		l.acked = n
		l.mu.Unlock()
	}
}

// last is the last number that was acknowledged.
func (l *ledger) last() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// awaitWrites waits for some more acknowledged writes: the application runs.
func (l *ledger) awaitWrites(more int64) {
	l.b.Helper()
	from := l.last()
	l.b.Eventually("writes", func() bool { return l.last() >= from+more })
}

// check says what is wrong with the numbers in a copy that has to hold all up to least, and
// none above most.
func check(count, highest, least, most int64) error {
	switch {
	case count != highest:
		return fmt.Errorf("the copy has %d numbers up to %d", count, highest)
	case highest < least:
		return fmt.Errorf("the copy ends with %d, and %d was acknowledged before the freeze", highest, least)
	case highest > most:
		return fmt.Errorf("the copy ends with %d, and so has what was written after %d", highest, most)
	}
	return nil
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		count, highest int64
		want           string
	}{
		{12, 12, ""}, {10, 10, ""}, {15, 15, ""},
		{11, 12, "numbers up to"}, {9, 9, "acknowledged before"}, {16, 16, "written after"}, {0, 0, "acknowledged before"},
	} {
		err := check(c.count, c.highest, 10, 15)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// two reads two numbers.
func (b *bench) two(text string) (first, second int64) {
	b.Helper()
	if _, err := fmt.Sscan(strings.ReplaceAll(text, "|", " "), &first, &second); err != nil {
		b.Fatalf("%q: %v", text, err)
	}
	return first, second
}
