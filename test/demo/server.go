package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresPrograms are PostgreSQL's programs, all of one version.
type postgresPrograms struct {
	dir     string
	version string
}

func (p postgresPrograms) path(name string) string { return filepath.Join(p.dir, name) }

func (p postgresPrograms) has(name string) bool {
	info, err := os.Stat(p.path(name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// findPostgres looks in PATH and where distributions hide the server's programs, newest
// version first.
func findPostgres() (postgresPrograms, error) {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(initdb))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return postgresPrograms{}, fmt.Errorf("looking for PostgreSQL: %w", err)
		}
		slices.SortFunc(found, func(a, b string) int { return number(b) - number(a) })
		dirs = append(dirs, found...)
	}
	needed := []string{"initdb", "postgres", "pg_ctl", "pg_isready", "psql", "pgbench"}
	for _, dir := range dirs {
		p := postgresPrograms{dir: dir}
		if slices.ContainsFunc(needed, func(name string) bool { return !p.has(name) }) {
			continue
		}
		out, err := exec.Command(p.path("postgres"), "--version").Output()
		if err != nil {
			continue
		}
		// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
		if words := strings.Fields(string(out)); len(words) > 2 {
			p.version = words[2]
		}
		return p, nil
	}
	return postgresPrograms{}, fmt.Errorf("looking for PostgreSQL: no directory has all of %s", strings.Join(needed, ", "))
}

// number is the first number in a path, so that version 15 is newer than 9.
func number(path string) int {
	n, err := strconv.Atoi(regexp.MustCompile(`[0-9]+`).FindString(path))
	if err != nil {
		return 0
	}
	return n
}

// server is a PostgreSQL on a data directory, reached through a unix socket only.
type server struct {
	postgresPrograms
	processes *runner // with PGDATA
	data      string
	socket    string // directory
	log       string
	settings  []string // name=value, over those in the data directory

	process *exec.Cmd
	ended   chan struct{}
	err     error // how it ended; read after ended
}

func (s *server) startCommand() []string {
	args := []string{"postgres"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	return args
}

func (s *server) stopCommand() []string {
	return []string{"pg_ctl", "stop", "-m", "fast", "-w", "-t", "180"}
}

// start returns once the server answers. It runs as our own child, so that it cannot be
// left behind.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	defer log.Close()
	// Not ended by ctx: SIGTERM would make it wait for its clients to go.
	args := s.startCommand()
	cmd := s.processes.command(context.Background(), s.path(args[0]), args[1:]...)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT // at once, and in order
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.processes.start(cmd); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	ended := make(chan struct{})
	s.process, s.ended = cmd, ended
	go func() {
		s.err = cmd.Wait()
		close(ended)
	}()
	return s.ready(ctx)
}

func (s *server) ready(ctx context.Context) error {
	const limit = 3 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it does not answer within %s", limit))
	defer cancel()
	for {
		_, err := s.processes.run(ctx, s.path("pg_isready"), "-q", "-h", s.socket, "-d", "postgres", "-U", "postgres")
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("starting PostgreSQL: %s", s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("starting PostgreSQL: %w", context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stopClean stops the server as for a restart: everything is in the files afterwards.
// That it ended so is checked, for a copy of the files relies on it.
func (s *server) stopClean(ctx context.Context) error {
	args := s.stopCommand()
	if _, err := s.processes.run(ctx, s.path(args[0]), args[1:]...); err != nil {
		return err
	}
	<-s.ended
	if s.err != nil {
		return fmt.Errorf("stopping PostgreSQL: it did not end cleanly: %w", s.err)
	}
	return nil
}

// kill ends the server at once, if it runs.
func (s *server) kill() {
	if s.process == nil {
		return
	}
	// An immediate shutdown, which gives its shared memory back.
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.process.Process.Kill()
		<-s.ended
	}
}

// lastWords is why the server ended, from its log.
func (s *server) lastWords() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	var why []string
	for line := range strings.Lines(string(text)) {
		if _, what, ok := strings.Cut(line, "FATAL:"); ok {
			why = append(why, "FATAL: "+strings.TrimSpace(what))
		} else if _, what, ok := strings.Cut(line, "PANIC:"); ok {
			why = append(why, "PANIC: "+strings.TrimSpace(what))
		}
	}
	if len(why) == 0 {
		return lastLines(string(text), 3)
	}
	return strings.Join(why, "; ")
}

// client are a client program's arguments to reach the server.
func (s *server) client(args ...string) []string {
	return append([]string{"-h", s.socket, "-U", "postgres"}, args...)
}

// query asks one thing and returns the answer, fields separated by "|".
func (s *server) query(ctx context.Context, sql string) (string, error) {
	return s.processes.run(ctx, s.path("psql"), s.client("-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql)...)
}

// alive tells whether the server has not ended.
func (s *server) alive() error {
	select {
	case <-s.ended:
		return errors.New("PostgreSQL has ended: " + s.lastWords())
	default:
		return nil
	}
}
