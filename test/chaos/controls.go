package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Control is a program with a guard taken away, and a plan in which that shows: a campaign that
// did not find it would prove nothing.
type Control struct {
	Name  string
	Edits []Edit
	Plan  func() Plan
	Finds Kind
}

// Edit replaces a text that is in a file once.
type Edit struct{ File, From, To string }

// Controls are all of them.
func Controls() []Control {
	return []Control{
		{
			Name: "no disarm",
			Edits: []Edit{{
				"internal/handshake/decide.go",
				"switch found := c.Armed() && of(run, c.Trigger); {",
				"switch found := false; {",
			}},
			// Stopped while VolSync, which has been killed, has not taken the trigger.
			Plan: func() Plan {
				p := onlyRun()
				p.Actors[0].Quiesce.Before = 500 * time.Millisecond
				p.Actors[0].Signals = []Signal{{When: When{"fired a", 100 * time.Millisecond}, Signal: syscall.SIGTERM}}
				p.Kills = []Kill{{When{After: "locked a"}, 4 * time.Second}}
				return p
			},
			Finds: Armed,
		},
		{
			Name: "no resourceVersion",
			Edits: []Edit{{
				"internal/pvc/pvc.go",
				`"uid": was.UID, "resourceVersion": was.Version, "annotations"`,
				`"uid": was.UID, "annotations"`,
			}},
			// The write of the trigger, the second after that of the lock, comes when the run has
			// given up, and has looked for it in vain.
			Plan: func() Plan {
				p := onlyRun()
				p.Actors[0].Limits.Freeze = 2 * time.Second
				p.Actors[0].Weather.Aims = []Aim{{"patch", 2, harness.Fate{Before: 13 * time.Second}}}
				return p
			},
			Finds: Armed,
		},
		{
			Name: "lock not looked at",
			Edits: []Edit{
				{
					"internal/handshake/lock.go", "func TakeLock(c Claim, run string) Decision {",
					"func TakeLock(c Claim, run string) Decision {\n\tc.Lock = Lock{}",
				},
				{
					"internal/handshake/lock.go", "func WithLock(d Decision, c Claim, run string) Decision {",
					"func WithLock(d Decision, c Claim, run string) Decision {\n\tif run != \"\" {\n\t\treturn d\n\t}",
				},
				{
					"internal/step/disarm.go", "func whose(l handshake.Lock, run string) Whose {",
					"func whose(l handshake.Lock, run string) Whose {\n\tif run != \"\" {\n\t\treturn Own\n\t}",
				},
			},
			// Another run comes in the freeze before the trigger does; it cannot quiesce, and so it
			// unquiesces.
			Plan: func() Plan {
				p := onlyRun()
				b := p.Actors[0]
				p.Actors[0].Quiesce.After = 3 * time.Second
				b.Name, b.Run, b.Start = "b", "b", When{"frozen a", 100 * time.Millisecond}
				p.Actors = append(p.Actors, b)
				return p
			},
			Finds: FalseSuccess,
		},
		{
			Name: "Completed taken for the echo",
			Edits: []Edit{{
				"internal/handshake/decide.go",
				"case c.Latest == v:\n\t\treturn Decision{Do: End, Outcome: outcome.OK, Why: \"VolSync recorded the trigger\"}",
				"case c.Status == StatusCompleted:\n" +
					"\t\treturn Decision{Do: End, Outcome: outcome.OK, Why: \"VolSync recorded the trigger\"}",
			}},
			// The run is stopped, somebody replaces its trigger, and VolSync records that.
			Plan: func() Plan {
				p := onlyRun()
				p.Storage = "chaos-late"
				p.Actors[0].Signals = []Signal{{When: When{After: "copying a"}, Signal: syscall.SIGSTOP, Stopped: 5 * time.Second}}
				p.Actors = append(p.Actors, Actor{
					Name: "stranger", Run: "a", Form: Stranger, Start: When{"copying a", 700 * time.Millisecond},
				})
				return p
			},
			Finds: FalseSuccess,
		},
	}
}

// onlyRun is a run with two commands on a day on which nothing happens.
func onlyRun() Plan {
	second := time.Second
	return Plan{
		Scene: "control", Method: "Snapshot", Storage: "chaos-fast",
		Actors: []Actor{{
			Name: "a", Run: "a", Form: Run, Tries: 1,
			Limits: Limits{Wait: 20 * second, Ack: 10 * second, Copy: 15 * second, Freeze: 20 * second, Unquiesce: 10 * second},
		}},
	}
}

// Build makes the program of the control.
func (c Control) Build(ctx context.Context, dir string) (binary string, err error) {
	root, err := cluster.FindSource()
	if err != nil {
		return "", err
	}
	texts, err := c.edited(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range texts {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "copytrigger")
	return binary, harness.Build(ctx, binary, "-overlay="+file)
}

// edited are the files with the guard taken away.
func (c Control) edited(root string) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range c.Edits {
		text, is := texts[e.File]
		if !is {
			read, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return nil, err
			}
			text = string(read)
		}
		if n := strings.Count(text, e.From); n != 1 {
			return nil, fmt.Errorf("%s: this is %d times in %s, and must be once; change the control: %s",
				c.Name, n, e.File, e.From)
		}
		texts[e.File] = strings.Replace(text, e.From, e.To, 1)
	}
	return texts, nil
}
