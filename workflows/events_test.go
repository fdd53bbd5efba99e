package workflows

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	events "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	"github.com/argoproj/argo-events/pkg/sensors/dependencies"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// annotated is a claim with annotations; "" takes one away.
type annotated map[string]string

func (a annotated) with(changes ...string) annotated {
	a = maps.Clone(a)
	for i := 0; i < len(changes); i += 2 {
		a[changes[i]] = changes[i+1]
	}
	maps.DeleteFunc(a, func(_, value string) bool { return value == "" })
	return a
}

const (
	status = "volsync.backube/latest-copy-status"
	since  = "volsync.backube/latest-copy-trigger-waiting-since"
	resync = "copytrigger/resync"
	lock   = "copytrigger/locked-by"
	fired  = "volsync.backube/copy-trigger"
)

// claim is a claim of the name as JSON has it; null if a is nil.
func (a annotated) claim(name string) any {
	if a == nil {
		return nil
	}
	return map[string]any{"metadata": map[string]any{"name": name, "annotations": map[string]string(a)}}
}

// passes reports whether Argo Events' own filter lets a change of a claim pass.
func passes(t *testing.T, filter *events.EventDependencyFilter, name string, was, is annotated) bool {
	t.Helper()
	data, err := json.Marshal(map[string]any{"type": "UPDATE", "oldBody": was.claim(name), "body": is.claim(name)})
	yamltest.Must(t, err)
	passed, err := dependencies.Filter(&events.Event{
		Context: &events.EventContext{DataContentType: "application/json", Time: metav1.Now()}, Data: data,
	}, filter, "")
	yamltest.Must(t, err)
	return passed
}

// change is one that the EventSource lets pass: VolSync waits after it.
type change struct {
	name    string
	was, is annotated
	passes  bool
}

var (
	idle    = annotated{"volsync.backube/use-copy-trigger": "", status: "Completed"}
	waiting = idle.with(status, "WaitingForTrigger", since, "2026-11-28T01:00:05Z")
)

func changes() []change {
	// at is the claim that waits, after the resync of that minute.
	at := func(minute string) annotated { return waiting.with(resync, "2026-11-28T01:"+minute+":00Z") }
	return []change{
		{"begins to wait", idle, waiting, true},
		{"waits when the EventSource starts", nil, waiting, true},
		{"has annotations for the first time", annotated{}, waiting, true},
		{
			"waits for the next copy, and what was between was not seen",
			waiting,
			waiting.with(since, "2026-11-29T01:00:05Z"),
			true,
		},

		{"is locked", waiting, waiting.with(lock, "run"), false},
		{"is fired", waiting.with(lock, "run"), waiting.with(lock, "run", fired, "run.1"), false},
		{"is disarmed", waiting.with(lock, "run", fired, "run.1"), waiting.with(lock, "run"), false},
		{"is unlocked", waiting.with(lock, "run"), waiting, false},
		{"is labelled by somebody", at("10"), at("10"), false},

		{"waits at its first resync of all", waiting, at("10"), false},
		{"waits at the first resync since it began to wait", waiting.with(resync, "2026-11-28T01:00:00Z"), at("10"), false},
		{"waited at the resync before", at("10"), at("20"), true},
		{"waited at the one before, and still does", at("20"), at("30"), true},
		{
			"waited at the one before, for another copy",
			at("10").with(since, "2026-11-28T01:10:01Z"),
			at("20").with(since, "2026-11-28T01:10:01Z"),
			false,
		},
		{
			"waited at the one before, and a run that was lost has it locked",
			at("10").with(lock, "run"),
			at("20").with(lock, "run"),
			true,
		},
		{"waits since VolSync does not say when", at("10").with(since, ""), at("20").with(since, ""), true},
	}
}

// Which events start a run.
func TestEventsFilter(t *testing.T) {
	filter := kustomized(t, diskFS, "events").sensors[0].Spec.Dependencies[0].Filters
	for _, c := range changes() {
		if got := passes(t, filter, "data", c.was, c.is); got != c.passes {
			t.Errorf("a claim that %s: got %t, want %t", c.name, got, c.passes)
		}
		if passes(t, filter, "database", c.was, c.is) {
			t.Errorf("another claim that %s passes", c.name)
		}
	}
	filter.Data[0].Value = []string{"^(data|wal)$"}
	for name, want := range map[string]bool{"data": true, "wal": true, "wal2": false} {
		if got := passes(t, filter, name, idle, waiting); got != want {
			t.Errorf("%s of two claims: got %t, want %t", name, got, want)
		}
	}
}

