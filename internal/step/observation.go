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

// reading is how a look reads what there is beside the claims.
type reading struct {
	sources func(context.Context) ([]handshake.Source, error)
	// before comes before the look at the copy of a member; nil for nothing.
	before func(ctx context.Context, member int, s handshake.Source) error
}

// look reads the present state of all members. The claims come first: a write on the condition of
// such a claim's version then proves that VolSync has not begun a copy between the look at the
// claim and the write, so neither has it between the look at the copy and the write.
func (g Group) look(ctx context.Context, r reading) ([]observation, error) {
	sts, err := g.lookAtClaims(ctx)
	if err != nil || g[0].ClaimOnly {
		return sts, err
	}
	return sts, g.lookBeside(ctx, r, sts)
}

// lookBeside adds to looks at the claims what else there is.
func (g Group) lookBeside(ctx context.Context, r reading, sts []observation) error {
	sources, err := r.sources(ctx)
	if err != nil {
		return err
	}
	of := byClaim(sources)
	return first(g.requests(func(i int, s Step) (err error) {
		st := &sts[i]
		st.observed.ClaimOnly, st.observed.Sources = false, of[s.Claim]
		source, ok := st.copies()
		if !ok {
			return nil
		}
		if r.before != nil {
			if err = r.before(ctx, i, source); err != nil {
				return err
			}
		}
		st.observed.Copy, err = s.VolSync.Copy(ctx, source)
		return err
	}))
}

// lookAtClaims reads the claims alone.
func (g Group) lookAtClaims(ctx context.Context) ([]observation, error) {
	sts := make([]observation, len(g))
	return sts, first(g.requests(func(i int, s Step) (err error) {
		sts[i], err = s.lookAtClaim(ctx)
		return err
	}))
}

// lookFrozen is a look while the application is frozen. Of the ReplicationSources it may miss what has
// changed a moment ago, as any look may that is followed by a write of the claim. A record is proved by
// the copy, and that is read as it is.
func (g Group) lookFrozen(ctx context.Context) ([]observation, error) {
	return g.look(ctx, reading{sources: g[0].sourcesNotOlder})
}

func (s Step) sourcesNotOlder(ctx context.Context) ([]handshake.Source, error) {
	return s.VolSync.SourcesNotOlder(ctx)
}

// look is a look at one claim.
func (s Step) look(ctx context.Context) (observation, error) {
	return one(Group{s}.look(ctx, reading{sources: s.sources}))
}

func (s Step) sources(ctx context.Context) ([]handshake.Source, error) { return s.VolSync.Sources(ctx) }

// sourcesOf are the ReplicationSources that copy each claim.
func (g Group) sourcesOf(ctx context.Context) (map[string][]handshake.Source, error) {
	all, err := g[0].sources(ctx)
	return byClaim(all), err
}

func byClaim(sources []handshake.Source) map[string][]handshake.Source {
	of := map[string][]handshake.Source{}
	for _, source := range sources {
		of[source.Claim] = append(of[source.Claim], source)
	}
	return of
}

// lookFrozen is a look at one claim while the application is frozen.
func (s Step) lookFrozen(ctx context.Context) (observation, error) {
	return one(Group{s}.lookFrozen(ctx))
}

func one(sts []observation, err error) (observation, error) {
	if err != nil {
		return observation{}, err
	}
	return sts[0], nil
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
