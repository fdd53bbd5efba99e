package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// postgres is the application that people mean: a PostgreSQL with its data directory on
// the volume, a bank's load on it (pgbench) and a ledger.
type postgres struct {
	story     *story
	workspace *workspace
	programs  postgresPrograms
	processes *runner
	server    *server
	ledger    ledger
	amcheck   bool // its extension is there

	cancel context.CancelFunc
	load   sync.WaitGroup
}

// checkpointEvery is how often the server is asked for a checkpoint. By itself it makes
// one every few minutes, and a copy of a real database takes longer than that; this copy
// takes seconds, so its minutes are made as short.
const checkpointEvery = 200 * time.Millisecond

func newPostgres(s *story, w *workspace, programs postgresPrograms) *postgres {
	return &postgres{
		story: s, workspace: w, programs: programs, cancel: func() {},
		processes: newRunner(w.dir, w.credential),
	}
}

func (p *postgres) describe() []string {
	return []string{
		"PostgreSQL " + p.programs.version + " has its data directory on the claim's volume. " +
			"It runs as " + p.workspace.user + ".",
		"pgbench moves money 150 times a second, another client writes a ledger and remembers what was",
		"acknowledged. A checkpoint every " + checkpointEvery.String() + " stands for the one that comes every few minutes:",
		"a copy of a real database takes minutes, too.",
	}
}

func (p *postgres) environment() []string {
	return []string{"PATH=" + p.programs.dir + ":$PATH", "PGDATA=" + p.server.data, "PGHOST=" + p.server.socket}
}

// pace makes a copy of the thousand files of a fresh database take about three seconds.
func (p *postgres) pace() pace.Pace { return pace.Pace{FilePause: 3 * time.Millisecond} }

func (p *postgres) start(ctx context.Context, volume string) error {
	data := filepath.Join(volume, "pgdata")
	_, err := p.processes.run(ctx, p.programs.path("initdb"), "-D", data, "-U", "postgres", "-A", "trust",
		"--data-checksums", "--no-sync", "--locale=C", "--encoding=UTF8")
	if err != nil {
		return err
	}
	if p.server, err = p.newServer("live", data); err != nil {
		return err
	}
	// Nobody pulls a plug here, and a copy reads what was written whether or not it is on
	// the disk yet: fsync changes nothing for it.
	err = configure(data, "listen_addresses=''", "unix_socket_directories='"+p.server.socket+"'",
		"fsync=off", "shared_buffers=32MB", "min_wal_size=32MB", "max_wal_size=128MB")
	if err != nil {
		return err
	}
	if err := p.server.start(ctx); err != nil {
		return err
	}
	if _, err := p.server.query(ctx, "CREATE TABLE ledger (entry int PRIMARY KEY, filler text)"); err != nil {
		return err
	}
	if p.programs.has("pg_amcheck") {
		// Not installed with every server; then one check less is made.
		_, err := p.server.query(ctx, "CREATE EXTENSION amcheck")
		p.amcheck = err == nil
	}
	_, err = p.processes.run(ctx, p.programs.path("pgbench"), p.server.client("-i", "-q", "-s", "1", "postgres")...)
	if err != nil {
		return err
	}
	p.begin()
	return nil
}

// configure adds settings to those of a data directory.
func configure(data string, settings ...string) error {
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	_, err = fmt.Fprintf(f, "\n%s\n", strings.Join(settings, "\n"))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configuring PostgreSQL: %w", err)
	}
	return nil
}

// newServer makes the folders of a server.
func (p *postgres) newServer(name, data string, settings ...string) (*server, error) {
	socket, err := p.workspace.private(name)
	if err != nil {
		return nil, err
	}
	return &server{
		postgresPrograms: p.programs, processes: p.processes.with("PGDATA=" + data), data: data, socket: socket,
		log: filepath.Join(p.workspace.dir, name+".log"), settings: settings,
	}, nil
}

// begin lets the clients work. They go on trying while the server is away.
func (p *postgres) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	ignore := func() {}
	p.load.Go(func() { again(ctx, p.bank, ignore) })
	p.load.Go(func() { again(ctx, p.checkpoints, ignore) })
	p.load.Go(func() { again(ctx, p.entries, p.ledger.refuse) })
}

func (p *postgres) bank(ctx context.Context) error {
	_, err := p.processes.run(ctx, p.programs.path("pgbench"),
		p.server.client("-n", "-c", "4", "--rate", "150", "-T", "3600", "postgres")...)
	return err
}

func (p *postgres) checkpoints(ctx context.Context) error {
	x, err := p.server.session(ctx)
	if err != nil {
		return err
	}
	defer x.close()
	for {
		if _, err := x.ask("CHECKPOINT; SELECT 'done';"); err != nil {
			return err
		}
		if err := sleep(ctx, checkpointEvery); err != nil {
			return err
		}
	}
}

// entries writes the ledger. An entry is asked for again after a failure, for it may
// have been made without our being told.
func (p *postgres) entries(ctx context.Context) error {
	x, err := p.server.session(ctx)
	if err != nil {
		return err
	}
	defer x.close()
	for {
		n := p.ledger.next()
		_, err := x.ask(fmt.Sprintf("INSERT INTO ledger VALUES (%d, repeat('.', 300)) "+
			"ON CONFLICT (entry) DO UPDATE SET entry = excluded.entry RETURNING entry;", n))
		if err != nil {
			return err
		}
		p.ledger.done(n)
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func (p *postgres) quiesce(ctx context.Context) error {
	p.story.command(p.server.stopCommand()...)
	return p.server.stopClean(ctx)
}

func (p *postgres) unquiesce(ctx context.Context) error {
	if p.server.alive() == nil {
		return nil // it was never stopped
	}
	// In the background, and then until it answers.
	p.story.event(cyan, "", "$ "+shellLine(p.server.startCommand())+" & until pg_isready; do sleep 0.02; done")
	return p.server.start(ctx)
}

func (p *postgres) written() *ledger { return &p.ledger }

func (p *postgres) stop() {
	p.cancel()
	p.load.Wait()
	if p.server != nil {
		p.server.kill()
	}
	p.processes.close()
}

// examine starts a second server on a copy of the copy, and asks it what it found.
func (p *postgres) examine(ctx context.Context, name, volume string, b bounds) (all examination, err error) {
	home, err := p.workspace.private(name + "-data")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(home, "pgdata")
	if _, err := p.processes.run(ctx, "cp", "-a", filepath.Join(volume, "pgdata"), data); err != nil {
		return nil, err
	}
	// The number in it means nothing elsewhere, and would be that of a living process here.
	if _, err := p.processes.run(ctx, "rm", "-f", filepath.Join(data, "postmaster.pid")); err != nil {
		return nil, err
	}
	s, err := p.newServer(name, data, "autovacuum=off", "restart_after_crash=off")
	if err != nil {
		return nil, err
	}
	s.settings = append(s.settings, "unix_socket_directories="+s.socket)
	defer s.kill()
	x := postgresExam{server: s, bounds: b, amcheck: p.amcheck}
	all = x.all(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("examining the copy: %w", context.Cause(ctx))
	}
	if len(all) == 0 {
		return nil, errors.New("examining the copy: nothing was checked")
	}
	return all, nil
}
