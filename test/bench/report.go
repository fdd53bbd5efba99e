package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Report is all that is measured.
type Report struct {
	Date    string
	Machine string
	Load    [2]string // of the machine, before and after
	Freezes []Freeze
	Waits   []Waits // copytrigger's, then kubectl's
	Scales  []Scale
}

// Freeze is how long an application was quiesced beyond VolSync's own time.
type Freeze struct {
	Form   string
	Claims int
	Beyond []time.Duration
}

// Waits is what a wait took whose condition held already.
type Waits struct {
	Name                string
	Wall, CPU           []time.Duration
	Peak                []int64 // bytes of memory
	Requests, Discovery int
	Size                int64 // of the program
}

// Scale is what many claims took.
type Scale struct {
	Claims             int
	Waited, Fired, CPU []time.Duration
	Peak               []int64
	Requests           int
}

// at is the value that p of 100 do not exceed.
func at[T int64 | time.Duration](values []T, p int) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
func mb(bytes int64) string     { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// tables are what the page has between its marks, by their names.
func (r *Report) tables() map[string]string {
	all := map[string]string{"freeze": r.freezeTable(), "scale": r.scaleTable()}
	if len(r.Waits) > 0 {
		all["kubectl"] = r.waitsTable()
	}
	all["conditions"] = fmt.Sprintf("Measured on %s by `make bench` on %s. "+
		"The load average was %s when it began, and %s when it ended.\n",
		r.Date, r.Machine, r.Load[0], r.Load[1])
	return all
}

func (r *Report) freezeTable() string {
	var b strings.Builder
	b.WriteString("| | claims | runs | p50 | p99 |\n|---|--:|--:|--:|--:|\n")
	for _, f := range r.Freezes {
		fmt.Fprintf(&b, "| %s | %d | %d | %s ms | %s ms |\n",
			f.Form, f.Claims, len(f.Beyond), ms(at(f.Beyond, 50)), ms(at(f.Beyond, 99)))
	}
	return b.String()
}

func (r *Report) waitsTable() string {
	var b strings.Builder
	ours, theirs := r.Waits[0], r.Waits[1]
	fmt.Fprintf(&b, "| median of %d | `%s` | `%s` | ratio |\n|---|--:|--:|--:|\n", len(ours.Wall), ours.Name, theirs.Name)
	row := func(what string, a, b2 float64, format string) {
		fmt.Fprintf(&b, "| %s | "+format+" | "+format+" | %.2f |\n", what, a, b2, a/b2)
	}
	row("time", ms64(at(ours.Wall, 50)), ms64(at(theirs.Wall, 50)), "%.1f ms")
	row("CPU", ms64(at(ours.CPU, 50)), ms64(at(theirs.CPU, 50)), "%.1f ms")
	row("memory, at most", mb64(at(ours.Peak, 50)), mb64(at(theirs.Peak, 50)), "%.1f MB")
	row("program", mb64(ours.Size), mb64(theirs.Size), "%.1f MB")
	fmt.Fprintf(&b, "| requests | %d | %d, and %d of discovery | |\n", ours.Requests, theirs.Requests, theirs.Discovery)
	return b.String()
}

func ms64(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
func mb64(bytes int64) float64     { return float64(bytes) / (1 << 20) }

func (r *Report) scaleTable() string {
	var b strings.Builder
	b.WriteString("| claims | requests, each | last one waits → all locked | fire-trigger | CPU | memory, at most |\n" +
		"|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range r.Scales {
		fmt.Fprintf(&b, "| %d | %.1f | %.2f s | %.2f s | %.2f s | %s MB |\n", s.Claims, float64(s.Requests)/float64(s.Claims),
			at(s.Waited, 50).Seconds(), at(s.Fired, 50).Seconds(), at(s.CPU, 50).Seconds(), mb(at(s.Peak, 50)))
	}
	return b.String()
}

// writePage puts the tables into performance.md in dir, and its plot beside it.
func (r *Report) writePage(dir string) error {
	path := filepath.Join(dir, "performance.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	page := string(text)
	for name, table := range r.tables() {
		if page, err = between(page, name, table); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "performance.svg"), []byte(r.plot()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(page), 0o644)
}

// between puts text between the marks of that name.
func between(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	before, rest, found := strings.Cut(page, begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		return "", fmt.Errorf("docs/performance.md has no marks of %s", name)
	}
	return before + begin + text + end + after, nil
}

// The plot: a group of bars for each number of claims, on a scale of powers of ten.
const (
	barHeight = 14
	left      = 190 // of the bars
	width     = 700
	decade    = 110 // pixels
	least     = 1.0 // ms, where the scale begins
)

// style is legible on white and on black: whoever shows the picture says which.
const style = `<style>
text { font: 12px sans-serif; fill: #1f2328 }
.p50 { fill: #0969da } .p99 { fill: #54aeff } line { stroke: #8c959f; stroke-width: 0.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .p50 { fill: #388bfd } .p99 { fill: #1f6feb; fill-opacity: 0.55 } line { stroke: #6e7681 }
}
</style>
`

func (r *Report) plot() string {
	x := func(d time.Duration) float64 { return left + decade*math.Log10(max(ms64(d), least)/least) }
	var b strings.Builder
	y := 40
	for _, f := range r.Freezes {
		p50, p99 := at(f.Beyond, 50), at(f.Beyond, 99)
		name := f.Form
		if f.Claims > 1 {
			name = fmt.Sprintf("%s, %d claims", f.Form, f.Claims)
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left-8, y+barHeight-2, name)
		fmt.Fprintf(&b, "<rect class=\"p99\" x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>\n",
			left, y, x(p99)-left, barHeight)
		fmt.Fprintf(&b, "<rect class=\"p50\" x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%d\"/>\n",
			left, y, x(p50)-left, barHeight)
		fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"%d\">%s, %s ms</text>\n", x(p99)+6, y+barHeight-2, ms(p50), ms(p99))
		y += barHeight + 6
	}
	var scale strings.Builder
	for _, mark := range []int{1, 10, 100, 1000, 10000} {
		at := x(time.Duration(mark) * time.Millisecond)
		fmt.Fprintf(&scale, "<line x1=\"%.0f\" y1=\"30\" x2=\"%.0f\" y2=\"%d\"/>\n", at, at, y)
		fmt.Fprintf(&scale, "<text x=\"%.0f\" y=\"24\" text-anchor=\"middle\">%d ms</text>\n", at, mark)
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "+
		"aria-label=\"How long an application is frozen beyond VolSync's own time: p50 and p99\">\n%s%s%s</svg>\n",
		width+60, y+10, style, scale.String(), b.String())
}

// goVersion is what the tests were compiled by.
func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return "an unknown Go"
}
