package step

import (
	"context"
	"errors"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// Disarm gives back any trigger of the run that VolSync has not recorded. It needs
// nothing of an earlier step, and to do it again is success; the outcome says what there
// was to do. It fails only where it cannot be sure that nothing stays armed. What
// still lives of a run that has locked the claim can fire no more after it, not even by a
// write that is under way. With keepOut it locks a claim that nobody has locked:
// no run may quiesce it until the application is let go.
func (s Step) Disarm(ctx context.Context, run string, keepOut bool, timeout time.Duration) (result.Values, error) {
	out, _, err := s.disarm(ctx, run, keepOut, timeout)
	return out, err
}

// disarm tells also how the claim was found.
func (s Step) disarm(ctx context.Context, run string, keepOut bool, timeout time.Duration) (_ result.Values, found handshake.Claim, _ error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	out.Set("lock", "")
	seen := false
	d, err := s.giveBack(ctx, func(err error) bool { return timeout != 0 && kube.Passing(err) }, func(c handshake.Claim) change {
		found, seen = c, true
		out.Set("lock", lockedBy(c, run))
		return change{handshake.Disarm(c, run), handshake.Mark(c, run, keepOut), c.LockedBy == run}
	})
	if err == nil {
		out.Set("outcome", string(d.Outcome))
		s.Log.Info(s.subject() + ": " + d.Why)
		return out, found, nil
	}
	var refused *outcome.Ending
	if errors.As(s.unfired(err, ""), &refused) && refused.Outcome == outcome.Refused && (d.Do != handshake.Write || kube.IsNotFound(err)) {
		if !seen && (kube.IsNotFound(err) || kube.IsForbidden(err)) {
			// A run that was given the wrong name has quiesced nothing, but another may have. Of a
			// Role with resourceNames a wrong name is forbidden. A claim that pods use is not deleted
			// before they are.
			out.Set("lock", "other")
			refused.Hint += "; if this is the claim of an application that is quiesced, unquiesce by hand"
		}
		return out, found, refused
	}
	return out, found, s.undecided(err, run)
}
