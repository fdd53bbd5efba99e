package step

import (
	"context"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// observation is what one look saw: the claim, for a conditional write, and all that a decision is
// taken from.
type observation struct {
	claim    pvc.Claim
	observed handshake.Observed
}

// look reads the present state. The claim comes first: a write on the condition of this
// claim's version then proves that VolSync has not begun a copy between the look at the
// claim and the write, so neither has it between the look at the copy and the write.
func (s Step) look(ctx context.Context) (observation, error) {
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly {
		return st, err
	}
	return s.lookBeside(ctx, st)
}

// lookBeside adds to a look at the claim what else there is.
func (s Step) lookBeside(ctx context.Context, st observation) (_ observation, err error) {
	st.observed.ClaimOnly = false
	if st.observed.Sources, err = s.VolSync.Sources(ctx, s.Claim); err != nil {
		return observation{}, err
	}
	if source, ok := st.copies(); ok {
		st.observed.Copy, err = s.VolSync.Copy(ctx, source)
	}
	return st, err
}

// lookAtClaim reads the claim alone.
func (s Step) lookAtClaim(ctx context.Context) (observation, error) {
	claim, err := s.Claims.Get(ctx, s.Claim)
	if err != nil {
		return observation{}, err
	}
	return observation{claim: claim, observed: handshake.Observed{Claim: readClaim(claim), ClaimOnly: true}}, nil
}

func readClaim(c pvc.Claim) handshake.Claim {
	return handshake.ReadClaim(c.UID, c.Deleting, c.Annotations)
}

// copies returns the ReplicationSource of which there may be a copy.
func (st observation) copies() (handshake.Source, bool) {
	if len(st.observed.Sources) != 1 {
		return handshake.Source{}, false
	}
	source := st.observed.Sources[0]
	_, copied := handshake.CopyMethodOf(source.Method)
	return source, copied
}
