package cli

import (
	"strings"
	"testing"
)

// Columns are as wide as what people see in them, and stay so for rows that come later; a cell is one line.
func TestTable(t *testing.T) {
	table := newTable("NAME", "WHY", "NEXT")
	var b strings.Builder
	for _, rows := range [][][]string{
		{{"dätä", "", "x"}, {"a", "b\nc", "a long one"}},
		{{"a", "b", ""}},
		{{"longer", "b", "y"}},
		{{"a", "b", "z"}},
	} {
		if err := table.write(&b, b.Len() == 0, rows...); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"NAME   WHY      NEXT",
		"dätä   <none>   x",
		`a      b\x0ac   a long one`,
		"a      b        <none>",
		"longer   b        y",
		"a        b        z",
		"",
	}
	if got := b.String(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
}
