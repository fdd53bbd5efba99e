package chaos

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// marks are the files in the volume that say whether the application is frozen, and for whom.
// Storage copies them one after the other: a copy in which they differ was not cut in one freeze.
var marks = []string{"a-mark", "m-mark", "z-mark"}

// Script is what the program runs as quiesce, unquiesce and hold: it asks the application, and
// ends with the code that that answers. A hold lives until its stdin ends.
const Script = `#!/usr/bin/env bash
exec 3<>"/dev/tcp/127.0.0.1/$CHAOS_APP" || exit 1
echo "$1 $COPYTRIGGER_RUN_ID $CHAOS_ACTOR" >&3
if [ "$1" = hold ]; then
  read -r said <&3 && [ "$said" = QUIESCED ] || exit 1
  echo QUIESCED
  while read -r _; do :; done
  echo release >&3
fi
read -r code <&3 || exit 1
exit "$code"
`

// Behaviour is how a user's command does what it does.
type Behaviour struct {
	Before, After time.Duration // that it takes, before its effect and after it
	Fails         int           // attempts that fail
	Effect        bool          // an attempt that fails has its effect all the same
}

// Commands are those of one process.
type Commands struct{ Quiesce, Unquiesce Behaviour }

// Thaw is an unquiesce that ended a freeze.
type Thaw struct {
	Began, At time.Time // when the command was started; when it had its effect
	Looked    time.Time // when its process had last looked at the lock before; zero for never
	Actor     string
	Run       string // whose command it was
	Frozen    string // whose freeze it ended
}

// Application is what is frozen. Its unquiesce ends whatever freeze there is, unless it is
// scoped: then only that of the run that asks.
type Application struct {
	timeline *Timeline
	volume   string
	scoped   bool
	tells    bool // an unquiesce that finds nothing of its own frozen ends with 106
	commands map[string]Commands
	listener net.Listener

	mu     sync.Mutex
	owner  string // the run that has it frozen; "" if it runs
	freeze int    // number of the freeze, or of the time that it runs
	tried  map[string]int
	thaws  []Thaw
}

// StartApplication starts one that keeps its marks in the volume.
func StartApplication(t *Timeline, volume string, p Plan) (*Application, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &Application{
		timeline: t, volume: volume, scoped: p.Scoped, tells: p.Tells,
		commands: map[string]Commands{}, listener: l, tried: map[string]int{},
	}
	for _, actor := range p.Actors {
		a.commands[actor.Name] = actor.Commands
	}
	if err := a.mark(); err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.serve(c)
		}
	}()
	return a, nil
}

// Stop takes no more commands.
func (a *Application) Stop() { _ = a.listener.Close() }

// Port is where the script finds it.
func (a *Application) Port() int { return a.listener.Addr().(*net.TCPAddr).Port }

// FrozenBy is the run that has it frozen; "" if it runs.
func (a *Application) FrozenBy() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.owner
}

// Thaws are the freezes that were ended so far.
func (a *Application) Thaws() []Thaw {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Thaw{}, a.thaws...)
}

// mark writes the marks. Nobody may have the application half-way: the caller holds mu.
func (a *Application) mark() error {
	text := fmt.Sprintf("running %d\n", a.freeze)
	if a.owner != "" {
		text = fmt.Sprintf("frozen %s %d\n", a.owner, a.freeze)
	}
	for _, name := range marks {
		file := filepath.Join(a.volume, name)
		if err := os.WriteFile(file+".next", []byte(text), 0o644); err != nil {
			return err
		}
		if err := os.Rename(file+".next", file); err != nil {
			return err
		}
	}
	return nil
}

// command is one script that is running.
type command struct {
	app        *Application
	conn       net.Conn
	lines      *bufio.Reader
	verb       string
	run, actor string
	began      time.Time
}

func (a *Application) serve(conn net.Conn) {
	defer conn.Close()
	c := &command{app: a, conn: conn, lines: bufio.NewReader(conn), began: time.Now()}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return
	}
	words := strings.Fields(line)
	if len(words) != 3 {
		return
	}
	c.verb, c.run, c.actor = words[0], words[1], words[2]
	of := a.commands[c.actor]
	switch c.verb {
	case "quiesce":
		c.answer(of.Quiesce, c.quiesce)
	case "unquiesce":
		c.answer(of.Unquiesce, func() int { return c.unquiesce() })
	case "hold":
		c.hold(of)
	}
}

