package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func noPause() error { return nil }

func TestCopyKeepsWhatFilesAre(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	fill(t, from, map[string]string{"a": "alpha", "d/b": "beta"})
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Symlink("a", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(from, "a"), 0o640|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "d"} {
		if err := os.Chtimes(filepath.Join(from, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	// Last: nobody but root may write to it, copying must go in another order.
	if err := os.Chmod(filepath.Join(from, "d"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(from, "d"), 0o755)
	defer os.Chmod(filepath.Join(to, "d"), 0o755)
	if err := copyTree(t.Context(), from, to, noPause); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "alpha", "d/b": "beta", "link": "alpha"} {
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"a", "d", "link"} {
		want, _ := os.Lstat(filepath.Join(from, name))
		got, err := os.Lstat(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: got %s %s, want %s %s", name, got.Mode(), got.ModTime(), want.Mode(), want.ModTime())
		}
	}
}

func TestCopyIsInOrderAndNotOfOneMoment(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	fill(t, from, map[string]string{"1": "", "2/x": "", "3": "", "4": ""})
	pauses := 0
	err := copyTree(t.Context(), from, to, func() error {
		pauses++
		// What changes behind the copy is not seen, what changes before it is.
		if pauses == 3 {
			fill(t, from, map[string]string{"1": "late", "4": "seen"})
		}
		return os.RemoveAll(filepath.Join(from, "3")) // a live database deletes files
	})
	if err != nil {
		t.Fatal(err)
	}
	if pauses != 3 {
		t.Errorf("got %d pauses, want one between each two files", pauses)
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if want := []string{"1", "2", "4"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, want := range map[string]string{"1": "", "4": "seen"} {
		if text, _ := os.ReadFile(filepath.Join(to, name)); string(text) != want {
			t.Errorf("%s: got %q, want %q", name, text, want)
		}
	}
}

func TestCopyEndsWithItsContext(t *testing.T) {
	from := t.TempDir()
	fill(t, from, map[string]string{"1": "", "2": ""})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copyTree(ctx, from, filepath.Join(t.TempDir(), "to"), noPause); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestCopyOfNothingIsAnError(t *testing.T) {
	if err := copyTree(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir(), noPause); err == nil {
		t.Error("no error")
	}
}
