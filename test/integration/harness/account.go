package harness

import (
	"path/filepath"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LeastRole is what every step needs together, and no more. Every test runs with it.
func LeastRole() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{
			APIGroups:     []string{""},
			Resources:     []string{"persistentvolumeclaims"},
			Verbs:         []string{"get", "watch", "patch"},
			ResourceNames: []string{Claim},
		},
		{APIGroups: []string{"volsync.backube"}, Resources: []string{"replicationsources"}, Verbs: []string{"list", "watch"}},
		{
			APIGroups:     []string{"snapshot.storage.k8s.io"},
			Resources:     []string{"volumesnapshots"},
			Verbs:         []string{"get", "watch"},
			ResourceNames: []string{CopyName},
		},
		// The copy, with copyMethod Clone.
		{
			APIGroups:     []string{""},
			Resources:     []string{"persistentvolumeclaims"},
			Verbs:         []string{"get", "watch"},
			ResourceNames: []string{CopyName},
		},
	}
}

// ClaimRole is what --pvc-only needs.
func ClaimRole() []rbacv1.PolicyRule { return LeastRole()[:1] }

// Account makes a service account with the rules, waits until they are in force, and
// returns its kubeconfig.
func (s *Site) Account(name string, rules []rbacv1.PolicyRule) string {
	s.Helper()
	meta := metav1.ObjectMeta{Name: name}
	_, err := shared.client.CoreV1().
		ServiceAccounts(s.Namespace).
		Create(s.Ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	s.Must(err)
	_, err = shared.client.RbacV1().
		Roles(s.Namespace).
		Create(s.Ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	s.Must(err)
	_, err = shared.client.RbacV1().RoleBindings(s.Namespace).Create(s.Ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: s.Namespace}},
	}, metav1.CreateOptions{})
	s.Must(err)
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			s.AwaitAllowed(name, rule, verb)
		}
	}
	path := filepath.Join(s.TempDir(), name+".kubeconfig")
	s.Must(shared.cluster.ServiceAccountKubeconfig(s.Ctx, s.Namespace, name, path))
	return path
}

// AwaitAllowed asks again and again: what the authorizer has heard of cannot be watched.
func (s *Site) AwaitAllowed(account string, rule rbacv1.PolicyRule, verb string) {
	s.Helper()
	q := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + s.Namespace + ":" + account,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: s.Namespace, Verb: verb, Group: rule.APIGroups[0], Resource: rule.Resources[0],
		},
	}}
	if len(rule.ResourceNames) > 0 {
		q.Spec.ResourceAttributes.Name = rule.ResourceNames[0]
	}
	for {
		a, err := shared.client.AuthorizationV1().SubjectAccessReviews().Create(s.Ctx, q, metav1.CreateOptions{})
		s.Must(err)
		if a.Status.Allowed {
			return
		}
		select {
		case <-s.Ctx.Done():
			s.Fatalf("waiting for %s to be allowed to %s %s: %v", account, verb, rule.Resources[0], s.Ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
