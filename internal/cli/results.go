package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// writeResults writes the results of an action that ended with err, and returns the error that
// the command ends with. They are written after a bad end too, so that a pipeline finds every
// result that it declares.
//
// Results that cannot be written are a failure: the pipeline acts on them. A good end is undone
// then, and what can be written says so, in place of what was written before.
//
// Nobody waits for whom does not take them: the application may be quiesced until the next step.
func (m *program) writeResults(v result.Values, dir string, err error, undo func(why error) error) error {
	setOutcome(&v, err)
	werr := m.writeFiles(v, dir)
	if werr == nil { // or what stdout says could not be taken back
		werr = m.writeStdout(v)
	}
	if werr == nil {
		return err
	}
	if err == nil {
		err = undo(werr)
	}
	if !errors.Is(err, werr) {
		err = join(err, werr)
	}
	setOutcome(&v, err)
	_ = m.writeFiles(v, dir) // each by itself: one of them cannot be written
	_ = m.writeStdout(v)
	return err
}

// How long results may take to be written.
const (
	filesLimit  = 5 * time.Second
	stdoutLimit = 2 * time.Second
)

func (m *program) writeFiles(v result.Values, dir string) error {
	v = v.Clone()
	return within(filesLimit, "writing the results to "+dir, func() error { return v.Write(io.Discard, dir) })
}

func (m *program) writeStdout(v result.Values) error {
	v = v.Clone()
	return within(stdoutLimit, "writing the results: stdout was not read", func() error { return v.Write(m.stdout, "") })
}

// within returns do's error. If do takes longer than limit, it is left alone, and the error says
// what it was.
func within(limit time.Duration, what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%s: gave up after %s", what, limit)
	}
}

// setOutcome sets outcome and reason of an action that did not end well.
func setOutcome(v *result.Values, err error) {
	var ending *outcome.Ending
	switch {
	case err == nil:
		return
	case errors.As(err, &ending):
		v.Set("outcome", string(ending.Outcome))
		v.Set("reason", oneLine(ending.Error()))
	default:
		v.Set("outcome", string(outcome.Failed))
		v.Set("reason", oneLine(err.Error()))
	}
}

// join returns both errors on one line. The first, if there is one, decides the exit code.
func join(first, second error) error {
	if first == nil {
		return second
	}
	return fmt.Errorf("%w; and %w", first, second)
}

// claimValues starts the results of a step.
func claimValues(s step.Step) result.Values {
	var v result.Values
	v.Set("outcome", string(outcome.OK))
	v.Set("reason", "") // why it did not end well
	if s.Claim != "" {
		v.Set("pvc", s.Namespace+"/"+s.Claim)
	}
	if len(s.Group) > 0 || s.Selector != "" {
		setOfGroup(&v, s, "pvcs", result.List[string](s.Group))
	}
	return v
}

// setOfGroup sets a result that one claim has in files alone: a pipeline declares it for any number.
func setOfGroup(v *result.Values, s step.Step, name string, value any) {
	if s.Claim != "" {
		v.SetInFile(name, value)
		return
	}
	v.Set(name, value)
}

// setMembers sets the result claims: an object for each member, with how it ended, and what set has to
// say of it beside what is there. Where the group has ended badly as a whole, each has.
func setMembers(v *result.Values, s step.Step, err error, set func(i int, m *result.Values)) {
	var errs *step.MemberErrors
	errors.As(err, &errs)
	whole := v.Clone()
	if errs == nil {
		setOutcome(&whole, err)
	}
	was, _ := v.Get("claims").(result.List[result.Values])
	all := result.List[result.Values]{}
	for i, name := range s.Group {
		var m result.Values
		if len(was) > 0 {
			m = was[i].Clone()
		}
		m.Set("name", name)
		m.Set("outcome", string(outcome.OK))
		switch {
		case errs != nil:
			setOutcome(&m, errs.Errors[i])
		case err != nil:
			m.Set("outcome", whole.Get("outcome")) // nobody knows better
		}
		if set != nil {
			set(i, &m)
		}
		all = append(all, m)
	}
	setOfGroup(v, s, "claims", all)
}

