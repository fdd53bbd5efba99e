package step

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// rule is a row of a Role, as the table of rights has it.
func (r Right) rule() string {
	// Of ReplicationSources the Role has no names: it knows no example of one.
	names := map[Names]string{ClaimNames: " of the claims", CopyNames: " of the copies"}[r.Names]
	return fmt.Sprintf("%s %s/%s%s", strings.Join(r.Verbs, ","), r.Group, r.Resource, names)
}

// ruleOf is the same of a rule that is shipped, with the names of examples: data is a claim, and
// volsync-backup-src a copy.
func ruleOf(t *testing.T, r rbacv1.PolicyRule) string {
	t.Helper()
	names := map[string]string{"": "", "data": " of the claims", "volsync-backup-src": " of the copies"}
	name, known := names[strings.Join(r.ResourceNames, ",")]
	if !known || len(r.APIGroups) != 1 || len(r.Resources) != 1 {
		t.Errorf("what is %+v?", r)
	}
	return fmt.Sprintf("%s %s/%s%s", strings.Join(r.Verbs, ","), r.APIGroups[0], r.Resources[0], name)
}

// roles are the rules of each Role in a file.
func roles(t *testing.T, file string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "Role" {
			continue
		}
		var rules []string
		for _, r := range role.Rules {
			if r.APIGroups[0] != "argoproj.io" { // Argo's own container needs it
				rules = append(rules, ruleOf(t, r))
			}
		}
		all = append(all, rules)
	}
	return all
}

// components are the files of Roles that are granted by themselves.
func components(t *testing.T) (files []string) {
	t.Helper()
	all, err := filepath.Glob("../../rbac/*/*.yaml")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	for _, file := range all {
		if file = strings.TrimPrefix(file, "../../"); len(roles(t, file)) > 0 {
			files = append(files, file)
		}
	}
	return files
}

// The Roles that are shipped, and what check asks for, are the same.
func TestRolesAgreeWithTheRights(t *testing.T) {
	of := func(uses ...Use) (rules []string) {
		for _, r := range Rights() {
			if slices.Contains(uses, r.Use) {
				rules = append(rules, r.rule())
			}
		}
		return rules
	}
	steps := [][]string{of(EveryStep, WithVolSync, OfSnapshots, OfClones), of(OfCleanup)}
	wanted := map[string][][]string{
		"tasks/rbac.yaml": steps, "workflows/rbac.yaml": steps, "jobs/rbac.yaml": steps,
		"rbac/exec/role.yaml": {of(InPods)}, "rbac/events/role.yaml": {of(OfEvents)},
		"rbac/selector/role.yaml": {of(WithSelector)}, "rbac/start-sync/role.yaml": {of(ToStartSync)},
		"rbac/check-restore/role.yaml": {of(OfRestores)},
	}
	for _, file := range components(t) {
		if wanted[file] == nil {
			t.Errorf("%s is a Role that check does not ask for", file)
		}
	}
	asked := 0
	for _, want := range wanted {
		asked += len(slices.Concat(want...))
	}
	if again := 2 * len(slices.Concat(steps...)); asked-again != len(Rights()) { // the steps have theirs three times
		t.Errorf("of %d rights %d are in Roles", len(Rights()), asked-again)
	}
	for file, want := range wanted {
		got := roles(t, file)
		if len(got) != len(want) {
			t.Fatalf("%s has %d Roles, want %d", file, len(got), len(want))
		}
		for i := range want {
			slices.Sort(got[i])
			slices.Sort(want[i])
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%s has the rules\n%q, and check asks for\n%q", file, got[i], want[i])
			}
		}
	}
}
