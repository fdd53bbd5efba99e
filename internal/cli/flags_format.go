package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"
)

// formatFlags say how a command prints what it has seen: as a table, or as -o of kubectl has it.
type formatFlags struct {
	output string
}

func (f *formatFlags) flags(formats ...string) []cli.Flag {
	return []cli.Flag{text(&f.output, "output",
		"print `FORMAT` instead of a table: "+strings.Join(formats, ", "), "o")}
}

func (f *formatFlags) check(formats ...string) error {
	if f.output == "" || slices.Contains(formats, f.output) {
		return nil
	}
	return usageError{fmt.Errorf("--output %q is none of %s", f.output, strings.Join(formats, ", ")),
		"leave it out for a table"}
}

// encode writes an object in the format json or yaml.
func (f *formatFlags) encode(w io.Writer, object any) error {
	var b []byte
	var err error
	if f.output == "yaml" {
		b, err = yaml.Marshal(object)
	} else {
		b, err = json.Marshal(object)
		b = append(b, '\n')
	}
	if err != nil {
		return fmt.Errorf("encoding as %s: %w", f.output, err)
	}
	_, err = w.Write(b)
	return err
}

// printed writes to stdout what show makes. Nobody waits for whom does not read it.
func (m *program) printed(show func(io.Writer) error) error {
	var b bytes.Buffer
	if err := show(&b); err != nil {
		return err
	}
	return within(stdoutLimit, "printing: stdout was not read", func() error {
		_, err := m.stdout.Write(b.Bytes())
		return err
	})
}

// table is rows under a header. Its columns keep their widths for rows that come later.
type table struct {
	header []string
	widths []int
}

// none is kubectl's word for an empty cell.
const none = "<none>"

func newTable(header ...string) *table { return &table{header: header} }

// write writes rows, with the header above them or not.
func (t *table) write(w io.Writer, header bool, rows ...[]string) error {
	if header {
		rows = append([][]string{t.header}, rows...)
	}
	t.widths = append(t.widths, make([]int, len(t.header)-len(t.widths))...)
	for _, row := range rows {
		for i, cell := range row {
			if cell = oneLine(cell); cell == "" {
				cell = none
			}
			row[i] = cell
			t.widths[i] = max(t.widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			fmt.Fprintf(&b, "%-*s   ", t.widths[i], cell)
		}
		b.WriteString(row[len(row)-1] + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