func setWaiting(v *result.Values, s step.Step, w step.Waiting, err error) {
	v.Set("trigger", w.Trigger.String())
	if s.Claim != "" {
		on := append(w.Members, step.WaitingOn{})[0]
		v.Set("waiting-since", on.Since)
		v.Set("replication-source", on.Source)
	} else { // each its own; a pipeline that declares them finds them
		v.SetInFile("waiting-since", "")
		v.SetInFile("replication-source", "")
	}
	setMembers(v, s, err, func(i int, m *result.Values) {
		if i < len(w.Members) {
			m.Set("source", w.Members[i].Source)
			m.Set("waiting-since", w.Members[i].Since)
		}
	})
}

func setFired(v *result.Values, s step.Step, f step.Fired, err error) {
	v.Set("fired-at", "") // stays so where an earlier attempt has fired
	if !f.At.IsZero() {
		v.Set("fired-at", timestamp(f.At))
	}
	setMembers(v, s, err, func(_ int, m *result.Values) {
		if !f.At.IsZero() {
			m.Set("fired-at", timestamp(f.At))
		}
	})
}

// setCopied sets what is known of the copies: of a group the last cut, and how far it is from the
// first.
func setCopied(v *result.Values, s step.Step, cs []step.Copied, err error) {
	var last step.Copied
	var cuts []time.Time
	for _, c := range cs {
		last.Took = max(last.Took, c.Took)
		if at, perr := time.Parse(time.RFC3339, c.CutTime); perr == nil {
			if cuts = append(cuts, at); !slices.MaxFunc(cuts, time.Time.Compare).After(at) {
				last.CutTime = c.CutTime
			}
		}
	}
	v.Set("cut-time", last.CutTime)
	v.Set("copy-seconds", "")
	if last.Took > 0 {
		v.Set("copy-seconds", step.Seconds(last.Took))
	}
	setOfGroup(v, s, "skew-seconds", "")
	if len(cuts) > 0 && len(cuts) == len(s.Group) {
		first, latest := slices.MinFunc(cuts, time.Time.Compare), slices.MaxFunc(cuts, time.Time.Compare)
		setOfGroup(v, s, "skew-seconds", step.Seconds(latest.Sub(first)))
	}
	setMembers(v, s, err, func(i int, m *result.Values) {
		if i < len(cs) {
			m.Set("cut-time", cs[i].CutTime)
			if cs[i].Copy != "" {
				m.Set("copy", cs[i].Copy)
			}
		}
	})
}

// setCopies sets the uids of the copies that were cut, as --copy has them.
func setCopies(v *result.Values, s step.Step, cs []step.Copied) {
	var uids []string
	for i, c := range cs {
		if s.Claim != "" {
			uids = []string{c.Copy}
		} else if c.Copy != "" {
			uids = append(uids, s.Group[i]+"="+c.Copy)
		}
	}
	v.Set("copy", strings.Join(uids, ","))
}

// setDisarmed sets what a cleanup has found: of a group the worst.
func setDisarmed(v *result.Values, s step.Step, all []step.Disarmed, err error) {
	found := outcome.Outcome("")
	for _, d := range all {
		if d.Outcome != "" && (found == "" || outcome.Worse(d.Outcome, found)) {
			found = d.Outcome
		}
	}
	if found != "" {
		v.Set("outcome", string(found))
	}
	v.Set("lock", string(step.WhoseAll(all)))
	var errs *step.MemberErrors
	errors.As(err, &errs)
	setMembers(v, s, err, func(i int, m *result.Values) {
		if i >= len(all) { // nobody knows
			return
		}
		if all[i].Outcome != "" && (errs == nil || errs.Errors[i] == nil) {
			m.Set("outcome", string(all[i].Outcome))
		}
		m.Set("lock", string(all[i].Lock))
	})
}

// timestamp is how results write a time: RFC 3339 in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