// after is what a claim passes through in the hour after it began to wait: a resync every ten
// minutes, and runs that take ten seconds and end without a copy.
func after(t *testing.T, filter *events.EventDependencyFilter) (runs int) {
	t.Helper()
	claim := idle
	step := func(changes ...string) {
		next := claim.with(changes...)
		if next[status] == "WaitingForTrigger" && passes(t, filter, "data", claim, next) {
			runs++
		}
		claim = next
	}
	step(status, waiting[status], since, waiting[since])
	for _, minute := range []string{"05", "15", "25", "35", "45", "55"} {
		for range runs {
			step(lock, "run")
			step(fired, "run.1")
			step(fired, "")
			step(lock, "")
		}
		step(resync, "2026-11-28T01:"+minute+":00Z")
	}
	return runs
}

// A run that ended without a copy is made good, and runs that always do are few. With the
// filter that looked at the status alone the first was the last.
func TestEventsComeAgain(t *testing.T) {
	filter := kustomized(t, diskFS, "events").sensors[0].Spec.Dependencies[0].Filters
	if got := after(t, filter); got != 6 {
		t.Errorf("got %d runs in an hour, want the first one and five at a resync", got)
	}
	old := filter.DeepCopy()
	old.Script = `local was = event.oldBody and event.oldBody.metadata and event.oldBody.metadata.annotations
return not was or was["volsync.backube/latest-copy-status"] ~= "WaitingForTrigger"`
	if got := after(t, old); got != 1 {
		t.Errorf("got %d runs by the old filter, want 1: this test shows nothing", got)
	}
	eager := filter.DeepCopy()
	eager.Script = "return true"
	if got := after(t, eager); got < 100 {
		t.Errorf("got %d runs where everything passes: this test shows nothing", got)
	}
}

// badSensor is what would keep a run from coming: Argo Events reports none of it before it is
// too late, if ever.
func badSensor(s *shipped) []string {
	var problems []string
	sensor := s.sensors[0]
	for _, tmpl := range []*events.Template{s.sources[0].Spec.Template, sensor.Spec.Template} {
		// The kubelet does not start an image as a user that it cannot see not to be root.
		if c := tmpl.SecurityContext; c == nil || c.RunAsNonRoot == nil || c.RunAsUser == nil || *c.RunAsUser == 0 {
			problems = append(problems, tmpl.ServiceAccountName+": Argo Events' image names no user")
		}
	}
	var rules []rbacv1.PolicyRule
	for _, r := range s.roles {
		if r.Name == sensor.Spec.Template.ServiceAccountName {
			rules = r.Rules
		}
	}
	for _, d := range sensor.Spec.Dependencies {
		if _, resource := s.sources[0].Spec.Resource[d.EventName]; resource {
			continue
		}
		if c, ok := s.sources[0].Spec.Calendar[d.EventName]; !ok || c.Interval == "" {
			problems = append(problems, "nothing sends "+d.EventName)
		}
	}
	for _, trigger := range sensor.Spec.Triggers {
		name, k8s := trigger.Template.Name, trigger.Template.K8s
		if !slices.ContainsFunc(
			sensor.Spec.Dependencies,
			func(d events.EventDependency) bool { return d.Name == trigger.Template.Conditions },
		) {
			problems = append(problems, name+" waits for an event of each dependency")
		}
		if trigger.RetryStrategy != nil && !trigger.AtLeastOnce {
			problems = append(problems, name+" is never tried again")
		}
		var o metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(k8s.Source.Resource.Value, &o); err != nil {
			problems = append(problems, err.Error())
		}
		verbs := []string{string(k8s.Operation)}
		if k8s.Operation == events.Patch {
			verbs = append(verbs, "get") // before it patches
		}
		group := o.GroupVersionKind().Group
		for _, verb := range verbs {
			if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, strings.ToLower(o.Kind)+"s") &&
					slices.Contains(r.Verbs, verb) &&
					(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, o.Name))
			}) {
				problems = append(problems, name+" has no right to "+verb+" a "+o.Kind)
			}
		}
	}
	return problems
}

func TestSensorCanStartRuns(t *testing.T) {
	yamltest.None(t, badSensor(kustomized(t, diskFS, "events")))
	for says, change := range map[string]func(s *shipped){
		"names no user":     func(s *shipped) { s.sources[0].Spec.Template.SecurityContext.RunAsUser = nil },
		"nothing sends":     func(s *shipped) { s.sources[0].Spec.Calendar = nil },
		"waits for an":      func(s *shipped) { s.sensors[0].Spec.Triggers[0].Template.Conditions = "" },
		"never tried again": func(s *shipped) { s.sensors[0].Spec.Triggers[0].AtLeastOnce = false },
		"right to create":   func(s *shipped) { s.roles[1].Rules = s.roles[1].Rules[1:] },
		"right to get":      func(s *shipped) { s.roles[1].Rules[1].Verbs = []string{"patch"} },
		"right to patch":    func(s *shipped) { s.roles[1].Rules[1].ResourceNames = []string{"another"} },
	} {
		s := kustomized(t, diskFS, "events")
		change(s)
		yamltest.Some(t, badSensor(s), says)
	}
}
