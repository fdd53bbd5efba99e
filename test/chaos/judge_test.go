package chaos

import (
	"testing"
	"time"
)

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

// Each fact by itself changes the verdict.
func TestJudge(t *testing.T) {
	good := func() Facts {
		return Facts{
			Processes: []Process{{Name: "a", Run: "a", Form: Run, Start: at(0), End: at(9)}},
			Records:   []Record{{"", 1}, {"a.token", 6}},
			Copies:    []Copy{{UID: "u", Version: 4, Marks: []string{"frozen a 1", "frozen a 1", "frozen a 1"}}},
			Locks:     map[string]time.Time{"a": at(2)},
			At:        at(12),
		}
	}
	for name, c := range map[string]struct {
		change func(*Facts)
		want   Kind // "" for none
		late   int
	}{
		"good":               {change: func(*Facts) {}},
		"recorded for other": {func(f *Facts) { f.Records[1].Trigger = "b.token" }, FalseSuccess, 0},
		"recorded after the attempt before it": {func(f *Facts) {
			f.Records = []Record{{"", 1}, {"a.before", 3}, {"a.token", 6}}
			f.Copies = append(f.Copies, Copy{UID: "v", Version: 2, Marks: []string{"running 0"}})
			f.Processes[0].Said = "copytrigger: PVC x/data: VolSync recorded the trigger a.token\n"
		}, "", 0},
		"what the attempt before it has fired": {func(f *Facts) {
			f.Processes[0].Said = `{"outcome":"ok","trigger":"a.another","fired-at":""}`
		}, FalseSuccess, 0},
		"no copy":      {func(f *Facts) { f.Copies[0].Version = 7 }, FalseSuccess, 0},
		"a newer copy": {func(f *Facts) { f.Copies = append(f.Copies, Copy{UID: "v", Version: 8}) }, "", 0},
		"another copy": {func(f *Facts) { f.Copies = append(f.Copies, Copy{UID: "v", Version: 5}) }, FalseSuccess, 0},
		"running":      {func(f *Facts) { f.Copies[0].Marks[2] = "running 2" }, FalseSuccess, 0},
		"frozen for other": {func(f *Facts) {
			f.Copies[0].Marks = []string{"frozen b 1", "frozen b 1", "frozen b 1"}
		}, FalseSuccess, 0},
		"two freezes": {func(f *Facts) { f.Copies[0].Marks[0] = "frozen a 0" }, FalseSuccess, 0},
		"unread":      {func(f *Facts) { f.Copies[0].Marks = nil }, FalseSuccess, 0},
		"not claimed": {func(f *Facts) { f.Copies[0].Marks[0], f.Processes[0].Code = "running 0", 6 }, "", 0},
		"ended by a late command, beside a cleanup": {func(f *Facts) {
			f.Copies[0].Marks[2] = "running 2"
			f.Thaws = []Thaw{{Looked: at(1), At: at(5), Actor: "b", Run: "b", Frozen: "a"}}
			f.Processes = append(f.Processes, Process{Name: "b", Run: "b", Start: at(0), Code: 6},
				Process{Name: "hand", Run: "b", Form: Cleanup, Start: at(1)})
		}, "", 1},
		"ended by a late command of the last process": {func(f *Facts) {
			f.Copies[0].Marks[2] = "running 2"
			f.Thaws = []Thaw{{Looked: at(1), At: at(5), Actor: "hand", Run: "b", Frozen: "a"}}
			f.Processes = append(f.Processes, Process{Name: "b", Run: "b", Start: at(0), Code: 6},
				Process{Name: "hand", Run: "b", Form: Cleanup, Start: at(1)})
		}, FalseSuccess, 0},
		"ended by a command in time": {func(f *Facts) {
			f.Copies[0].Marks[2] = "running 2"
			f.Thaws = []Thaw{{Looked: at(3), At: at(5), Actor: "b", Run: "b", Frozen: "a"}}
			f.Processes = append(f.Processes, Process{Name: "b", Run: "b", Start: at(0), Code: 6},
				Process{Name: "hand", Run: "b", Form: Cleanup, Start: at(1)})
		}, FalseSuccess, 0},
		"armed":  {func(f *Facts) { f.Armed = []Left{{"a", at(9)}} }, Armed, 0},
		"frozen": {func(f *Facts) { f.FrozenBy = "a" }, Frozen, 0},
		"locked": {func(f *Facts) { f.LockedBy = "a" }, Locked, 0},
		"killed": {func(f *Facts) { f.LockedBy, f.Processes[0].Killed = "a", true }, "", 0},
		"told":   {func(f *Facts) { f.LockedBy, f.Processes[0].Said = "a", "the claim stays locked" }, "", 0},
		"told about another thing": {func(f *Facts) {
			f.FrozenBy, f.Processes[0].Said = "a", "the claim stays locked"
		}, Frozen, 0},
		"told by another run": {func(f *Facts) {
			f.LockedBy = "a"
			f.Processes = append(f.Processes, Process{Run: "b", Code: 3, Said: "copytrigger unlock --run-id a"})
		}, Locked, 0},
		"killed, and cleaned up": {func(f *Facts) {
			f.LockedBy, f.Processes[0].Killed = "a", true
			f.Processes = append(f.Processes, Process{Run: "a", Form: Cleanup, Start: at(10), End: at(11)})
		}, Locked, 0},
		"killed, and a retry was refused": {func(f *Facts) {
			f.LockedBy, f.Processes[0].Killed = "a", true
			f.Processes = append(f.Processes, Process{Run: "a", Form: Run, Start: at(10), End: at(11), Code: 3})
		}, "", 0},
		"armed until the cleanup": {func(f *Facts) {
			f.Armed, f.Processes[0].Killed = []Left{{"a", at(9)}}, true
			f.Processes = append(f.Processes, Process{Run: "a", Form: Cleanup, Start: at(10), End: at(11)})
		}, "", 0},
		"armed after the cleanup": {func(f *Facts) {
			f.Armed, f.Processes[0].Killed = []Left{{"a", at(12)}}, true
			f.Processes = append(f.Processes, Process{Run: "a", Form: Cleanup, Start: at(10), End: at(11)})
		}, Armed, 0},
		"killed beside a cleanup": {func(f *Facts) {
			f.LockedBy, f.Processes[0].Killed = "a", true
			f.Processes = append(f.Processes, Process{Run: "a", Form: Cleanup, Start: at(8), End: at(11)})
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.change(&f)
			found, late := Judge(f)
			if late != c.late || len(found) > 1 || (len(found) == 1) != (c.want != "") ||
				len(found) == 1 && found[0].Kind != c.want {
				t.Errorf("got %v, %d late; want %q, %d late", found, late, c.want, c.late)
			}
		})
	}
}
