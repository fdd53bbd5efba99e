package harness

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOneNumber(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []int
		empty   string
		want    bool
	}{
		"whole":                   {[]int{7, 7, 7, 7}, "", true},
		"the last is older":       {[]int{8, 8, 8, 7}, "", false},
		"one in between is older": {[]int{8, 7, 8, 8}, "", false},
		"the first is empty":      {[]int{7, 7, 7, 7}, appFiles[0], false},
		"one in between is empty": {[]int{7, 7, 7, 7}, appFiles[1], false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "tables"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i, file := range appFiles {
				if err := overwrite(filepath.Join(dir, file), c.numbers[i]); err != nil {
					t.Fatal(err)
				}
			}
			if c.empty != "" {
				if err := os.Truncate(filepath.Join(dir, c.empty), 0); err != nil {
					t.Fatal(err)
				}
			}
			if got, all, err := oneNumber(dir); got != c.want || err != nil {
				t.Errorf("got %v, %v for %q, want %v", got, err, all, c.want)
			}
		})
	}
}

// A number that is written over a longer one leaves nothing of it.
func TestOverwrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, number := range []int{1234, 7} {
		if err := overwrite(file, number); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "0000000007\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}
