package handshake

import (
	"reflect"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// decided asserts what a decision is, and what it says; "" for none.
func decided(t *testing.T, got *Decision, how outcome.Outcome, says string) {
	t.Helper()
	switch {
	case got == nil && says != "":
		t.Errorf("nothing is refused, want %q", says)
	case got != nil && (says == "" || got.Outcome != how || !strings.Contains(got.Why, says)):
		t.Errorf("got %s: %s; want %s: %q", got.Outcome, got.Why, how, says)
	}
}

func from(claim, name, mover string) RestoreFrom {
	return RestoreFrom{Source: Source{Claim: claim, Name: name, Mover: mover}}
}

func TestChooseSource(t *testing.T) {
	for name, c := range map[string]struct {
		all  []RestoreFrom
		name string
		want string
		says string
	}{
		"the only one": {all: []RestoreFrom{from("wal", "w", "restic"), from("data", "d", "restic")}, want: "d"},
		"none": {
			all:  []RestoreFrom{from("wal", "w", "restic")},
			says: "no ReplicationSource copies it",
		},
		"several": {
			all:  []RestoreFrom{from("data", "a", "restic"), from("data", "b", "rclone")},
			says: "several ReplicationSources copy it: a, b",
		},
		"the named of several": {
			all: []RestoreFrom{from("data", "a", "restic"), from("data", "b", "rclone")}, name: "b", want: "b",
		},
		"one of another claim": {all: []RestoreFrom{from("wal", "w", "restic")}, name: "w", says: "does not copy it"},
		"rsync":                {all: []RestoreFrom{from("data", "d", "rsync")}, says: "keeps no repository"},
		"rsyncTLS":             {all: []RestoreFrom{from("data", "d", "rsyncTLS")}, says: "keeps no repository"},
		"syncthing":            {all: []RestoreFrom{from("data", "d", "syncthing")}, says: "keeps no copies"},
		"kopia":                {all: []RestoreFrom{from("data", "d", "kopia")}, says: "is a fork's"},
		"a mover of the future": {
			all:  []RestoreFrom{from("data", "d", "tape")},
			says: "is not known to keep a repository",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, no := ChooseSource("data", c.name, c.all)
			if decided(t, no, outcome.Refused, c.says); got.Source.Name != c.want {
				t.Errorf("got %q, want %q", got.Source.Name, c.want)
			}
		})
	}
}

// What a ReplicationSource alone has is left out; the claim is one that VolSync makes.
func TestRestoreSpec(t *testing.T) {
	f := from("data", "d", "restic")
	f.Section = map[string]any{
		"repository": "r", "moverVolumes": []any{"v"}, "cacheCapacity": "2Gi", "copyMethod": "Snapshot", "retain": "x",
		"pruneIntervalDays": int64(7), "unlock": "u", "storageClassName": "of-clones", "capacity": "9Gi",
		"volumeSnapshotClassName": "s",
	}
	want := map[string]any{
		"trigger": map[string]any{"manual": "run-1"},
		"restic": map[string]any{
			"copyMethod": "Direct", "capacity": "1Gi", "accessModes": []any{"ReadWriteOnce"}, "storageClassName": "fast",
			"repository": "r", "moverVolumes": []any{"v"}, "cacheCapacity": "2Gi",
		},
	}
	got := f.Spec(Shape{Capacity: "1Gi", Class: "fast", AccessModes: []string{"ReadWriteOnce"}}, "run-1")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRestoreBegins(t *testing.T) {
	ours := func(run string) *Destination { return &Destination{Name: "d", UID: "1", Run: run, Until: "2000-01-01"} }
	going := ours("other")
	going.Deleting = true
	for name, c := range map[string]struct {
		scene RestoreScene
		do    RestoreDo
		why   string
		says  string
	}{
		"nothing is there":  {scene: RestoreScene{Name: "d"}, do: RestoreMake},
		"a long name":       {scene: RestoreScene{Name: strings.Repeat("d", 52)}, says: "is too long"},
		"just not too long": {scene: RestoreScene{Name: strings.Repeat("d", 51)}, do: RestoreMake},
		"somebody's": {
			scene: RestoreScene{Name: "d", Destination: ours("")},
			says:  "no restore of this program has made it",
		},
		"this run's": {scene: RestoreScene{Name: "d", Destination: ours("run-1")}, do: RestoreGoOn},
		"another run's": {
			scene: RestoreScene{Name: "d", Destination: ours("other")},
			says:  "run other restores to",
		},
		"another run's, left": {scene: RestoreScene{Name: "d", Destination: ours("other"), Over: true}, do: RestoreDiscard},
		"one that goes":       {scene: RestoreScene{Name: "d", Destination: going}, do: RestoreWait, why: "is being deleted"},
		"somebody's claim": {
			scene: RestoreScene{Name: "d", Owned: []Owned{{Kind: "pvc", Name: "c"}}},
			says:  "pvc c is there",
		},
		"somebody's Job": {
			scene: RestoreScene{Name: "d", Owned: []Owned{{Kind: "job", Name: "d", OwnerName: "e"}}},
			says:  "job d is there",
		},
		"what an earlier one had": {
			scene: RestoreScene{Name: "d", Owned: []Owned{{Kind: "pvc", Name: "c", Owner: "0", OwnerName: "d"}}},
			do:    RestoreWait, why: "pvc c of an earlier restore is being deleted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			do, why, no := c.scene.Begin("run-1")
			decided(t, no, outcome.Refused, c.says)
			if do != c.do || !strings.Contains(why, c.why) {
				t.Errorf("got %d, %q; want %d, %q", do, why, c.do, c.why)
			}
		})
	}
}

