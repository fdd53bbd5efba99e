package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // to repeat it does no harm
		file, err := install(dir)
		if err != nil || file != filepath.Join(dir, "copytrigger") {
			t.Fatalf("got %q, %v", file, err)
		}
		got, gerr := os.ReadFile(file)
		want, werr := os.ReadFile("/proc/self/exe")
		if gerr != nil || werr != nil || string(got) != string(want) {
			t.Errorf("the copy differs: %v, %v", gerr, werr)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o555 {
			t.Errorf("got %v, %v", info.Mode(), err)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left %q", got)
	}
	for _, bad := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "copytrigger")} {
		if _, err := install(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	// What stands in the way is no file.
	if err := os.MkdirAll(filepath.Join(dir, "other", "copytrigger", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := install(filepath.Join(dir, "other")); err == nil {
		t.Error("replaced a directory")
	}
	if got := names(t, filepath.Join(dir, "other")); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

// names are the files in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestInstallRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"nowhere to install": {
			args: []string{"install"},
			says: "one directory is wanted", hint: "install DIR",
		},
		"two places to install": {
			args: []string{"install", "a", "b"},
			says: "one directory is wanted", hint: "install DIR",
		},
	})
}
