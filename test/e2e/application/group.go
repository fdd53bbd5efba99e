package application

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A group of two claims: that of the database, and another.
const (
	Second       = "wal"
	secondSource = Source + "-wal"

	secondRepository = "repository-wal" // restic's

	// Labels are those of both claims.
	Labels = "app=db"
)

// Together makes a second claim beside the site's own, with a sync of its own, and gives the account
// of the engine in dir the rights to both: by their names, and by their labels.
func (s *Site) Together(dir string) {
	s.Helper()
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolumeClaim",
		"metadata": map[string]any{
			"name": Second, "labels": map[string]any{"app": "db"}, "annotations": map[string]any{harness.Use: ""},
		},
		"spec": classed(map[string]any{
			"accessModes": []any{"ReadWriteOnce"},
			"resources":   map[string]any{"requests": map[string]any{"storage": "1Gi"}},
		}),
	}})
	s.Patch("PersistentVolumeClaim", harness.Claim, map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "db"}},
	})
	s.replicateBoth("")
	s.Apply(append(s.rolesForBoth(dir), s.File("rbac/selector/role.yaml")...)...)
}

// replicateBoth is Replicate of both claims.
func (s *Site) replicateBoth(snapshotClass string) {
	s.Helper()
	s.Replicate(snapshotClass)
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": secondRepository},
		"stringData": map[string]any{"RESTIC_REPOSITORY": "/mnt/repository/restic-wal", "RESTIC_PASSWORD": "secret"},
	}})
	s.replicate(secondSource, Second, secondRepository, snapshotClass)
}

// rolesForBoth are the shipped Roles that name the claim, with the second one.
func (s *Site) rolesForBoth(dir string) []*unstructured.Unstructured {
	s.Helper()
	var roles []*unstructured.Unstructured
	for _, o := range s.Shipped(dir) {
		if o.GetKind() == "Role" && forBoth(o) {
			roles = append(roles, o)
		}
	}
	if len(roles) != 1 {
		s.Fatalf("%d Roles of %s name the claim", len(roles), dir)
	}
	return roles
}

// forBoth adds the second claim and its copy wherever a Role names those of the first, as users do
// by hand. It reports whether the Role names them.
func forBoth(role *unstructured.Unstructured) (named bool) {
	rules := role.Object["rules"].([]any)
	for _, rule := range rules {
		rule := rule.(map[string]any)
		names, _ := rule["resourceNames"].([]any)
		for _, name := range slices.Clone(names) {
			another := map[string]string{
				harness.Claim: Second, "volsync-" + Source + "-src": "volsync-" + secondSource + "-src",
			}[name.(string)]
			if another != "" {
				names, named = append(names, another), true
			}
		}
		if names != nil {
			rule["resourceNames"] = names
		}
	}
	return named
}

// KnowsBoth is a script that ends well if a user's step finds the run, and both claims.
const KnowsBoth = `[ "$COPYTRIGGER_PVCS" = "` + harness.Claim + " " + Second +
	`" ] && [ -n "$COPYTRIGGER_NAMESPACE" ] && [ -n "$COPYTRIGGER_RUN_ID" ]`

// CopiedTogether asserts that VolSync has recorded one trigger of the run for both claims, that both
// are unlocked, and that the application runs after one freeze.
func (s *Site) CopiedTogether(uid string) {
	s.Helper()
	s.CopiedOnce()
	first, second := s.Annotations(), s.Get("PersistentVolumeClaim", Second).GetAnnotations()
	for _, a := range []map[string]string{first, second} {
		if !strings.HasPrefix(a[harness.Latest], uid+".") || a[harness.Latest] != first[harness.Trigger] ||
			a[harness.LockedBy] != "" {
			s.Fatalf("the claims are left with %v and %v", first, second)
		}
	}
}