func TestCheckTemplateIsRefused(t *testing.T) {
	good := CheckTemplate{CronJob: "c", Suspended: true, Claims: []string{"s"}, Mounted: []string{"s"}}
	for name, c := range map[string]struct {
		change func(*CheckTemplate)
		says   string
	}{
		"a good one":     {change: func(*CheckTemplate) {}},
		"not suspended":  {change: func(c *CheckTemplate) { c.Suspended = false }, says: "is not suspended"},
		"suspended Jobs": {change: func(c *CheckTemplate) { c.JobSuspended = true }, says: "would never begin"},
		"a claim in use": {
			change: func(c *CheckTemplate) { c.Claims = append(c.Claims, "wal") },
			says:   "has PVC wal",
		},
		"without a mount": {change: func(c *CheckTemplate) { c.Mounted = nil }, says: "mounts PVC s"},
		"another claim": {
			change: func(c *CheckTemplate) { c.Claims, c.Mounted = []string{"x"}, []string{"x"} },
			says:   "mounts PVC s",
		},
		"a second one too": {change: func(c *CheckTemplate) { c.Mounted = append(c.Mounted, "x") }},
	} {
		t.Run(name, func(t *testing.T) {
			template := good
			c.change(&template)
			decided(t, template.Refusal("s", []string{"data", "wal"}), outcome.Refused, c.says)
		})
	}
}

// A restore is good only if it is this run's, in its own ReplicationDestination, and has restored something.
func TestRestored(t *testing.T) {
	good := Destination{
		UID: "1", Run: "run-1", LastManual: "run-1", Result: "Successful", Log: "restic", Proof: "restoring x",
	}
	for name, c := range map[string]struct {
		change func(*Destination)
		mover  string
		how    outcome.Outcome
		says   string
	}{
		"a good one":  {change: func(*Destination) {}, how: outcome.OK, says: "the copy is restored"},
		"another one": {change: func(d *Destination) { d.UID = "2" }, how: outcome.Failed, says: "was deleted"},
		"of another run": {
			change: func(d *Destination) { d.Run = "other" }, how: outcome.Failed,
			says: "not this run's",
		},
		"it goes": {
			change: func(d *Destination) { d.Deleting = true }, how: outcome.Failed,
			says: "was deleted",
		},
		"not yet": {
			change: func(d *Destination) { d.LastManual, d.Trouble = "", "no class" },
			says:   "no class",
		},
		"another trigger": {change: func(d *Destination) { d.LastManual = "by-hand" }, says: "VolSync restores"},
		"a mover failed": {
			change: func(d *Destination) { d.LastManual, d.Result = "", "Failed" }, how: outcome.Failed,
			says: "result is Failed",
		},
		"it failed": {
			change: func(d *Destination) { d.Result = "Failed" }, how: outcome.Failed,
			says: "result is Failed",
		},
		"nobody knows": {
			change: func(d *Destination) { d.Result = "" }, how: outcome.Failed,
			says: "was not restored",
		},
		"nothing": {
			change: func(d *Destination) { d.Proof = "" }, how: outcome.Failed,
			says: "nothing of having restored",
		},
		"rclone": {
			change: func(d *Destination) { d.Proof = "" }, mover: "rclone", how: outcome.OK,
			says: "is restored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, mover := good, c.mover
			if c.change(&d); mover == "" {
				mover = "restic"
			}
			got := d.Restored("1", "run-1", mover)
			decided(t, &got, c.how, c.says)
		})
	}
	got := (*Destination)(nil).Restored("1", "run-1", "restic")
	decided(t, &got, outcome.Failed, "was deleted")
}

