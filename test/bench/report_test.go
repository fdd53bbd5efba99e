package bench

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func measured() *Report {
	second := []time.Duration{3 * time.Second, time.Second, 2 * time.Second}
	return &Report{
		Date: "2026-01-01", Machine: "a machine", Load: [2]string{"0.1", "0.2"},
		Freezes: []Freeze{{Form: "run", Claims: 1, Beyond: second}, {Form: "run", Claims: 10, Beyond: second}},
		Waits: []Waits{
			{Name: "ours", Wall: second, CPU: second, Peak: []int64{1 << 20}, Requests: 8, Size: 1 << 20},
			{Name: "theirs", Wall: second, CPU: second, Peak: []int64{4 << 20}, Requests: 2, Discovery: 3, Size: 2 << 20},
		},
		Scales: []Scale{{Claims: 10, Waited: second, Fired: second, CPU: second, Peak: []int64{1 << 20}, Requests: 75}},
	}
}

func TestAt(t *testing.T) {
	values := make([]time.Duration, 100)
	for i := range values {
		values[i] = time.Duration(100 - i)
	}
	for p, want := range map[int]time.Duration{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		if got := at(values, p); got != want {
			t.Errorf("at %d: got %d, want %d", p, got, want)
		}
	}
	if got := at([]time.Duration{7}, 99); got != 7 {
		t.Errorf("of one value: got %d", got)
	}
}

func TestTables(t *testing.T) {
	tables := measured().tables()
	for name, want := range map[string]string{
		"freeze":     "| run | 10 | 3 | 2000.0 ms | 3000.0 ms |",
		"kubectl":    "| memory, at most | 1.0 MB | 4.0 MB | 0.25 |",
		"scale":      "| 10 | 7.5 | 2.00 s | 2.00 s | 2.00 s | 1.0 MB |",
		"conditions": "0.1 when it began, and 0.2 when it ended",
	} {
		if !strings.Contains(tables[name], want) {
			t.Errorf("%s: got\n%s\nwant a line %s", name, tables[name], want)
		}
	}
}

// The page has the marks of all tables, and whatever is between them is replaced.
func TestWritePage(t *testing.T) {
	dir := t.TempDir()
	page, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "performance.md")
	for range 2 {
		if err := os.WriteFile(path, page, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := measured().writePage(dir); err != nil {
			t.Fatal(err)
		}
		if page, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, table := range measured().tables() {
		if strings.Count(string(page), table) != 1 {
			t.Errorf("the table %s is not in the page once", name)
		}
	}
	if _, err := between("no marks", "freeze", ""); err == nil {
		t.Error("a page without marks is taken")
	}
}

// The plot is XML, each bar ends within it, and a longer freeze has a longer bar.
func TestPlot(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(measured().plot()))
	var bars []string
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			for _, a := range e.Attr {
				if a.Name.Local == "width" {
					bars = append(bars, a.Value)
				}
			}
		}
	}
	if want := []string{"382", "363", "382", "363"}; !slices.Equal(bars, want) {
		t.Errorf("got bars of %q, want %q", bars, want)
	}
}
