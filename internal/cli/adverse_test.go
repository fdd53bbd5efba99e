package cli

// Each test here is named after something that once broke a promise. Its comment tells what
// happened before that was mended.

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/step"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// stuck is a claim whose lock cannot be taken off.
type stuck struct{}

func (stuck) Get(context.Context, string) (pvc.Claim, error) {
	return pvc.Claim{
		Name: "data", UID: "u", Version: "1", Annotations: map[string]string{"copytrigger/locked-by": "r/held/p"},
	}, nil
}
func (stuck) List(context.Context, string) ([]pvc.Claim, error)          { return nil, nil }
func (stuck) Follow(context.Context, string, func(), kube.Trouble) error { return nil }
func (stuck) Annotate(context.Context, pvc.Claim, map[string]string) (pvc.Claim, error) {
	return pvc.Claim{}, &kube.Error{Err: apierrors.NewForbidden(schema.GroupResource{}, "data", errors.New("no"))}
}
func (stuck) MayAnnotate(context.Context, string, map[string]string) (pvc.Claim, error) {
	return pvc.Claim{}, nil
}

// An await-waiting has locked the claim, cannot write its results (a full disk, a reader that is dead),
// and cannot take the lock off either: it says only the first.
func TestUndoOfAwaitWaitingKeepsQuiet(t *testing.T) {
	f := &awaitWaitingFlags{}
	f.runID = "r"
	s := step.Step{
		Claims: stuck{}, ClaimOnly: true, Namespace: "app", Claim: "data",
		Process: "p", Log: slog.New(slog.DiscardHandler),
	}
	err := f.undo(t.Context(), s, errors.New("no space left on device"))
	var e *outcome.Ending
	if !errors.As(err, &e) || e.Left&outcome.LeftLocked == 0 {
		t.Errorf("left locked, unsaid: %v", err)
	}
}

// A run id with a slash was refused; now what follows the slash is dropped without a word, as of a
// lock's value: two runs, app/nightly and app/by-hand, are one and the same, and the second lets the
// application go in the freeze of the first, as if that were an attempt of its own that was lost.
func TestRunIDsThatDifferBehindASlash(t *testing.T) {
	for _, id := range []string{"app/nightly", "app/by-hand"} {
		f := &runIDFlags{runID: id}
		if err := f.checkOrMake(nil); err == nil {
			t.Errorf("run id %q is taken for %q", id, f.runID)
		}
	}
}
