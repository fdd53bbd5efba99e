package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
	utilduration "k8s.io/apimachinery/pkg/util/duration"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// statusCommand is a table of claims.
func (m *program) statusCommand() command {
	f := &statusFlags{}
	return command{
		name:    "status",
		usage:   "show how claims are, and what to do next; write nothing",
		example: "copytrigger status -n app",
		description: "A line for each claim with the annotation use-copy-trigger, or for those that are named: what\n" +
			"VolSync does and since when, whether a trigger is armed, which run has locked it, how the last\n" +
			"run ended and how long ago, how old the last good copy is, and the next command, as it works\n" +
			"when it is pasted. -o wide says why the last run failed, too.\n\n" +
			"VolSync: WaitingForTrigger, InProgress (it copies), Synchronizing (it moves the copy's data, or\n" +
			"has not begun to wait), Idle, NoSource, SeveralSources, or Unknown where its objects cannot be\n" +
			"read.\n\n" +
			"It asks for each kind of object as a whole: for list on persistentvolumeclaims,\n" +
			"replicationsources and volumesnapshots. The rights of the steps are enough for claims that are\n" +
			"named." + claimArgsHelp,
		args:   claimArgs,
		flags:  f,
		action: m.looking(f, func(ctx context.Context, s step.Step, _ string) error { return f.run(ctx, s, m) }),
	}
}

type statusFlags struct {
	claimFlags
	all   bool
	watch bool
	timeoutFlags
	formatFlags
}

func (f *statusFlags) formats() []string { return []string{"wide", "json", "yaml", "name"} }

func (f *statusFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.which(),
		f.whichCluster("claims"),
		[]cli.Flag{
			&cli.BoolFlag{
				Name: "all-namespaces", Aliases: []string{"A"}, EnvVars: env("all-namespaces"), Destination: &f.all,
				Usage: "show the claims of all namespaces, whatever --namespace is",
			},
			&cli.BoolFlag{
				Name: "watch", Aliases: []string{"w"}, EnvVars: env("watch"), Destination: &f.watch,
				Usage: "go on: at a terminal draw the table again, elsewhere add the lines that have changed",
			},
		},
		f.timeoutFlags.flags(time.Minute, "give up a look after `DURATION`"),
		f.formatFlags.flags(f.formats()...),
		f.logFlags.flags(),
	)
}

func (f *statusFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.checkClaims(c),
		f.checkTogether(),
		f.timeoutFlags.check(c),
		f.formatFlags.check(f.formats()...),
	)
}

// checkClaims is that of the claims, of which there may be none.
func (f *statusFlags) checkClaims(c *cli.Context) error {
	if len(c.StringSlice("pvc")) == 0 && c.NArg() == 0 && !c.IsSet("selector") {
		return f.clusterFlags.check(c)
	}
	return f.claimFlags.check(c)
}

func (f *statusFlags) checkTogether() error {
	switch {
	case f.all && len(f.claims) > 0:
		return usageError{errors.New("claims are named, and --all-namespaces is given"),
			"a name is that of a claim in one namespace: give --namespace"}
	}
	return nil
}

func (f *statusFlags) options(s step.Step) step.StatusOptions {
	namespace := s.Namespace
	if f.all {
		namespace = ""
	}
	return step.StatusOptions{
		Names: f.claims, Selector: f.selector, Timeout: f.timeout,
		Claims:  pvc.In(f.connected.Metadata, namespace, "copytrigger"),
		VolSync: volsync.In(f.connected.Dynamic, f.connected.Metadata, namespace, "copytrigger"),
	}
}

func (f *statusFlags) run(ctx context.Context, s step.Step, m *program) error {
	o := f.options(s)
	if f.watch {
		return f.follow(ctx, s, m, o)
	}
	seen, err := s.Status(ctx, o)
	if err != nil {
		return err
	}
	m.warn(seen.NotKnown)
	if len(seen.Claims) == 0 && f.isTable() {
		m.log.Info(f.nothing(s))
		return nil
	}
	return m.printed(func(w io.Writer) error { return f.show(w, newStatusTable(f), seen, time.Now()) })
}

func (m *program) warn(all []string) {
	for _, text := range all {
		m.log.Warn(text)
	}
}

func (f *statusFlags) isTable() bool { return f.output == "" || f.output == "wide" }

// nothing is what is said of no claims at all.
func (f *statusFlags) nothing(s step.Step) string {
	where := "in namespace " + s.Namespace
	if f.all {
		where = "in any namespace"
	}
	return "no claim " + where + " has the annotation " + handshake.UseAnnotation
}

