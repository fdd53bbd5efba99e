package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Counts are how often each thing happened or was found, by what it is one of.
type Counts map[string]map[string]int

func (c Counts) add(of, what string, n int) {
	if c[of] == nil {
		c[of] = map[string]int{}
	}
	c[of][what] += n
}

// plus adds others, and returns their sum.
func (c Counts) plus(other Counts) Counts {
	for of, counts := range other {
		for what, n := range counts {
			c.add(of, what, n)
		}
	}
	return c
}

// Save keeps these counts in the directory as those of the campaign that began then, and writes a
// table of all that is there to a file.
func (c Counts) Save(dir, table string, began time.Time) error {
	text, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, began.UTC().Format("2006-01-02T150405.000000"))
	if err := errors.Join(os.WriteFile(name, text, 0o644), os.Rename(name, name+".json")); err != nil {
		return err
	}
	all, from, to, err := load(dir)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(table+".new", []byte(all.Table(from, to)), 0o644), os.Rename(table+".new", table))
}

// load returns the sum of all counts in a directory, and the days of the first and the last.
func load(dir string) (all Counts, from, to string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, "", "", errors.Join(err, fmt.Errorf("there are no counts in %s", dir))
	}
	all = Counts{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, "", "", err
		}
		var c Counts
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, "", "", fmt.Errorf("%s: %w", file, err)
		}
		all = all.plus(c)
	}
	day := func(file string) string { return filepath.Base(file)[:len(time.DateOnly)] }
	return all, day(files[0]), day(files[len(files)-1]), nil
}

// Table is what happened and what was found, in markdown.
func (c Counts) Table(from, to string) string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	if to != from {
		from += " to " + to
	}
	fmt.Fprintf(&b, "The last campaign, of %s; %s:\n\n| | coordinations |\n|---|---|\n", from, seeds(c["seeds"]))
	for _, name := range []string{
		"coordinations", "with a good copy", "cleaned up at the end by who was told",
		"unlocked by who knew that all was dead", "spoilt by a late command",
	} {
		row(strings.Replace(name, "coordinations", "all", 1), fmt.Sprint(c["totals"][name]))
	}
	for _, k := range Kinds() {
		row("**"+string(k)+"**", fmt.Sprintf("**%d**", c["found"][string(k)]))
	}
	c.cross(&b, "scene", "coordinations")
	c.cross(&b, "form \\ exit code", "endings")
	b.WriteString("\n| faults and signals | times |\n|---|---|\n")
	for _, of := range []string{"faults", "signals"} {
		for _, name := range sorted(c[of]) {
			row(name, fmt.Sprint(c[of][name]))
		}
	}
	return b.String()
}

// seeds names them: those that follow each other by the first and the last.
func seeds(counts map[string]int) string {
	var parts []string
	names := sorted(counts)
	for i := 0; i < len(names); {
		first, last := i, i
		for last+1 < len(names) && follows(names[last], names[last+1]) {
			last++
		}
		part := names[first]
		if last > first {
			part += " to " + names[last]
		}
		parts, i = append(parts, part), last+1
	}
	word := "seed "
	if len(names) > 1 {
		word = "seeds "
	}
	return word + strings.Join(parts, ", ")
}

// follows reports whether b is the number after a.
func follows(a, b string) bool {
	n, err := strconv.ParseUint(a, 10, 64)
	return err == nil && b == strconv.FormatUint(n+1, 10)
}

// cross is a table of counts that have two names each.
func (c Counts) cross(b *strings.Builder, title, of string) {
	rows, columns := map[string]int{}, map[string]int{}
	for name := range c[of] {
		row, column, _ := strings.Cut(name, "\t")
		rows[row], columns[column] = 0, 0
	}
	fmt.Fprintf(b, "\n| %s | %s |\n|---|%s\n",
		title, strings.Join(sorted(columns), " | "), strings.Repeat("---|", len(columns)))
	for _, row := range sorted(rows) {
		var cells []string
		for _, column := range sorted(columns) {
			cell := ""
			if n := c[of][row+"\t"+column]; n > 0 {
				cell = fmt.Sprint(n)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(b, "| %s | %s |\n", row, strings.Join(cells, " | "))
	}
}

// sorted are the names, numbers by their size.
func sorted(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(a) - len(b); d != 0 && isNumber(a) && isNumber(b) {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }
