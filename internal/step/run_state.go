package step

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/copytrigger/copytrigger/internal/file"
)

// A run keeps in a file that it has locked the claim, where it is given one that outlives its
// process: a restarted container finds it. So the application is let go at once, also while the
// API server is away.

// locked is what the file says.
type locked struct {
	Run       string    `json:"run"`
	Namespace string    `json:"namespace"`
	Claims    []string  `json:"claims"`
	Owner     string    `json:"owner"`
	Until     time.Time `json:"until"` // nobody else unlocks the claims before
}

// keepLocked writes the file. That it cannot is no reason to give up: the claim says the same.
func (r *running) keepLocked() {
	o := r.options
	if o.State == "" {
		return
	}
	text, err := json.Marshal(locked{
		o.Run, r.step.Namespace, r.step.claims(), r.owner, time.Now().Add(o.Limits.longest()),
	})
	if err == nil {
		err = file.Write(o.State, text, 0o600)
	}
	if err != nil {
		r.step.Log.Warn("a restart of this run will have to ask the API server before it lets the application go: " +
			err.Error())
	}
}

// readLocked reports whether the file is there, and of this run.
func readLocked(path, run string) (locked, bool) {
	var l locked
	if path == "" {
		return l, false
	}
	text, err := os.ReadFile(path)
	return l, err == nil && json.Unmarshal(text, &l) == nil && l.Run == run
}

// is reports whether the file is about the claims of s.
func (l locked) is(s Step) bool {
	return l.Namespace == s.Namespace && slices.Equal(l.Claims, s.claims())
}

// forgetLocked removes the file, if it is the run's.
func forgetLocked(path, run string) {
	if _, found := readLocked(path, run); found {
		_ = os.Remove(path)
	}
}

// letGoFirst lets the application go that an earlier process of the run has left quiesced, before
// anything else is found out, where the API server does not answer. It reports whether the
// application runs.
func (r *running) letGoFirst(ctx context.Context, lost locked) bool {
	s, o := r.step, r.options
	ctx = context.WithoutCancel(ctx)
	may := r.mayUnquiesce(lost.Owner)
	quick, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	_, err := r.group.lookAtClaims(quick)
	left := time.Until(lost.Until)
	if err == nil || !lost.is(s) || left < o.Limits.Unquiesce || left > o.Limits.longest() {
		return false // what comes next knows more, or must ask first
	}
	s.Log.Warn("an earlier attempt of this run was lost while the application was quiesced, and the API server " +
		"does not answer: unquiescing first: " + err.Error())
	once, end := context.WithCancel(ctx)
	defer end()
	err = s.unquiesce(once, o.App, o.Limits.Unquiesce, func(ctx context.Context) error {
		err := may(ctx)
		if errors.Is(err, errLockUnread) {
			end() // after one attempt the lock has to be known
		}
		return err
	})
	if err != nil {
		s.Log.Error("unquiesce failed; trying again when the API server answers: " + err.Error())
	}
	return err == nil
}
