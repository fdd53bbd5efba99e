package harness

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MayStartSync grants the site's account, and that of its group, what start-sync needs besides the
// least Role: the Role of rbac/start-sync.
func (s *Site) MayStartSync() {
	s.Helper()
	const name = "copytrigger-start-sync"
	rule := rbacv1.PolicyRule{
		APIGroups: []string{"volsync.backube"}, Resources: []string{"replicationsources"}, Verbs: []string{"patch"},
	}
	meta := metav1.ObjectMeta{Name: name}
	_, err := shared.client.RbacV1().Roles(s.Namespace).
		Create(s.Ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{rule}}, metav1.CreateOptions{})
	s.Must(err)
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	}
	accounts := []string{"copytrigger", "copytrigger-group"}
	for _, account := range accounts {
		binding.Subjects = append(binding.Subjects,
			rbacv1.Subject{Kind: "ServiceAccount", Name: account, Namespace: s.Namespace})
	}
	_, err = shared.client.RbacV1().RoleBindings(s.Namespace).Create(s.Ctx, binding, metav1.CreateOptions{})
	s.Must(err)
	for _, account := range accounts {
		s.AwaitAllowed(account, rule, "patch")
	}
}

// PatchSourceRequest is the write of start-sync.
func (s *Site) PatchSourceRequest() Request { return Request{"patch", "replicationsources", s.source} }

// SyncTrigger is what there is of the ReplicationSource that start-sync is about.
type SyncTrigger struct {
	Manual, Schedule  string // of its spec
	Record            string // start-sync's annotation
	Since             string // when the sync began that runs
	Ended, LastManual string // of the last sync
}

// SyncTrigger reads it.
func (s *Site) SyncTrigger() SyncTrigger {
	s.Helper()
	u, err := shared.dynamic.Resource(sources).Namespace(s.Namespace).Get(s.Ctx, s.source, metav1.GetOptions{})
	s.Must(err)
	o := object{u}
	return SyncTrigger{
		o.text("spec", "trigger", "manual"), o.text("spec", "trigger", "schedule"),
		u.GetAnnotations()["copytrigger/started-by"],
		o.text("status", "lastSyncStartTime"), o.text("status", "lastSyncTime"), o.text("status", "lastManualSync"),
	}
}

// SyncsBy asserts the manual trigger and the schedule, and that no record of a start-sync is left.
func (s *Site) SyncsBy(manual, schedule string) SyncTrigger {
	s.Helper()
	got := s.SyncTrigger()
	if got.Manual != manual || got.Schedule != schedule || got.Record != "" {
		s.Fatalf("got %+v, want the manual trigger %q, the schedule %q and no record", got, manual, schedule)
	}
	return got
}