// answer does what a command is to do, as it behaves, and tells the script how to end.
func (c *command) answer(b Behaviour, effect func() int) {
	c.begin()
	if !c.wait(b.Before) {
		return
	}
	fails := c.attempt() <= b.Fails
	code := 1
	if !fails || b.Effect {
		code = effect()
	}
	if !c.wait(b.After) {
		return
	}
	if fails {
		code = 1
	}
	c.say("%s of %s ends with %d", c.verb, c.run, code)
	fmt.Fprintln(c.conn, code)
}

// begin tells that it has begun, to who waits for that.
func (c *command) begin() {
	key := "quiescing "
	if c.verb == "unquiesce" {
		key = "unquiescing "
	}
	c.app.timeline.Mark(key+base(c.run), c.actor, "    %s of %s begins", c.verb, c.run)
}

func (c *command) attempt() int {
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	key := c.actor + " " + c.verb
	c.app.tried[key]++
	return c.app.tried[key]
}

func (c *command) say(what string, args ...any) { c.app.timeline.Add(c.actor, "    "+what, args...) }

// wait takes its time. It reports whether the script still lives.
func (c *command) wait(d time.Duration) bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(d + time.Millisecond))
	_, err := c.lines.Peek(1)
	_ = c.conn.SetReadDeadline(time.Time{})
	var timeout net.Error
	alive := err == nil || asTimeout(err, &timeout)
	if !alive {
		c.say("%s of %s is gone", c.verb, c.run)
	}
	return alive
}

// quiesce freezes. An application that is frozen for another run cannot be frozen.
func (c *command) quiesce() int {
	a := c.app
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.owner {
	case c.run:
		return 0
	case "":
	default:
		a.timeline.Add("app", "is frozen for %s already, and not for %s", a.owner, c.run)
		return 1
	}
	a.owner = c.run
	a.freeze++
	if err := a.mark(); err != nil {
		return 1
	}
	a.timeline.Mark("frozen "+base(c.run), "app", "FROZEN for %s", c.run)
	return 0
}

// unquiesce lets it run.
func (c *command) unquiesce() int {
	a := c.app
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owner == "" || a.scoped && a.owner != c.run {
		if a.tells {
			return 106
		}
		return 0
	}
	was := a.owner
	a.owner = ""
	a.freeze++
	if err := a.mark(); err != nil {
		return 1
	}
	at := a.timeline.Mark("thawed "+base(was), "app", "RUNS again: %s's freeze was ended by %s", was, c.actor)
	a.thaws = append(a.thaws, Thaw{Began: c.began, At: at, Actor: c.actor, Run: c.run, Frozen: was})
	if was != c.run && a.tells {
		return 106
	}
	return 0
}

// hold keeps the application frozen as long as the script lives, and tells at the end whether
// it was frozen all the time.
func (c *command) hold(of Commands) {
	c.begin()
	if !c.wait(of.Quiesce.Before) {
		return
	}
	if c.attempt() <= of.Quiesce.Fails || c.quiesce() != 0 {
		c.say("hold of %s fails", c.run)
		return
	}
	c.app.mu.Lock()
	number := c.app.freeze
	c.app.mu.Unlock()
	fmt.Fprintln(c.conn, "QUIESCED")
	_, err := c.lines.ReadString('\n') // it releases, or is gone
	c.app.timeline.Mark("unquiescing "+base(c.run), c.actor, "    hold of %s is to end", c.run)
	if err == nil {
		c.wait(of.Unquiesce.Before)
	}
	code := 1
	c.app.mu.Lock()
	still := c.app.owner == c.run && c.app.freeze == number
	c.app.mu.Unlock()
	if still {
		code = c.unquiesce()
	}
	c.say("hold of %s ends with %d", c.run, code)
	fmt.Fprintln(c.conn, code)
}
