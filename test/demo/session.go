package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// errEnded says that a session ended that somebody wanted to ask something.
var errEnded = errors.New("the session ended")

// session is one psql that stays connected.
type session struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (s *server) session(ctx context.Context) (*session, error) {
	cmd := s.processes.command(ctx, s.path("psql"), s.client("-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres")...)
	x := &session{cmd: cmd}
	var err error
	if x.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting psql: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting psql: %w", err)
	}
	x.out = bufio.NewScanner(out)
	if err := s.processes.start(cmd); err != nil {
		return nil, fmt.Errorf("starting psql: %w", err)
	}
	return x, nil
}

// ask sends SQL whose answer is one line.
func (x *session) ask(sql string) (string, error) {
	if _, err := fmt.Fprintln(x.in, sql); err != nil {
		return "", fmt.Errorf("asking PostgreSQL: %w", err)
	}
	if !x.out.Scan() {
		return "", fmt.Errorf("asking PostgreSQL: %w", errEnded)
	}
	return x.out.Text(), nil
}

// close ends the session; how it ended does not matter to anybody any more.
func (x *session) close() {
	x.in.Close()
	_ = x.cmd.Wait()
}
