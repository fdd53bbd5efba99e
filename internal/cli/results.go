package cli

import (
	"errors"
	"fmt"
	"io"
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
	return v
}

func setWaiting(v *result.Values, w step.Waiting) {
	v.Set("trigger", w.Trigger.String())
	v.Set("waiting-since", w.Since)
	v.Set("replication-source", w.Source)
}

func setFired(v *result.Values, f step.Fired) {
	v.Set("fired-at", "") // stays so where an earlier attempt has fired
	if !f.At.IsZero() {
		v.Set("fired-at", timestamp(f.At))
	}
}

func setCopied(v *result.Values, c step.Copied) {
	v.Set("cut-time", c.CutTime)
	v.Set("copy-seconds", "")
	if c.Took > 0 {
		v.Set("copy-seconds", c.Took.Round(time.Millisecond).Seconds())
	}
}

func setDisarmed(v *result.Values, d step.Disarmed) {
	if d.Outcome != "" {
		v.Set("outcome", string(d.Outcome))
	}
	v.Set("lock", string(d.Lock))
}

// timestamp is how results write a time: RFC 3339 in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
