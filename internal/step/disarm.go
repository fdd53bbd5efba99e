package step

import (
	"context"
	"errors"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

// Disarm gives back any trigger of the run that VolSync has not recorded. It needs
// nothing of an earlier step, and to do it again is success; the outcome says what there
// was to do. It fails only where it cannot be sure that nothing stays armed.
func (s Step) Disarm(ctx context.Context, run string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	d, err := s.giveBack(ctx, func(err error) bool { return timeout != 0 && kube.Passing(err) }, func(c handshake.Claim) handshake.Decision { return handshake.Disarm(c, run) })
	if err == nil {
		out.Set("outcome", string(d.Outcome))
		s.Log.Info(s.subject() + ": " + d.Why)
		return out, nil
	}
	var refused *Ending
	if errors.As(s.unfired(err, ""), &refused) && refused.Outcome == handshake.Refused && (d.Do != handshake.Write || kube.IsNotFound(err)) {
		return out, refused
	}
	return out, s.undecided(err, run)
}
