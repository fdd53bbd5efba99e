package handshake

import (
	"strings"
	"testing"
)

// TestEmptyIsAbsent: an empty copy-trigger is none (volumehandler.go:527), while an empty
// use-copy-trigger is there.
func TestEmptyIsAbsent(t *testing.T) {
	c := ReadClaim(
		"uid",
		true,
		map[string]string{
			UseAnnotation:     "",
			TriggerAnnotation: "",
			LatestAnnotation:  "",
			SinceAnnotation:   "s",
			StatusAnnotation:  StatusWaiting,
		},
	)
	want := Claim{UID: "uid", Deleting: true, Enabled: true, Since: "s", Status: StatusWaiting}
	if c != want {
		t.Errorf("ReadClaim = %+v, want %+v", c, want)
	}
	if c := ReadClaim("", false, nil); c != (Claim{}) {
		t.Errorf("ReadClaim of no annotations = %+v", c)
	}
}

func TestTaken(t *testing.T) {
	trigger := NewTrigger(runID)
	for _, c := range []struct {
		claim Claim
		want  bool
	}{
		{Claim{}, false},
		{Claim{Trigger: trigger.String(), Status: StatusWaiting}, false},
		{Claim{Trigger: trigger.String(), Status: StatusCompleted}, false}, // of the copy before
		{Claim{Trigger: trigger.String(), Status: StatusInProgress}, true},
		{Claim{Trigger: "foreign", Status: StatusInProgress}, false},
		{Claim{Latest: trigger.String(), Status: StatusWaiting}, true},
	} {
		if got := Taken(c.claim, trigger); got != c.want {
			t.Errorf("Taken(%+v) = %v", c.claim, got)
		}
	}
}

// TestSeen: what await-completed has seen once, it does not forget.
func TestSeen(t *testing.T) {
	trigger := NewTrigger(runID)
	v := trigger.String()
	var s Seen
	for i, step := range []struct {
		claim Claim
		want  Seen
	}{
		{Claim{UID: "a", Status: StatusWaiting, Since: "1"}, Seen{ClaimUID: "a"}},
		{Claim{UID: "a", Status: StatusWaiting, Since: "1", Trigger: v}, Seen{ClaimUID: "a", Fired: true, Since: "1"}},
		{Claim{UID: "a", Status: StatusWaiting, Since: "2"}, Seen{ClaimUID: "a", Fired: true, Since: "1"}},
		{Claim{UID: "a", Status: StatusInProgress, Trigger: v}, Seen{ClaimUID: "a", Fired: true, Since: "1", Taken: true}},
		{Claim{UID: "b"}, Seen{ClaimUID: "a", Fired: true, Since: "1", Taken: true}},
	} {
		if s = s.With(step.claim, trigger); s != step.want {
			t.Errorf("after look %d: %+v, want %+v", i, s, step.want)
		}
	}
}

// TestCautions: doubts are told, once and only where there are any.
func TestCautions(t *testing.T) {
	for _, c := range []struct {
		name  string
		world Observed
		want  []string // one of each caution
	}{
		{"nothing", Observed{Claim: Claim{Enabled: true, Use: "true"}}, nil},
		{"empty", Observed{Claim: Claim{Enabled: true}}, nil},
		{"absent", Observed{}, nil},
		{"false", Observed{Claim: Claim{Enabled: true, Use: "false"}}, []string{`"false"`}},
		{"no", Observed{Claim: Claim{Enabled: true, Use: "no"}}, []string{`"no"`}},
		{"both", Observed{ClaimOnly: true, Claim: Claim{Enabled: true, Use: "0"}}, []string{`"0"`, "--pvc-only"}},
	} {
		got := Cautions(c.world)
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		for i, word := range c.want {
			if !strings.Contains(got[i].Why, word) {
				t.Errorf("%s: %+v does not say %s", c.name, got[i], word)
			}
		}
	}
}

// TestLatestOfAnEarlierAttempt: a user whose retried run waits is told that a copy of an
// earlier attempt was recorded, which would otherwise look like success.
func TestLatestOfAnEarlierAttempt(t *testing.T) {
	r := row{"true", "earlier", "earlier", "Completed", absent}
	d := Await(worlds()[0].of(r.claim()), runID)
	if d.Do != Look || !strings.Contains(d.Why, r.value("earlier")) || !strings.Contains(d.Why, "freeze is not known") {
		t.Errorf("%+v", d)
	}
}