func (f *statusFlags) show(w io.Writer, t *table, seen step.Overview, now time.Time) error {
	switch f.output {
	case "json", "yaml":
		return f.encode(w, overviewAsJSON(seen))
	case "name":
		return writeNames(w, seen.Claims)
	}
	var rows [][]string
	for _, c := range seen.Claims {
		rows = append(rows, f.row(c, now))
	}
	return t.write(w, true, rows...)
}

func writeNames(w io.Writer, claims []step.ClaimStatus) error {
	for _, c := range claims {
		if _, err := fmt.Fprintln(w, "persistentvolumeclaim/"+c.Name); err != nil {
			return err
		}
	}
	return nil
}

func newStatusTable(f *statusFlags) *table {
	header := []string{"NAME", "VOLSYNC", "SINCE", "ARMED", "LOCKED-BY", "LAST-RUN", "LAST-GOOD-COPY"}
	if f.all {
		header = slices.Insert(header, 0, "NAMESPACE")
	}
	if f.output == "wide" {
		header = append(header, "SOURCE", "COPY-METHOD", "NEXT-SYNC", "REASON", "LAST-RUN-REASON")
	}
	return newTable(append(header, "NEXT")...)
}

func (f *statusFlags) row(c step.ClaimStatus, now time.Time) []string {
	row := []string{
		c.Name, string(c.Does), age(c.Since, now), map[bool]string{true: "yes", false: "no"}[c.Claim.Armed()],
		lockedBy(c.Claim.Lock), lastRun(c, now), age(c.Claim.LastGood, now),
	}
	if f.all {
		row = slices.Insert(row, 0, c.Namespace)
	}
	if f.output == "wide" {
		row = append(row, c.Source.Name, c.Source.Method, c.Source.NextSync, c.Why, lastReason(c))
	}
	return append(row, next(c))
}

// age is how long ago a time was, as kubectl writes it; "" for one that is not known.
func age(since string, now time.Time) string {
	t, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return ""
	}
	return utilduration.HumanDuration(now.Sub(t))
}

func lockedBy(l handshake.Lock) string {
	switch l.State {
	case handshake.Free:
		return ""
	case handshake.Held:
		return l.Run
	case handshake.Lost:
		return l.Run + " (lost)"
	}
	return l.Run + " (cleanup)"
}

// lastRun is how the last run has ended, and how long ago. As long as a run has the claim locked, that is
// the last one, and what the claim says is of the run before.
func lastRun(c step.ClaimStatus, now time.Time) string {
	switch l := c.LastRun; {
	case c.Claim.Lock.State == handshake.Held:
		return "running"
	case c.Claim.Lock.State == handshake.Lost:
		return "did not end"
	case !saysLast(c):
		return "cleaning up"
	case l.Run == "":
		return ""
	default:
		text := cmp.Or(l.Outcome, "unknown")
		if ended := age(cmp.Or(l.EndedAt, l.CutTime), now); ended != "" {
			text += " " + ended + " ago"
		}
		return text
	}
}

// lastReason is why the last run did not end well; "" where that is not known.
func lastReason(c step.ClaimStatus) string {
	if !saysLast(c) {
		return ""
	}
	return c.LastRun.Reason
}

// saysLast reports whether the claim says how the last run has ended: once nothing but its cleanup is left,
// or no run at all.
func saysLast(c step.ClaimStatus) bool {
	l := c.Claim.Lock
	return l.State == handshake.Free || l.State == handshake.Cleanup && l.Run == c.LastRun.Run
}

// next is the command that goes on, or else what there is to do. Nobody here knows whether a run that
// has locked a claim still lives.
func next(c step.ClaimStatus) string {
	if c.Claim.Lock.State == handshake.Held && len(c.Commands) > 0 {
		return "if that run is dead: " + strings.Join(c.Commands, "; ")
	}
	if len(c.Commands) > 0 {
		return strings.Join(c.Commands, "; ")
	}
	return c.Hint
}

// claimJSON is a claim as JSON.
type claimJSON struct {
	Namespace     string             `json:"namespace"`
	Name          string             `json:"name"`
	VolSync       string             `json:"volsync"`
	Since         string             `json:"since"`
	Armed         bool               `json:"armed"`
	Trigger       string             `json:"trigger"`
	LatestTrigger string             `json:"latestTrigger"`
	LockedBy      string             `json:"lockedBy"`
	LockState     string             `json:"lockState"`
	LastRun       *handshake.LastRun `json:"lastRun"`
	LastGood      string             `json:"lastGoodCopy"`
	Source        string             `json:"replicationSource"`
	Mover         string             `json:"mover"`
	CopyMethod    string             `json:"copyMethod"`
	NextSync      string             `json:"nextSyncTime"`
	Reason        string             `json:"reason"`
	Hint          string             `json:"hint"`
	Commands      []string           `json:"commands"`
}

