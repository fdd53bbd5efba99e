package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFilesAtRest: the files stay as they are in a freeze, and are equal; without one
// they grow between the reading of the one and of the other.
func TestFilesAtRest(t *testing.T) {
	volume := t.TempDir()
	f := newFiles()
	if err := f.start(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	defer f.stop()
	if err := progress(t.Context(), f, 10); err != nil {
		t.Fatal(err)
	}
	if err := f.quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	frozen := f.written().now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for f.written().refusals() == 0 {
		if err := sleep(ctx, time.Millisecond); err != nil {
			t.Fatal("nothing was refused in the freeze")
		}
	}
	if e, err := f.examine(t.Context(), "frozen", volume, frozen); err != nil || len(e.torn()) > 0 {
		t.Errorf("in the freeze: got %v, %v", e, err)
	}
	if err := f.unquiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	torn := t.TempDir()
	before := f.written().now()
	for _, name := range f.names() {
		text, err := os.ReadFile(filepath.Join(volume, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(torn, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := progress(t.Context(), f, 5); err != nil {
			t.Fatal(err)
		}
	}
	after := f.written().now()
	e, err := f.examine(t.Context(), "torn", torn, bounds{before.least, after.most})
	if err != nil || len(e.torn()) == 0 {
		t.Errorf("copied while it was written: got %v, %v", e, err)
	}
}
