package step

import (
	"context"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// state is what one look saw: the claim, for a conditional write, and the world to
// decide about.
type state struct {
	claim pvc.Claim
	world handshake.World
}

// look reads the present state. The claim comes first: a write on the condition of this
// claim's version then proves that VolSync has not begun a copy between the look at the
// claim and the write, so neither has it between the look at the copy and the write.
func (s Step) look(ctx context.Context) (state, error) {
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly {
		return st, err
	}
	return s.lookBeside(ctx, st)
}

// lookBeside adds to a look at the claim what else there is.
func (s Step) lookBeside(ctx context.Context, st state) (_ state, err error) {
	st.world.ClaimOnly = false
	if st.world.Sources, err = s.VolSync.Sources(ctx, s.Claim); err != nil {
		return state{}, err
	}
	if source, ok := st.copies(); ok {
		st.world.Copy, err = s.VolSync.Copy(ctx, source)
	}
	return st, err
}

// lookAtClaim reads the claim alone.
func (s Step) lookAtClaim(ctx context.Context) (state, error) {
	claim, err := s.Claims.Get(ctx, s.Claim)
	if err != nil {
		return state{}, err
	}
	return state{claim: claim, world: handshake.World{Claim: readClaim(claim), ClaimOnly: true}}, nil
}

func readClaim(c pvc.Claim) handshake.Claim {
	return handshake.ReadClaim(c.UID, c.Deleting, c.Annotations)
}

// copies returns the ReplicationSource of which there may be a copy.
func (st state) copies() (handshake.Source, bool) {
	if len(st.world.Sources) != 1 {
		return handshake.Source{}, false
	}
	source := st.world.Sources[0]
	_, copied := handshake.CopyMethodOf(source.Method)
	return source, copied
}
