package step

import (
	"context"
	"errors"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// preparing is an [Application] that can find out beforehand that it cannot be quiesced.
type preparing interface {
	Prepare(ctx context.Context) error
}

// prepare refuses to go on where the application cannot be quiesced. Nothing is quiesced yet.
func (r *running) prepare(ctx context.Context) error {
	app, is := r.options.App.(preparing)
	if !is {
		return nil
	}
	ctx, cancel := limit(ctx, fireLimit)
	defer cancel()
	err := r.step.persist(ctx, kube.Passing, app.Prepare)
	var notOne *pods.NotOne
	if errors.As(err, &notOne) { // no pod mounts a claim that is not there: that is said first
		if _, gone := r.group.lookAtClaims(ctx); kube.IsNotFound(gone) {
			return r.step.unfired(gone, "")
		}
	}
	return r.step.inPod(err)
}

// inPod gives what keeps a command from being run in the application's pod its outcome: nothing
// was quiesced.
func (s Step) inPod(err error) error {
	var (
		ending *outcome.Ending
		up     timeUp
		stop   outcome.Stop
		knows  interface{ Hint() string }
		failed *kube.Error
		notOne *pods.NotOne
	)
	switch {
	case err == nil || errors.As(err, &ending):
		return err
	case errors.As(err, &up), errors.As(err, &stop):
		return s.unfired(err, "the application's pod to take a command")
	}
	end := &outcome.Ending{
		Outcome: outcome.Refused, Err: err, Why: fmt.Sprintf("%s: nothing was quiesced: %v", s.subject(), err),
	}
	switch {
	case errors.As(err, &notOne):
		end.Hint = s.then(notOne.Next, handshake.Move{Kind: handshake.MoveShowPods, Labels: notOne.Seen})
	case errors.As(err, &knows):
		end.Hint = knows.Hint()
	case errors.As(err, &failed) && kube.IsForbidden(err):
		end.Hint = fmt.Sprintf("the account that runs this needs the Role copytrigger-exec (rbac/exec) in namespace %s: "+
			`the verbs "get" and "list" on resource "pods"`, s.Namespace)
	}
	return end
}
