package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"
)

// Plan is all that is going to happen in one coordination.
type Plan struct {
	Seed    uint64
	Number  int
	Scene   string
	Method  string // of VolSync's copy
	Storage string // the class that makes the copy: a row of Storages
	Scoped  bool   // unquiesce ends only the freeze of its own run
	Tells   bool   // unquiesce says 106 where nothing of its own was frozen
	Patient bool   // who cleans up waits for what may live, also where nothing does
	Actors  []Actor
	Kills   []Kill // of VolSync's manager
}

// Actor is one process, or one person at a shell.
type Actor struct {
	Name    string
	Run     string // the run id that it is given
	Form    Form
	Cut     bool // until the cut, not until the record
	Start   When
	Tries   int // as another run each time, when it is refused
	Limits  Limits
	Weather Weather
	Signals []Signal
	Commands
}

// When is a moment: some time after an event of the timeline, or, without one, after the
// beginning. An event that does not come is not waited for longer than patience.
type When struct {
	After string
	Delay time.Duration
}

// Limits are the flags that end a wait.
type Limits struct{ Wait, Ack, Copy, Freeze, Unquiesce time.Duration }

// Signal is sent to an actor at a moment. SIGKILL ends all that it has started, too, as the end
// of a pod does; SIGSTOP is followed by SIGCONT.
type Signal struct {
	When
	Signal  syscall.Signal
	Stopped time.Duration
	Step    bool // SIGKILL meets only the step that a script is at
}

// Kill ends VolSync's manager, which is started again after Down.
type Kill struct {
	When
	Down time.Duration
}

// Form is how the program is run.
type Form string

// The forms.
const (
	Run       Form = "run"           // run, with two commands
	Hold      Form = "run --hold"    // run, with one that holds
	Chain     Form = "steps"         // a script of the steps
	FireChain Form = "steps --fire"  // the same, fired by await-completed
	Cleanup   Form = "cleanup"       // by hand
	ByHand    Form = "disarm+unlock" // by hand, a command each
	Stranger  Form = "stranger"      // somebody else's kubectl annotate
)

// Coordinates reports whether the form claims that a copy is good when it ends with 0.
func (f Form) Coordinates() bool { return f == Run || f == Hold || f == Chain || f == FireChain }

// Storages are the classes that copies are made with, and how slow each is.
func Storages() map[string]map[string]string {
	return map[string]map[string]string{
		"chaos-fast":  nil,
		"chaos-cut":   {"cutDelay": "400ms"},
		"chaos-late":  {"cutDelay": "2s"},
		"chaos-files": {"filePause": "150ms"},
		"chaos-ready": {"readyDelay": "1500ms"},
		"chaos-never": {"readyDelay": "1h"},
	}
}

// NewPlan returns the plan of a number of a seed.
func NewPlan(seed uint64, number int) Plan {
	d := dice{rand.New(rand.NewPCG(seed, uint64(number)))}
	p := Plan{Seed: seed, Number: number, Method: "Snapshot", Scoped: d.in(4), Tells: d.in(5)}
	if d.in(4) {
		p.Method = "Clone"
	}
	p.Storage = "chaos-" + d.of("fast", "fast", "cut", "cut", "late", "files", "files", "ready", "ready")
	if d.in(25) {
		p.Storage = "chaos-never"
	}
	p.Scene = d.of("alone", "alone", "alone", "retried", "retried", "cleaned", "cleaned", "cleaned",
		"two runs", "two runs", "storm", "storm", "beside", "repeated", "refused")
	d.cast(&p)
	if d.in(25) {
		p.Kills = append(p.Kills, Kill{When{d.moment("a"), d.span(600)}, 100*time.Millisecond + d.span(2000)})
	}
	p.Patient = d.in(8)
	return p
}

// coordinators are how many actors wait for VolSync.
func (p Plan) coordinators() (n int) {
	for _, a := range p.Actors {
		if a.Form.Coordinates() {
			n++
		}
	}
	return n
}

