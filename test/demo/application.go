package main

import (
	"context"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// application is what writes to the volume. It keeps a ledger there among other things.
type application interface {
	// describe is what it is and does, in lines.
	describe() []string
	// environment is what the commands of quiesce and unquiesce expect, as NAME=value.
	environment() []string
	// pace is how slowly the storage has to copy this application's files so that a
	// copy takes some seconds.
	pace() pace.Pace
	// start makes its data on the volume and begins to write.
	start(ctx context.Context, volume string) error
	// quiesce makes the files of the volume right for a copy of any kind, and keeps
	// them so until unquiesce. Its clients go on trying.
	quiesce(ctx context.Context) error
	unquiesce(ctx context.Context) error
	// written is the ledger as its writer knows it.
	written() *ledger
	// examine looks at a copy of the volume's contents. An error means that it could
	// not be looked at, not that something was wrong with it.
	examine(ctx context.Context, name, volume string, b bounds) (examination, error)
	// stop ends it for good.
	stop()
}

// newApplication chooses one.
func newApplication(kind string, s *story, w *workspace) (application, error) {
	if kind == "files" {
		return newFiles(), nil
	}
	programs, err := findPostgres()
	if err == nil {
		return newPostgres(s, w, programs), nil
	}
	if kind == "postgres" {
		return nil, err
	}
	s.note("No PostgreSQL here ("+err.Error()+"),", "so a small built-in writer takes its place.")
	return newFiles(), nil
}

// progress waits until the application has written so many more entries.
func progress(ctx context.Context, app application, more int) error {
	const limit = 3 * time.Minute
	l := app.written()
	enough, end := l.now().least+more, time.Now().Add(limit)
	for l.now().least < enough {
		if time.Now().After(end) {
			return fmt.Errorf("waiting for the application to write: not %d entries within %s", more, limit)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the application to write: %w", err)
		}
	}
	return nil
}

// sleep is time.Sleep that ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// again does work over and over until ctx ends: after a failure once more, a little
// later, as clients of a server that is away do.
func again(ctx context.Context, work func(context.Context) error, failed func()) {
	const pause = 100 * time.Millisecond
	for ctx.Err() == nil {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			failed()
		}
		if err := sleep(ctx, pause); err != nil {
			return
		}
	}
}
