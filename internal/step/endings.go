package step

import (
	"errors"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// unfired gives an error its outcome where nothing has been fired. reason is what was
// being waited for.
func (s Step) unfired(err error, reason string) error {
	var (
		ending *outcome.Ending
		up     timeUp
		frozen tooLong
		stop   outcome.Stop
		failed *kube.Error
		other  *altered
	)
	switch {
	case err == nil || errors.As(err, &ending):
		return err
	case errors.As(err, &up):
		return &outcome.Ending{
			Outcome: outcome.TimedOut, Err: err, Why: during(err, reason),
			Hint: "this attempt has fired nothing; raise --timeout, or see why it waits",
		}
	case errors.As(err, &frozen):
		return &outcome.Ending{
			Outcome: outcome.TimedOut, Err: err, Why: during(err, reason),
			Hint: "nothing was fired; raise --max-freeze, or see what takes so long",
		}
	case errors.As(err, &stop):
		return &outcome.Ending{
			Outcome: outcome.Signalled, Err: err, Why: during(err, reason) + "; this attempt has fired nothing",
			Hint: outcome.Signalled.Next(),
		}
	case kube.IsNotFound(err) && errors.As(err, &failed) && failed.Request.Resource == "persistentvolumeclaims":
		if s.Claim == "" {
			s.Claim = failed.Request.Name // of a group, the one
		}
		return &outcome.Ending{
			Outcome: outcome.Refused, Err: err, Why: s.subject() + " is not there", Hint: s.hintAfter(failed),
		}
	case errors.As(err, &other):
		return &outcome.Ending{
			Outcome: outcome.Refused, Err: err, Why: s.about(err.Error()), Hint: other.hint(s),
		}
	case errors.As(err, &failed) && !kube.Passing(err):
		return &outcome.Ending{Outcome: outcome.Refused, Err: err, Why: err.Error(), Hint: s.hintAfter(failed)}
	}
	return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: s.about(err.Error())}
}

// unseen is unfired for a command that is no part of a run: after a signal there is no run to start.
func (s Step) unseen(err error, reason string) error {
	err = s.unfired(err, reason)
	if ending := (*outcome.Ending)(nil); errors.As(err, &ending) && ending.Outcome == outcome.Signalled {
		ending.Hint = ""
	}
	return err
}

func during(err error, reason string) string {
	if reason == "" {
		return err.Error()
	}
	return err.Error() + " while waiting: " + reason
}

// endingOf returns the ending that an error is.
func endingOf(err error) *outcome.Ending {
	var ending *outcome.Ending
	if !errors.As(err, &ending) {
		return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: err.Error()}
	}
	return ending
}

// leftBy is what an error says that is left behind; nothing for nil.
func leftBy(err error) outcome.Left {
	var ending *outcome.Ending
	if !errors.As(err, &ending) {
		return 0
	}
	return ending.Left
}

// hintAfter is the next move after a request that was refused for good.
func (s Step) hintAfter(e *kube.Error) string {
	switch {
	case kube.IsForbidden(e) && e.Request.Namespace == "":
		return fmt.Sprintf("it takes a ClusterRole with the verb %q on resource %q in API group %q; "+
			"or leave --all-namespaces out", e.Request.Verb, e.Request.Resource, e.Request.Group)
	case kube.IsForbidden(e) && e.Request.Verb == "list" && e.Request.Resource == "persistentvolumeclaims":
		return fmt.Sprintf("grant the verb %q on resource %q in namespace %q to the account that runs this step "+
			"(the Role of rbac/selector), or name the claims by --pvc", e.Request.Verb, e.Request.Resource, e.Request.Namespace)
	case kube.IsForbidden(e) && e.Request.Resource == "replicationsources" && e.Request.Verb == "patch":
		return fmt.Sprintf("grant the verb %q on resource %q in namespace %q to the account that runs this step "+
			"(the Role of rbac/start-sync), or start no sync", e.Request.Verb, e.Request.Resource, e.Request.Namespace)
	case kube.IsForbidden(e):
		return fmt.Sprintf("grant the verb %q on resource %q in API group %q in namespace %q "+
			"to the account that runs this step (docs/getting-started.md has the Role; "+
			"its resourceNames have to name the object)",
			e.Request.Verb, e.Request.Resource, e.Request.Group, e.Request.Namespace) + claimOnlyHint(e)
	case kube.IsUnauthorized(e):
		return "the API server does not accept these credentials: " +
			"check --kubeconfig and --context, or the pod's service account"
	case kube.IsNotFound(e) && e.Request.Resource == "persistentvolumeclaims":
		return s.then("check --pvc and --namespace; what is there", handshake.Move{Kind: handshake.MoveShowClaims})
	case kube.IsNotFound(e) && e.Request.Resource == "volumesnapshots":
		return "the API server does not know volumesnapshots: " +
			"are the snapshot CRDs of CSI installed in this cluster?" + claimOnlyHint(e)
	case kube.IsNotFound(e):
		return fmt.Sprintf("the API server does not know %s: is VolSync installed in this cluster?",
			e.Request.Resource) + claimOnlyHint(e)
	}
	return ""
}

// claimOnlyHint offers the way without the permissions that an administrator may refuse.
func claimOnlyHint(e *kube.Error) string {
	if e.Request.Group == "" {
		return ""
	}
	return "; or use --pvc-only and forgo the checks that need it"
}