func TestRestoredClaim(t *testing.T) {
	for want, o := range map[string]*Owned{"": {Owner: "1"}, "not made for": {Owner: "2"}, "not there": nil} {
		if got := o.Belongs("1"); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChecked(t *testing.T) {
	for name, c := range map[string]struct {
		job  *CheckJob
		how  outcome.Outcome
		says string
	}{
		"complete": {
			job: &CheckJob{UID: "1", Complete: true, Succeeded: 1}, how: outcome.OK,
			says: "ended well",
		},
		"complete without pods": {
			job: &CheckJob{UID: "1", Complete: true}, how: outcome.Failed,
			says: "no pod of it has succeeded",
		},
		"failed": {
			job: &CheckJob{UID: "1", Failed: "BackoffLimitExceeded"}, how: outcome.Failed,
			says: "BackoffLimitExceeded",
		},
		"another": {
			job: &CheckJob{UID: "2", Complete: true, Succeeded: 1}, how: outcome.Failed,
			says: "was deleted",
		},
		"none":                {how: outcome.Failed, says: "was deleted"},
		"a pod has succeeded": {job: &CheckJob{UID: "1", Active: 1, Succeeded: 1}, says: "the check runs (1 pods"},
		"no pod":              {job: &CheckJob{UID: "1"}, says: "no pod that runs"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.job.Checked("1")
			decided(t, &got, c.how, c.says)
		})
	}
}

// The Job goes with the restore, can be seen when it has ended, and the template stays as it is.
func TestCheckManifest(t *testing.T) {
	template := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"}},
		"spec":     map[string]any{"ttlSecondsAfterFinished": int64(0), "backoffLimit": int64(0)},
	}
	got := CheckManifest("d", template, Destination{Name: "d", UID: "1"})
	want := map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{
			"name": "d", "labels": map[string]any{"a": "b"},
			"annotations": map[string]any{"c": "d", "cronjob.kubernetes.io/instantiate": "manual"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination", "name": "d", "uid": "1",
			}},
		},
		"spec": map[string]any{"backoffLimit": int64(0)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if _, is := template["spec"].(map[string]any)["ttlSecondsAfterFinished"]; !is {
		t.Error("the template was changed")
	}
}

func TestRestoreLeft(t *testing.T) {
	for name, c := range map[string]struct {
		scene RestoreScene
		want  string
	}{
		"nothing": {},
		"itself": {
			scene: RestoreScene{Name: "d", Destination: &Destination{UID: "1"}}, want: "replicationdestination/d",
		},
		"another one":   {scene: RestoreScene{Destination: &Destination{UID: "2"}}},
		"its claim":     {scene: RestoreScene{Owned: []Owned{{Kind: "pvc", Name: "c", Owner: "1"}}}, want: "pvc/c"},
		"another claim": {scene: RestoreScene{Owned: []Owned{{Kind: "pvc", Name: "c", Owner: "2"}, {Name: "d"}}}},
	} {
		if got := c.scene.Left("1"); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
