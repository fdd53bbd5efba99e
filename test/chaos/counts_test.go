package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A campaign in pieces is one table: each piece adds its counts to those of the others.
func TestCountsOfPieces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "counts")
	table := filepath.Join(t.TempDir(), "table.md")
	for seed := range uint64(3) {
		c := NewCampaign()
		for number := range 2 {
			c.Note(Verdict{Plan: Plan{Seed: 8 + seed, Number: number, Scene: "storm", Method: "Clone"}, Late: 1})
		}
		c.Note(Verdict{Plan: Plan{Seed: 40, Scene: "alone", Method: "Snapshot"}, Found: []Finding{{Kind: Armed}}})
		c.count("faults", "409")
		began := time.Now()
		for range 2 { // as it goes on
			if err := c.Counts().Save(dir, table, began); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"seeds 8 to 10, 40:", "| all | 9 |", "| spoilt by a late command | 6 |", "| **armed** | **3** |",
		"| **false success** | **0** |", "| storm | 6 |  |", "| alone |  | 3 |", "| 409 | 3 |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
}
