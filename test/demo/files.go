package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// files is the application where there is no database: it writes each entry of a ledger
// to two files, the second after the first, and keeps them equal.
type files struct {
	ledger  ledger
	writing sync.Mutex // held while an entry is written, and in the freeze
	cancel  context.CancelFunc
	ended   sync.WaitGroup

	mu     sync.Mutex
	failed error
}

func newFiles() *files { return &files{cancel: func() {}} }

func (f *files) names() []string { return []string{"first.log", "second.log"} }

func (f *files) describe() []string {
	return []string{
		"A built-in writer appends each entry of a ledger to first.log and then to second.log,",
		"some hundred a second. Between two entries the files are equal, and quiesced it rests there.",
	}
}

func (f *files) environment() []string { return nil }

// pace lets seconds pass between the two files.
func (f *files) pace() pace.Pace { return pace.Pace{FilePause: 2 * time.Second} }

func (f *files) start(_ context.Context, volume string) error {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	var open []*os.File
	for _, name := range f.names() {
		file, err := os.OpenFile(filepath.Join(volume, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return fmt.Errorf("starting the writer: %w", err)
		}
		open = append(open, file)
	}
	f.ended.Go(func() {
		for _, file := range open {
			defer file.Close()
		}
		for sleep(ctx, 2*time.Millisecond) == nil {
			if err := f.entry(open); err != nil {
				f.mu.Lock()
				f.failed = err
				f.mu.Unlock()
				return
			}
		}
	})
	return nil
}

func (f *files) entry(open []*os.File) error {
	if !f.writing.TryLock() {
		f.ledger.refuse()
		time.Sleep(50 * time.Millisecond)
		return nil
	}
	defer f.writing.Unlock()
	n := f.ledger.next()
	for _, file := range open {
		if _, err := fmt.Fprintf(file, "%d\n", n); err != nil {
			return fmt.Errorf("writing entry %d: %w", n, err)
		}
	}
	f.ledger.done(n)
	return nil
}

func (f *files) quiesce(context.Context) error {
	f.writing.Lock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *files) unquiesce(context.Context) error {
	f.writing.Unlock()
	return nil
}

func (f *files) written() *ledger { return &f.ledger }

func (f *files) examine(_ context.Context, _, volume string, b bounds) (examination, error) {
	var all examination
	var texts [][]byte
	for _, name := range f.names() {
		text, err := os.ReadFile(filepath.Join(volume, name))
		if err != nil {
			return nil, fmt.Errorf("examining the copy: %w", err)
		}
		texts = append(texts, text)
		e, err := readEntries(text)
		c := e.check(b)
		if err != nil {
			c.ok, c.found = false, err.Error()
		}
		c.what = name + " has what it must have"
		all = append(all, c)
	}
	first, second := bytes.Count(texts[0], []byte("\n")), bytes.Count(texts[1], []byte("\n"))
	return append(all, check{
		what: "both files are equal", ok: bytes.Equal(texts[0], texts[1]),
		found: fmt.Sprintf("first.log has %d entries, second.log has %d", first, second),
	}), nil
}

func (f *files) stop() {
	f.cancel()
	f.ended.Wait()
}

// readEntries counts what is in one of the files.
func readEntries(text []byte) (entries, error) {
	var e entries
	if len(text) == 0 {
		return e, nil
	}
	if text[len(text)-1] != '\n' {
		return e, errors.New("ends within an entry")
	}
	for line := range bytes.Lines(text) {
		n, err := strconv.Atoi(string(bytes.TrimSuffix(line, []byte("\n"))))
		if err != nil {
			return e, fmt.Errorf("has a line that is no entry: %q", line)
		}
		if e.count == 0 {
			e.first = n
		}
		e.count++
		e.last = n
	}
	return e, nil
}