// cast says who is in the scene.
func (d dice) cast(p *Plan) {
	a := d.coordinator(p, "a", "a", When{})
	p.Actors = append(p.Actors, a)
	other := func(name string, form Form, start When) {
		p.Actors = append(p.Actors, d.hand(p, name, form, start))
	}
	byHand := func() Form { return Form(d.of(string(Cleanup), string(Cleanup), string(ByHand))) }
	switch p.Scene {
	case "retried":
		d.hit(p, &p.Actors[0])
		again := d.coordinator(p, "a-again", "a", When{d.of("ended a", d.moment("a")), d.span(500)})
		again.Form, again.Cut = a.Form, a.Cut
		p.Actors = append(p.Actors, again)
	case "cleaned":
		other("hand", byHand(), When{d.moment("a"), d.span(800)})
		b := d.coordinator(p, "b", "b", When{d.of("looked hand", "ended hand", d.moment("a")), d.span(400)})
		b.Tries = 1 + d.IntN(3)
		p.Actors = append(p.Actors, b)
		if d.in(3) {
			p.Actors[0].Unquiesce.Fails = 1 + d.IntN(3)
		}
	case "two runs":
		b := d.coordinator(p, "b", "b", When{d.of("", d.moment("a"), d.moment("a")), d.span(500)})
		b.Tries = 1 + d.IntN(3)
		p.Actors = append(p.Actors, b)
	case "beside": // a cleanup that is slow, a run that notices it, and the next run
		// Before the trigger is fired, so that VolSync waits for the next run, too.
		p.Actors[0].Quiesce = Behaviour{After: 300*time.Millisecond + d.span(1500)}
		other("hand", byHand(), When{"frozen a", d.span(300)})
		p.Actors[1].Unquiesce = Behaviour{Before: 1500*time.Millisecond + d.span(4000)}
		d.next(p, When{"ended a", d.span(300)})
	case "repeated": // an unquiesce that fails again and again, a cleanup, and the next run
		p.Actors[0].Unquiesce.Fails = 2 + d.IntN(3)
		other("hand", byHand(), When{"unquiescing a", d.span(800)})
		d.next(p, When{"ended hand", d.span(200)})
	case "refused": // the clean-up of a run that was refused, in the freeze of another
		p.Actors[0].Start = When{d.of("locked b", "frozen b"), d.span(200)}
		p.Actors[0].Limits.Wait = 500*time.Millisecond + d.span(1500)
		other("hand", byHand(), When{"ended a", d.span(300)})
		hand := &p.Actors[1]
		hand.Weather.One = 1 + d.IntN(3)
		if d.in(3) {
			hand.Weather.Outage = Outage{When{"began hand", 0}, 3*time.Second + d.span(20000)}
		}
		if d.in(3) {
			hand.Weather.Aims = []Aim{unauthorized(1)}
		}
		d.next(p, When{})
	case "storm":
		other("hand", byHand(), When{d.moment("a"), d.span(1500)})
		b := d.coordinator(p, "b", "b", When{d.moment("a"), d.span(1500)})
		b.Tries = 1 + d.IntN(3)
		p.Actors = append(p.Actors, b)
		if d.in(2) {
			other("hand-2", byHand(), When{d.moment("a"), d.span(2500)})
		}
		if d.in(3) {
			other("hand-b", byHand(), When{d.moment("b"), d.span(1000)})
			p.Actors[len(p.Actors)-1].Run = "b"
		}
		if d.in(4) {
			other("stranger", Stranger, When{d.moment("a"), d.span(500)})
		}
	}
	for i := range p.Actors {
		if d.in(4) {
			d.hit(p, &p.Actors[i])
		}
	}
}

// next is another run, in whose freeze there is time for what should not come.
func (d dice) next(p *Plan, start When) {
	b := d.coordinator(p, "b", "b", start)
	b.Tries = 4
	b.Quiesce.After = 500*time.Millisecond + d.span(3000)
	b.Quiesce.Fails = 0
	p.Actors = append(p.Actors, b)
}

// coordinator is a run in one of its forms.
func (d dice) coordinator(p *Plan, name, run string, start When) Actor {
	a := Actor{Name: name, Run: run, Start: start, Tries: 1}
	a.Form = Form(d.of(string(Run), string(Run), string(Run), string(Hold), string(Chain), string(FireChain)))
	a.Cut = p.Method == "Snapshot" && a.Form != FireChain && d.in(3)
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	// The next cleanup waits as long as an unquiesce of this run may last, and some more.
	a.Limits = Limits{Wait: seconds(20), Ack: seconds(10), Copy: seconds(15), Freeze: seconds(20), Unquiesce: seconds(8)}
	if d.in(5) {
		short := 200*time.Millisecond + d.span(1500)
		switch d.IntN(4) {
		case 0:
			a.Limits.Ack = short
		case 1:
			a.Limits.Copy = short
		case 2:
			a.Limits.Freeze = short
		case 3:
			a.Limits.Wait = short
		}
	}
	a.Commands = d.commands()
	a.Weather = d.weather(p)
	return a
}

// hand is somebody at a shell.
func (d dice) hand(p *Plan, name string, form Form, start When) Actor {
	a := Actor{Name: name, Run: "a", Form: form, Start: start, Tries: 1, Commands: d.commands()}
	a.Limits = Limits{Wait: 5 * time.Second, Unquiesce: 6 * time.Second}
	if form != Stranger {
		a.Weather = d.weather(p)
	}
	return a
}

