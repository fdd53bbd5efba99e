package tasks

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// pods is what the Role of the cleanups has: they wait for pods.
func pods() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}}
}

// The rights are those that docs/getting-started.md asks for, and no more; only cleanups may list pods.
func TestRole(t *testing.T) {
	want := yamltest.Documented(t, "../docs/getting-started.md")
	yamltest.None(t, yamltest.OtherThan(applied(t).roles[1].Rules, pods()))
	yamltest.None(t, yamltest.OtherThan(applied(t).roles[0].Rules, want))

	more := applied(t).roles[0].Rules
	more[0].Verbs = append(more[0].Verbs, "list")
	yamltest.Some(t, yamltest.OtherThan(more, want), "list")
}

// The account that has them is the one that the example runs as.
func TestAccount(t *testing.T) {
	s := applied(t)
	b := binding(t, s)
	if len(b.Subjects) != 1 || b.Subjects[0].Name != "copytrigger" || b.RoleRef.Name != s.roles[0].Name ||
		b.RoleRef.Kind != "Role" {
		t.Errorf("the RoleBinding is of %v for %v", b.RoleRef, b.Subjects)
	}
}

func binding(t *testing.T, s *shipped) *rbacv1.RoleBinding {
	t.Helper()
	for _, o := range s.others {
		if b, is := o.(*rbacv1.RoleBinding); is {
			return b
		}
	}
	t.Fatal("there is no RoleBinding")
	return nil
}