// overviewJSON is what status prints as JSON.
type overviewJSON struct {
	Items   []claimJSON `json:"items"`
	Unknown []string    `json:"unknown"`
}

func overviewAsJSON(seen step.Overview) overviewJSON {
	object := overviewJSON{Items: []claimJSON{}, Unknown: append([]string{}, seen.NotKnown...)}
	for _, c := range seen.Claims {
		object.Items = append(object.Items, claimAsJSON(c))
	}
	return object
}

func claimAsJSON(c step.ClaimStatus) claimJSON {
	j := claimJSON{
		Namespace: c.Namespace, Name: c.Name, VolSync: string(c.Does), Since: c.Since, Armed: c.Claim.Armed(),
		Trigger: c.Claim.Trigger, LatestTrigger: c.Claim.Latest, LockedBy: c.Claim.Lock.Run,
		LockState: c.Claim.Lock.State.Word(), Source: c.Source.Name, Mover: c.Source.Mover,
		CopyMethod: c.Source.Method, NextSync: c.Source.NextSync, Reason: c.Why, Hint: c.Hint,
		Commands: append([]string{}, c.Commands...), LastGood: c.Claim.LastGood,
	}
	if c.LastRun.Run != "" {
		j.LastRun = &c.LastRun
	}
	return j
}

// follow shows the claims until a signal comes.
func (f *statusFlags) follow(ctx context.Context, s step.Step, m *program, o step.StatusOptions) error {
	w := &watching{flags: f, step: s, program: m, table: newStatusTable(f)}
	if terminal, is := m.stdout.(*os.File); is && f.isTable() && term.IsTerminal(int(terminal.Fd())) {
		return w.redrawn(ctx, func(ctx context.Context) error { return s.FollowStatus(ctx, o, w.keep) })
	}
	return s.FollowStatus(ctx, o, w.add)
}

// watching is a status that goes on.
type watching struct {
	flags   *statusFlags
	step    step.Step
	program *program
	table   *table
	begun   bool
	said    []string
	shown   map[string]step.ClaimStatus // by namespace and name

	mu   sync.Mutex
	seen step.Overview
	kept bool
}

// keep is for a terminal.
func (w *watching) keep(seen step.Overview) error {
	w.mu.Lock()
	w.seen, w.kept = seen, true
	w.mu.Unlock()
	return w.draw()
}

// clearScreen takes a terminal's content away, and goes to its beginning.
const clearScreen = "\x1b[H\x1b[2J"

func (w *watching) draw() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.kept {
		return nil
	}
	var b strings.Builder
	b.WriteString(clearScreen)
	for _, text := range w.seen.NotKnown {
		b.WriteString(oneLine(text) + "\n")
	}
	if len(w.seen.Claims) == 0 {
		b.WriteString(w.flags.nothing(w.step) + "\n")
	} else if err := w.flags.show(&b, newStatusTable(w.flags), w.seen, time.Now()); err != nil {
		return err
	}
	_, err := io.WriteString(w.program.stdout, b.String())
	return err
}

// redrawn draws what there is every second, too: ages grow.
func (w *watching) redrawn(ctx context.Context, follow func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = w.draw() // a write that fails ends the watch at the next change
			}
		}
	})
	defer drawing.Wait()
	defer cancel()
	return follow(ctx)
}

// add is for what is no terminal: what has changed comes as new lines.
func (w *watching) add(seen step.Overview) error {
	if !slices.Equal(w.said, seen.NotKnown) {
		w.said = seen.NotKnown
		w.program.warn(seen.NotKnown)
	}
	changed := w.changed(seen.Claims)
	if len(changed) == 0 {
		if !w.begun && w.flags.isTable() && len(seen.Claims) == 0 {
			w.begun = true
			w.program.log.Info(w.flags.nothing(w.step))
		}
		return nil
	}
	if !w.flags.isTable() {
		seen.Claims = changed
		return w.flags.show(w.program.stdout, w.table, seen, time.Now())
	}
	header := w.table.widths == nil
	var rows [][]string
	for _, c := range changed {
		rows = append(rows, w.flags.row(c, time.Now()))
	}
	return w.table.write(w.program.stdout, header, rows...)
}

// changed are the claims that are not as they were shown last.
func (w *watching) changed(claims []step.ClaimStatus) []step.ClaimStatus {
	now := map[string]step.ClaimStatus{}
	var changed []step.ClaimStatus
	for _, c := range claims {
		key := c.Namespace + "/" + c.Name
		now[key] = c
		if was, shown := w.shown[key]; !shown || !reflect.DeepEqual(was, c) {
			changed = append(changed, c)
		}
	}
	w.shown = now
	return changed
}