// commands are the user's.
func (d dice) commands() Commands {
	one := func() Behaviour {
		b := Behaviour{Before: d.span(30), After: d.span(30)}
		if d.in(4) {
			b.Before = d.span(1500)
		}
		if d.in(6) {
			b.After = d.span(1500)
		}
		return b
	}
	c := Commands{one(), one()}
	if d.in(12) {
		c.Quiesce.Fails, c.Quiesce.Effect = 1, d.in(2)
	}
	if d.in(8) {
		c.Unquiesce.Fails, c.Unquiesce.Effect = 1+d.IntN(2), d.in(3)
	}
	if d.in(40) {
		c.Unquiesce.Fails, c.Unquiesce.Effect = 1000, false
	}
	return c
}

// hit lets signals come. Whoever is stopped in the middle of an unquiesce may end another's
// freeze when it goes on, unless that ends only its own: see docs/reliability.md.
func (d dice) hit(p *Plan, a *Actor) {
	if a.Form == Stranger {
		return
	}
	s := Signal{When: When{d.moment(a.Run), d.span(400)}}
	if !a.Form.Coordinates() {
		s.When = When{"began " + a.Name, d.span(1200)}
	}
	switch d.IntN(4) {
	case 0:
		s.Signal = syscall.SIGTERM
	case 1:
		s.Signal = syscall.SIGINT
	case 2:
		s.Signal = syscall.SIGKILL
		s.Step = (a.Form == Chain || a.Form == FireChain) && d.in(2)
	case 3:
		s.Signal = syscall.SIGTERM
		if p.Scoped {
			s.Signal, s.Stopped = syscall.SIGSTOP, 300*time.Millisecond+d.span(4000)
		}
	}
	a.Signals = append(a.Signals, s)
	if d.in(5) {
		again := s
		again.Delay += d.span(300)
		a.Signals = append(a.Signals, again)
	}
}

// moment is an event of a run that something else may come after.
func (d dice) moment(run string) string {
	if d.in(11) {
		return "waited"
	}
	return d.of("began", "locked", "quiescing", "frozen", "fired", "copying", "cut", "recorded",
		"unquiescing", "thawed") + " " + run
}

// dice are all chance of a plan.
type dice struct{ *rand.Rand }

func (d dice) in(n int) bool { return d.IntN(n) == 0 }

func (d dice) of(these ...string) string { return these[d.IntN(len(these))] }

// span is a time of up to so many milliseconds.
func (d dice) span(most int) time.Duration { return time.Duration(d.IntN(most+1)) * time.Millisecond }

// String tells the plan to people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %d of seed %d: %s; copyMethod %s, class %s; unquiesce",
		p.Number, p.Seed, p.Scene, p.Method, p.Storage)
	if p.Scoped {
		b.WriteString(" ends only its own run's freeze")
	} else {
		b.WriteString(" ends any freeze")
	}
	if p.Tells {
		b.WriteString(", and tells by 106 that it was not its own")
	}
	if p.Patient {
		b.WriteString("; whoever cleans up is patient")
	}
	b.WriteString("\n")
	for _, a := range p.Actors {
		fmt.Fprintf(&b, "  %s: %s of run %s, %s", a.Name, a.Form, a.Run, a.Start)
		if a.Cut {
			b.WriteString(", until the cut")
		}
		if a.Tries > 1 {
			fmt.Fprintf(&b, ", tried %d times", a.Tries)
		}
		fmt.Fprintf(&b, "; %s; quiesce %s; unquiesce %s; weather: %s\n", a.Limits, a.Quiesce, a.Unquiesce, a.Weather)
		for _, s := range a.Signals {
			fmt.Fprintf(&b, "    %s %s", s.Signal, s.When)
			if s.Stopped > 0 {
				fmt.Fprintf(&b, ", for %s", s.Stopped)
			}
			if s.Step {
				b.WriteString(", the step alone")
			}
			b.WriteString("\n")
		}
	}
	for _, k := range p.Kills {
		fmt.Fprintf(&b, "  VolSync is killed %s, and started %s later\n", k.When, k.Down)
	}
	return b.String()
}

func (w When) String() string {
	if w.After == "" {
		return fmt.Sprintf("%s after the beginning", w.Delay)
	}
	return fmt.Sprintf("%s after %q", w.Delay, w.After)
}

func (l Limits) String() string {
	return fmt.Sprintf("wait %s ack %s copy %s freeze %s unquiesce %s", l.Wait, l.Ack, l.Copy, l.Freeze, l.Unquiesce)
}

func (b Behaviour) String() string {
	text := fmt.Sprintf("%s+%s", b.Before, b.After)
	if b.Fails > 0 {
		text += fmt.Sprintf(" fails %d times", b.Fails)
		if b.Effect {
			text += " with effect"
		}
	}
	return text
}
