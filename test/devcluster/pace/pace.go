// Package pace says how slowly a copy of a volume is made. Real storage cuts snapshots
// in its own time; tests want that time to be theirs, so the CSI driver reads it from
// two places: the class a snapshot or clone was asked through, and one file per cluster
// which may be rewritten while copies are waiting.
package pace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Pace is the time a copy takes. The zero value is "as fast as the disk".
type Pace struct {
	// CutDelay passes before the first byte is copied.
	CutDelay time.Duration
	// FilePause passes between one file and the next, so a copy is not of one moment.
	FilePause time.Duration
	// ReadyDelay passes after the copy is made until it may be used.
	ReadyDelay time.Duration
}

// Names of the settings, in a class's parameters and in the file.
const (
	CutDelay   = "cutDelay"
	FilePause  = "filePause"
	ReadyDelay = "readyDelay"
)

// Settings is p as it stands in a file or a class's parameters, e.g. {"cutDelay": "2s"}.
func (p Pace) Settings() map[string]string {
	return map[string]string{
		CutDelay:   p.CutDelay.String(),
		FilePause:  p.FilePause.String(),
		ReadyDelay: p.ReadyDelay.String(),
	}
}

// With is p with what the settings say put over it. Settings it does not know are left
// to others: a class's parameters are not all ours.
func (p Pace) With(settings map[string]string) (Pace, error) {
	for name, field := range map[string]*time.Duration{
		CutDelay: &p.CutDelay, FilePause: &p.FilePause, ReadyDelay: &p.ReadyDelay,
	} {
		text, given := settings[name]
		if !given {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return Pace{}, fmt.Errorf("reading %s: %w", name, err)
		}
		if d < 0 {
			return Pace{}, fmt.Errorf("reading %s: %s is negative", name, text)
		}
		*field = d
	}
	return p, nil
}

// Save writes p to the file as one step, so a reader never sees half of it.
func (p Pace) Save(file string) error {
	text, err := json.Marshal(p.Settings())
	if err != nil {
		return fmt.Errorf("writing pace: %w", err)
	}
	next := file + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return fmt.Errorf("writing pace: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("writing pace: %w", err)
	}
	return nil
}

// Load reads the file; none is the zero Pace.
func Load(file string) (Pace, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Pace{}, nil
	}
	if err != nil {
		return Pace{}, fmt.Errorf("reading pace: %w", err)
	}
	var settings map[string]string
	if err := json.Unmarshal(text, &settings); err != nil {
		return Pace{}, fmt.Errorf("reading pace from %s: %w", file, err)
	}
	return Pace{}.With(settings)
}

// Wait returns once the time that length answers has passed since the call. It asks
// again and again, so a wait of an hour ends when the hour is taken back.
func Wait(ctx context.Context, length func() (time.Duration, error)) error {
	const look = 10 * time.Millisecond
	begun := time.Now()
	for {
		d, err := length()
		if err != nil {
			return err
		}
		rest := d - time.Since(begun)
		if rest <= 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(rest, look)):
		}
	}
}
