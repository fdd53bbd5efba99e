package handshake

// The claims and worlds that table_test.go shows and invariants_test.go goes through.

const (
	theClaim  = "claim-uid"
	theSource = "source-uid"
	theSync   = "2026-01-01T00:00:00Z"
	theWait   = "2026-01-01T00:00:01Z"
)

// row is a claim in the words of the table.
type row struct{ use, trigger, latest, status, since string }

const absent = "-"

func uses() []string     { return []string{absent, "", "true", "false"} }
func triggers() []string { return []string{absent, "old", "ours", "earlier", "foreign"} }
func statuses() []string { return []string{absent, "Waiting", "InProgress", "Completed"} }
func sinces() []string   { return []string{absent, "yes"} }

// rows are all combinations; with the uses given.
func rows(uses []string) []row {
	var rs []row
	for _, use := range uses {
		for _, trigger := range triggers() {
			for _, latest := range triggers() {
				for _, status := range statuses() {
					for _, since := range sinces() {
						rs = append(rs, row{use, trigger, latest, status, since})
					}
				}
			}
		}
	}
	return rs
}

// ours is the run's trigger for the wait that the row is, or would be with another status.
func (r row) ours() Trigger {
	latest := r.latest
	if latest == "ours" {
		latest = "old" // our trigger cannot be made from itself
	}
	return NewTrigger(
		runID,
		Wait{ClaimUID: theClaim, SourceUID: theSource, SyncStart: theSync, Since: theWait, Latest: r.value(latest)},
	)
}

// value is a trigger of the table as it stands in the annotation.
func (r row) value(word string) string {
	switch word {
	case absent:
		return ""
	case "ours":
		return r.ours().String()
	case "earlier":
		return NewTrigger(runID, Wait{ClaimUID: theClaim, Since: "earlier"}).String()
	}
	return word
}

// word is the table's name of a value.
func (r row) word(value string) string {
	for _, w := range triggers() {
		if r.value(w) == value {
			return w
		}
	}
	return "?" + value
}

func (r row) claim() Claim {
	a := map[string]string{BoundAnnotation: "yes"}
	set := func(key, word, value string) {
		if word != absent {
			a[key] = value
		}
	}
	set(UseAnnotation, r.use, r.use)
	set(TriggerAnnotation, r.trigger, r.value(r.trigger))
	set(LatestAnnotation, r.latest, r.value(r.latest))
	set(
		StatusAnnotation,
		r.status,
		map[string]string{"Waiting": StatusWaiting, "InProgress": StatusInProgress, "Completed": StatusCompleted}[r.status],
	)
	set(SinceAnnotation, r.since, theWait)
	return ReadClaim(theClaim, false, a)
}

// surroundings are what a claim is decided in a claim. In the first VolSync can wait.
type surroundings struct {
	name string
	good bool // in these a claim that waits may be fired at
	with func(*Observed)
}

func worlds() []surroundings {
	source := func(f func(*Source)) func(*Observed) { return func(w *Observed) { f(&w.Sources[0]) } }
	return []surroundings{
		{"a sync runs, no copy", true, func(*Observed) {}},
		{"copyMethod Clone", true, source(func(s *Source) { s.Method = "Clone" })},
		{"mover rclone", true, source(func(s *Source) { s.Mover = "rclone" })},
		{"claim only", true, func(w *Observed) { *w = Observed{Claim: w.Claim, ClaimOnly: true} }},
		{"no sync", false, source(func(s *Source) { s.SyncStart = "" })},
		{"a copy exists", false, func(w *Observed) { w.Copy = &Copy{Name: "copy"} }},
		{"a copy is being deleted", false, func(w *Observed) { w.Copy = &Copy{Name: "copy", Deleting: true} }},
		{"no source", false, func(w *Observed) { w.Sources = nil }},
		{"two sources", false, func(w *Observed) { w.Sources = append(w.Sources, Source{Name: "other"}) }},
		{"source being deleted", false, source(func(s *Source) { s.Deleting = true })},
		{"source paused", false, source(func(s *Source) { s.Paused = true })},
		{"copyMethod Direct", false, source(func(s *Source) { s.Method = "Direct" })},
		{"copyMethod empty", false, source(func(s *Source) { s.Method = "" })},
		{"mover syncthing", false, source(func(s *Source) { s.Mover = "syncthing" })},
		{"mover unknown", false, source(func(s *Source) { s.Mover = "" })},
		{"claim not bound", false, func(w *Observed) { w.Claim.Bound = false }},
		{"claim being deleted", false, func(w *Observed) { w.Claim.Deleting = true }},
		{
			"claim only, being deleted",
			false,
			func(w *Observed) { *w = Observed{Claim: w.Claim, ClaimOnly: true}; w.Claim.Deleting = true },
		},
		// These wait too, but not the wait that the trigger was made for.
		{"another sync", false, source(func(s *Source) { s.SyncStart = "2026-01-02T00:00:00Z" })},
		{"another source", false, source(func(s *Source) { s.UID = "other" })},
		{"another claim", false, func(w *Observed) { w.Claim.UID = "other" }},
		{"another wait", false, func(w *Observed) {
			if w.Claim.Since != "" {
				w.Claim.Since = "2026-01-01T00:00:02Z"
			}
		}},
	}
}

func (s surroundings) of(c Claim) Observed {
	w := Observed{
		Claim:   c,
		Sources: []Source{{Name: "rs", UID: theSource, Mover: "restic", Method: "Snapshot", SyncStart: theSync}},
	}
	s.with(&w)
	return w
}
