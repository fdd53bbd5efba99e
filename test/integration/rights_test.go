package integration

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Every other test shows that the least Role is enough. Without any one of its verbs
// await-waiting refuses, before anything is frozen, and names what is missing.
func TestEveryVerbIsNeeded(t *testing.T) {
	t.Parallel()
	for i, rule := range harness.LeastRole() {
		method := "Snapshot"
		if rule.ResourceNames != nil && rule.ResourceNames[0] == harness.CopyName &&
			rule.Resources[0] == "persistentvolumeclaims" {
			method = "Clone"
		}
		if method == "Snapshot" && i == len(harness.LeastRole())-1 {
			t.Fatal("the least Role has no rule for clones")
		}
		for _, verb := range rule.Verbs {
			if method == "Clone" && verb == "patch" {
				t.Fatal("the copy is never written")
			}
			t.Run(fmt.Sprintf("%s %s %s", verb, rule.Resources[0], method), func(t *testing.T) {
				t.Parallel()
				s := harness.New(t)
				s.ReplicateAndWait(harness.Source{Method: method})
				s = s.With(s.Account("lesser", without(harness.LeastRole(), i, verb)))
				r := s.Run("await-waiting", "--run-id", "run").Ends(harness.Refused)
				r.Error("is forbidden").Error(fmt.Sprintf("%s %s", verb, rule.Resources[0]))
				r.Hint(
					fmt.Sprintf(
						"grant the verb %q on resource %q in API group %q in namespace %q",
						verb,
						rule.Resources[0],
						rule.APIGroups[0],
						s.Namespace,
					),
				)
				s.Leaves("", "", harness.Waiting)
				s.Copied(0)
			})
		}
	}
}

// without takes one verb out of one rule.
func without(rules []rbacv1.PolicyRule, i int, verb string) []rbacv1.PolicyRule {
	rules[i].Verbs = slices.DeleteFunc(slices.Clone(rules[i].Verbs), func(v string) bool { return v == verb })
	if len(rules[i].Verbs) == 0 {
		return slices.Delete(rules, i, i+1)
	}
	return rules
}

// Where only the claim is granted, --pvc-only makes a backup of it, and says what it
// could not check.
func TestClaimOnly(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Replicate(harness.Source{})
	s.AwaitStatus(harness.Waiting)
	s = s.With(s.Account("claim", harness.ClaimRole()))

	// Without the flag it is a refusal that offers it.
	s.Run("await-waiting", "--run-id", "run").Ends(harness.Refused).Error("replicationsources").Hint("--pvc-only")

	r := s.Run("await-waiting", "--run-id", "run", "--pvc-only").Ends(harness.OK)
	r.Says("warning: ", "by --pvc-only, not checked")
	if got := r.Value("replication-source"); got != "" {
		t.Errorf("result replication-source is %q", got)
	}
	trigger := r.Value("trigger")
	s.Fire(trigger, "--pvc-only")
	s.AwaitCompleted(trigger, "--pvc-only")
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
}

// The flag is part of the trigger: what one step did not check, no other takes as checked.
func TestClaimOnlyForBothOrForNeither(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	s.Run("fire-trigger", "--trigger", s.AwaitWaiting("run", "--pvc-only")).
		Ends(harness.Refused).
		Hint("use --pvc-only for both or for neither")
	s.Unlock("run")
	s.Run("fire-trigger", "--pvc-only", "--trigger", s.AwaitWaiting("run")).
		Ends(harness.Refused).
		Hint("use --pvc-only for both or for neither")
	s.Leaves("", "", harness.Waiting)
}

// disarm needs the claim only, whatever the run did.
func TestDisarmNeedsTheClaimOnly(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.FireHeld("run")
	s = s.With(s.Account("claim", []rbacv1.PolicyRule{
		{
			APIGroups:     []string{""},
			Resources:     []string{"persistentvolumeclaims"},
			Verbs:         []string{"get", "patch"},
			ResourceNames: []string{harness.Claim},
		},
	}))
	s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("tainted")
	s.Leaves("", "", harness.InProgress)
}

// disarm that may not write must not say that nothing is armed.
func TestDisarmThatMayNotWrite(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	trigger, _ := s.FireHeld("run")
	s = s.With(s.Account("reader", without(harness.ClaimRole(), 0, "patch")))
	r := s.Run("disarm", "--run-id", "run").Error("patch persistentvolumeclaims").Hint("patch")
	if r.Code == harness.OK {
		t.Error("it succeeded")
	}
	s.Leaves(trigger, "", harness.InProgress)
}
