package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaimedFolderIsOwned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	s, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); !errors.Is(err, errOwned) {
		t.Errorf("claiming it twice: got %v, want %v", err, errOwned)
	}
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestClaimClearsWhatADeadClusterLeft(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{lockFile, "old"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	if _, err := os.Stat(s.path("old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old file is still there: %v", err)
	}
}

func TestClaimLeavesOthersFoldersAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil {
		t.Error("somebody's folder was taken")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestClaimRefusesTooLongAPath(t *testing.T) {
	if _, err := claim("/" + strings.Repeat("x", 100)); err == nil {
		t.Error("no error")
	}
}

func TestDownOfNothing(t *testing.T) {
	err := Down(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "none")})
	if !errors.Is(err, ErrDown) {
		t.Errorf("got %v, want %v", err, ErrDown)
	}
}
