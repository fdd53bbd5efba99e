package step

import (
	"context"
	"errors"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// changeLock gives the claim's lock the value that decide wants ("" for none), on the
// condition that the claim is what was decided about. tried tells decide that a write may
// have been kept although its reply was lost.
func (s Step) changeLock(ctx context.Context, once bool, decide func(c handshake.Claim, tried bool) (value string, write bool, err error)) error {
	tried := false
	return s.persist(ctx, once, func(ctx context.Context) error {
		for {
			st, err := s.lookAtClaim(ctx)
			if err != nil {
				return err
			}
			value, write, err := decide(st.world.Claim, tried)
			if err != nil || !write {
				return err
			}
			_, err = s.Claims.Annotate(ctx, st.claim, map[string]string{handshake.LockAnnotation: value})
			if !kube.IsConflict(err) {
				tried = !kube.Undone(err)
				return err
			}
		}
	})
}

// lock locks the claim for the run. That it is locked for the run already means an attempt
// before this one, unless it is our own write whose reply was lost. soon is what there is to
// wait for before it can be locked.
func (s Step) lock(ctx context.Context, run string, once bool) (soon string, err error) {
	err = s.changeLock(ctx, once, func(c handshake.Claim, tried bool) (string, bool, error) {
		soon = ""
		if tried && c.LockedBy == run {
			return "", false, nil
		}
		switch d := handshake.Lock(c, run); d.Do {
		case handshake.End:
			return "", false, s.ending(d)
		case handshake.Look:
			soon = d.Why
			return "", false, nil
		}
		return run, true, nil
	})
	return soon, err
}

// Unlock takes the run's lock away, when the application runs again: with After, only if
// that file says that unquiesce ended well, or the lock is that of a clean-up whose run had
// quiesced nothing. To do it again is success.
func (s Step) Unlock(ctx context.Context, run string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	var frozen error // so may the application still be
	if s.After != "" {
		if exit := exitfile.Read(s.After); !exit.OK() {
			frozen = &outcome.Ending{Outcome: outcome.Refused, Why: s.subject() + ": unquiesce " + exit.String() + ", so the claim stays locked",
				Hint: "make sure that the application runs again; then copytrigger unlock --run-id " + run}
		}
	}
	var d handshake.Decision
	err := s.changeLock(ctx, timeout == 0, func(c handshake.Claim, _ bool) (string, bool, error) {
		if frozen != nil && !handshake.CleansUp(c, run) {
			return "", false, frozen
		}
		d = handshake.Unlock(c, run)
		return "", d.Do == handshake.Write, nil
	})
	if err == nil {
		s.Log.Info(s.subject() + ": " + d.Why)
		return out, nil
	}
	var ending *outcome.Ending
	if err = s.unfired(err, ""); errors.As(err, &ending) && ending.Hint == "" {
		ending.Hint = "the claim may stay locked, and refuse the next run: copytrigger unlock --run-id " + run
	}
	return out, err
}

// lockedBy tells whose lock is on a claim, in a word that a pipeline can decide by. That of
// a clean-up of the run is none: there was none when it came.
func lockedBy(c handshake.Claim, run string) string {
	switch {
	case c.LockedBy == "" || handshake.CleansUp(c, run):
		return "none"
	case handshake.Mine(c, run):
		return "own"
	}
	return "other"
}

const disarmLimit = 20 * time.Second
