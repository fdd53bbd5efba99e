package handshake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Aspect is what a [Finding] is about.
type Aspect string

// The aspects of a claim that a run depends on.
const (
	AboutClaim   Aspect = "claim"
	AboutTrigger Aspect = "copy-trigger"
	AboutLock    Aspect = "lock"
	AboutSource  Aspect = "source"
	AboutMover   Aspect = "mover"
	AboutMethod  Aspect = "copy-method"
	AboutSync    Aspect = "sync"
	AboutCopy    Aspect = "copy"
	AboutStorage Aspect = "storage"
)

// Level is what a [Finding] means for a run.
type Level uint8

// The levels, from the best to the worst.
const (
	Fine     Level = iota
	NotKnown       // it could not be found out
	Caution        // a run may go on, and may not end well
	Refusal        // a run is refused, or waits for what does not come by itself
)

// String returns the word for a level.
func (l Level) String() string { return [...]string{"ok", "unknown", "warning", "refused"}[l] }

// Finding is what there is to say of an aspect before a run.
type Finding struct {
	About Aspect
	Level Level
	Why   string
	Hint  string
	Next  Move
}

// Findings say of each aspect of a claim what is wrong with it, or that nothing is. They are made of
// what [Await] decides by, so await-waiting refuses, or waits for ever, where one is a [Refusal].
func Findings(w Observed) []Finding {
	all := w.fine()
	worse := func(f Finding) {
		i := slices.IndexFunc(all, func(have Finding) bool { return have.About == f.About })
		switch {
		case i < 0:
			all = append(all, f)
		case f.Level == Fine && all[i].Level == Fine, f.Level > all[i].Level:
			all[i] = f
		case f.Level == all[i].Level && !strings.Contains(all[i].Why, f.Why):
			all = append(all, f)
		}
	}
	for _, o := range obstacles() {
		if no := o.find(w); no != nil {
			worse(no.finding(o.about))
		}
	}
	worse(TakeLock(w.Claim, "").finding(AboutLock))
	for _, c := range Cautions(w) {
		worse(c)
	}
	return all
}

// finding is what a decision of await-waiting's means before a run.
func (d Decision) finding(about Aspect) Finding {
	f := Finding{About: about, Why: d.Why, Hint: d.Hint, Next: d.Next}
	switch {
	case d.Do == End && d.Outcome != outcome.OK:
		f.Level = Refusal
	case d.Do == Look && d.Next.Kind == MoveStartSync, d.Do == Look && d.Next.Kind == MoveCleanup:
		f.Level = Caution // it may come, or end, without a person
	case d.Do == Look && d.Next.Kind != NoMove:
		f.Level = Refusal
	}
	return f
}

// fine is what is said of a claim that nothing is wrong with. Aspects of a ReplicationSource are left
// out where there is not one.
func (w Observed) fine() []Finding {
	all := []Finding{
		{About: AboutClaim, Why: "it is bound, and VolSync waits for a trigger before it copies"},
		{About: AboutTrigger, Why: "it is not armed"},
		{About: AboutLock},
	}
	s, one := w.source()
	if !one {
		return all
	}
	return append(all,
		Finding{About: AboutSource, Why: "ReplicationSource " + s.Name + " copies it"},
		Finding{About: AboutMover, Why: s.Mover},
		Finding{About: AboutMethod, Why: s.Method},
		Finding{About: AboutSync, Why: "VolSync waits since " + w.Claim.Since},
		Finding{About: AboutCopy, Why: "none is left over"},
	)
}

// Cautions are what a user should know about a claim although it does not stop the run.
func Cautions(w Observed) []Finding {
	var cs []Finding
	caution := func(about Aspect, why string, next Move) {
		cs = append(cs, Finding{About: about, Level: Caution, Why: why, Next: next})
	}
	if c := w.Claim; c.Enabled && (c.Use == "false" || c.Use == "False" || c.Use == "0" || c.Use == "no") {
		caution(AboutClaim, fmt.Sprintf("%s is %q, which VolSync takes as on: it reads presence only; "+
			"remove the annotation to turn copy triggers off", UseAnnotation, c.Use),
			Move{Kind: MoveAnnotate, Key: UseAnnotation, Value: "true"})
	}
	if s, one := w.source(); one && s.Method == "Clone" && w.Binding != BindsAtOnce {
		caution(AboutMethod,
			fmt.Sprintf("ReplicationSource %s copies by Clone: with a storage class that waits for its first "+
				"consumer (WaitForFirstConsumer) the application stays quiesced until VolSync's mover is scheduled; "+
				"use copyMethod Snapshot, or a storage class that binds immediately", s.Name),
			s.set(s.Mover, "copyMethod", CopyMethods()[0].Name))
	}
	if w.ClaimOnly {
		caution(AboutSource, "by --pvc-only, not checked: that a ReplicationSource copies the claim and is syncing, "+
			"that it is the only one, that no earlier copy exists, and that what is recorded is its copy", Move{})
	}
	return cs
}
