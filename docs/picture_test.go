package docs

import (
	"flag"
	"fmt"
	"html"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write run.svg instead of comparing it (make generate)")

// The picture of the README is drawn of run.txt.
func TestGenerated(t *testing.T) {
	source, err := os.ReadFile("run.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPicture(string(source))
	if err != nil {
		t.Fatal(err)
	}
	want := p.svg()
	if *update {
		if err := os.WriteFile("run.svg", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("run.svg"); err != nil || string(got) != want {
		t.Errorf("docs/run.svg is stale (%v): make generate", err)
	}
}

// A picture that names a step which is not there is not drawn.
func TestReadPicture(t *testing.T) {
	for text, fails := range map[string]bool{
		"steps: a | b*\nlane: x | y @b\nfailure: c": false,
		"steps: a | b*\nlane: x | y @c\nfailure: c": true,
		"steps: a\nlane: x":                         true,
		"no colon":                                  true,
	} {
		if _, err := readPicture(text); (err != nil) != fails {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// picture is a run from left to right.
type picture struct {
	steps, failure []stepBox
	lanes          []lane
}

type stepBox struct {
	name  string
	yours bool
}

type lane struct {
	name   string
	states []state
}

// state is what something is in from a step on; -1 is before all steps.
type state struct {
	name string
	from int
}

func readPicture(text string) (picture, error) {
	var p picture
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, is := strings.Cut(line, ": ")
		parts := strings.Split(rest, " | ")
		switch {
		case !is:
			return p, fmt.Errorf("%q is not NAME: STATE | STATE", line)
		case name == "steps":
			p.steps = boxes(parts)
		case name == "failure":
			p.failure = boxes(parts)
		default:
			l := lane{name: name}
			for _, part := range parts {
				s, err := p.state(part)
				if err != nil {
					return p, err
				}
				l.states = append(l.states, s)
			}
			p.lanes = append(p.lanes, l)
		}
	}
	if len(p.steps) == 0 || len(p.lanes) == 0 || len(p.failure) == 0 {
		return p, fmt.Errorf("steps, lanes or failure are missing")
	}
	return p, nil
}

func boxes(names []string) []stepBox {
	var all []stepBox
	for _, name := range names {
		all = append(all, stepBox{strings.TrimSuffix(name, "*"), strings.HasSuffix(name, "*")})
	}
	return all
}

func (p picture) state(text string) (state, error) {
	name, step, is := strings.Cut(text, " @")
	if !is {
		return state{name, -1}, nil
	}
	for i, s := range p.steps {
		if s.name == step {
			return state{name, i}, nil
		}
	}
	return state{}, fmt.Errorf("%q: there is no step %q", text, step)
}

// Where things are, in pixels.
const (
	left, width      = 128, 132 // of the first step, and between steps
	boxWidth, boxTop = 118, 34
	laneTop, laneGap = 96, 50
	laneHeight       = 34
)

// It has a background of its own, so that it is legible on whatever is behind it.
const style = `text{font:13px system-ui,sans-serif;fill:#1f2328}.n{fill:#59636e}.m{text-anchor:middle}` +
	`.p{fill:#fff;stroke:#d1d9e0}.s{fill:#ddf4ff;stroke:#0969da}.y{fill:#fff1cc;stroke:#9a6700}` +
	`.b{fill:#f0f3f6;stroke:#818b98}.f{fill:#ffd8b5;stroke:#bc4c00}.l{stroke:#818b98;stroke-dasharray:3 3}` +
	`.a{stroke:#818b98;fill:none}` +
	`@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.n{fill:#9198a1}.p{fill:#0d1117;stroke:#3d444d}` +
	`.s{fill:#0c2d6b;stroke:#4493f8}.y{fill:#4b2900;stroke:#d29922}.b{fill:#212830;stroke:#656c76}` +
	`.f{fill:#762d0a;stroke:#f0883e}}`

func (p picture) svg() string {
	right := left + len(p.steps)*width
	bottom := laneTop + len(p.lanes)*laneGap
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n", right+16, bottom+72)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(p.title()), style)
	fmt.Fprintf(&b, "<rect class=\"p\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", right+15, bottom+71)
	note(&b, 12, 22, "copytrigger's steps are blue, yours are yellow; time goes to the right")
	for i, s := range p.steps {
		s.draw(&b, left+i*width, boxTop)
		x := left + i*width + boxWidth/2
		fmt.Fprintf(&b, "<path class=\"l\" d=\"M%d %dV%d\"/>\n", x, boxTop+28, bottom-6)
	}
	for i, l := range p.lanes {
		l.draw(&b, laneTop+i*laneGap, right)
	}
	note(&b, 12, bottom+18, "if anything fails after fire-trigger, whatever it is, in this order:")
	for i, s := range p.failure {
		s.draw(&b, left+i*width, bottom+30)
		if i > 0 {
			fmt.Fprintf(&b, "<path class=\"a\" d=\"M%d %dh%d\"/>\n", left+(i-1)*width+boxWidth, bottom+44, width-boxWidth)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// title is the picture in words, for who does not see it.
func (p picture) title() string {
	var words []string
	for _, s := range p.steps {
		words = append(words, s.name)
	}
	return "A run: " + strings.Join(words, ", ") + ". The application is quiesced from quiesce to unquiesce; " +
		"VolSync waits until fire-trigger, then copies."
}

func note(b *strings.Builder, x, y int, text string) {
	fmt.Fprintf(b, "<text class=\"n\" x=\"%d\" y=\"%d\">%s</text>\n", x, y, html.EscapeString(text))
}

func (s stepBox) draw(b *strings.Builder, x, y int) {
	class := "s"
	if s.yours {
		class = "y"
	}
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"28\" rx=\"14\"/>\n", class, x, y, boxWidth)
	fmt.Fprintf(b, "<text class=\"m\" x=\"%d\" y=\"%d\">%s</text>\n", x+boxWidth/2, y+19, html.EscapeString(s.name))
}

func (l lane) draw(b *strings.Builder, y, right int) {
	note(b, 12, y+22, l.name)
	for i, s := range l.states {
		from, to := left+s.from*width+boxWidth/2, right
		if s.from < 0 {
			from = left
		}
		if i+1 < len(l.states) {
			to = left + l.states[i+1].from*width + boxWidth/2
		}
		class := "b"
		if s.name == strings.ToUpper(s.name) {
			class = "f"
		}
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
			class, from, y, to-from, laneHeight)
		fmt.Fprintf(b, "<text class=\"m\" x=\"%d\" y=\"%d\">%s</text>\n", (from+to)/2, y+22, html.EscapeString(s.name))
	}
}
