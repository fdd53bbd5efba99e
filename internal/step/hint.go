package step

import (
	"slices"
	"strings"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Commands returns the command lines of a move on the step's claim, as they work when they are
// pasted into a shell. No other place makes command lines of hints.
func (s Step) Commands(m handshake.Move) []string {
	own := func(command string, flags ...string) string {
		line := []string{"copytrigger", command, "-n", s.Namespace}
		for _, claim := range s.claims() {
			line = append(line, "--pvc", claim)
		}
		if len(s.claims()) == 0 && s.Selector != "" {
			line = append(line, "-l", s.Selector)
		}
		return s.commandLine(slices.Concat(line, []string{"--run-id", m.Run}, flags)...)
	}
	unlock := func() string { return own("unlock", "--all") } // whichever of its processes has put it on
	switch m.Kind {
	case handshake.MoveUnlock:
		return []string{unlock()}
	case handshake.MoveUnlockAfter:
		if m.Cleanup != "" {
			return []string{own("unlock", "--cleanup-id", m.Cleanup)}
		}
		return []string{own("unlock")}
	case handshake.MoveDisarm:
		return []string{own("disarm")}
	case handshake.MoveCleanup:
		return []string{own("cleanup")}
	case handshake.MoveEnd:
		return []string{own("disarm"), unlock()}
	case handshake.MoveAnnotate:
		return []string{s.commandLine("kubectl", "annotate", "--overwrite", "-n", s.Namespace, "pvc", s.Claim,
			m.Key+"="+m.Value)}
	case handshake.MoveShowClaims:
		if len(s.claims()) == 0 && s.Selector != "" {
			return []string{s.commandLine("kubectl", "get", "pvc", "-n", s.Namespace, "--show-labels")}
		}
		return []string{s.commandLine("kubectl", "get", "pvc", "-n", s.Namespace)}
	case handshake.MoveShowPods:
		if m.Labels == "" {
			return []string{s.commandLine("kubectl", "get", "pods", "-n", s.Namespace)}
		}
		return []string{s.commandLine("kubectl", "get", "pods", "-n", s.Namespace, "-l", m.Labels)}
	case handshake.MoveShowMutators:
		return []string{s.commandLine("kubectl", "get", "mutatingwebhookconfigurations,mutatingadmissionpolicies")}
	case handshake.MoveStartSync:
		line := []string{"copytrigger", "start-sync", "-n", s.Namespace}
		for _, claim := range s.claims() {
			line = append(line, "--pvc", claim)
		}
		return []string{s.commandLine(line...)}
	case handshake.MoveShowSources:
		return []string{s.commandLine("kubectl", "describe", "replicationsources", "-n", s.Namespace)}
	case handshake.MoveDelete:
		return []string{s.commandLine("kubectl", "delete", "-n", s.Namespace, m.Object)}
	}
	return s.looksAndEdits(m)
}

// looksAndEdits is Commands for what kubectl shows and edits.
func (s Step) looksAndEdits(m handshake.Move) []string {
	kubectl := func(words ...string) []string {
		return []string{s.commandLine(append([]string{"kubectl"}, words...)...)}
	}
	switch m.Kind {
	case handshake.MoveShow:
		return kubectl(append([]string{"get", "-n", s.Namespace, m.Object}, strings.Fields(m.Flags)...)...)
	case handshake.MoveShowCluster:
		return kubectl("get", m.Object)
	case handshake.MoveEdit:
		return kubectl("edit", "-n", s.Namespace, m.Object)
	case handshake.MovePatch:
		return kubectl("patch", "-n", s.Namespace, m.Object, "--type", "merge", "-p", m.Value)
	case handshake.MoveDescribeClaim:
		return kubectl("describe", "-n", s.Namespace, "pvc/"+s.Claim)
	case handshake.MoveLog:
		return kubectl("logs", "-n", s.Namespace, m.Object)
	}
	return nil
}

// claims are those that the step is about.
func (s Step) claims() []string {
	if s.Claim != "" {
		return []string{s.Claim}
	}
	return s.Group
}

// commandLine returns a command line for a shell. The cluster is named as it was for this step.
func (s Step) commandLine(words ...string) string {
	var quoted []string
	for _, word := range append(words, s.Cluster...) {
		quoted = append(quoted, quote(word))
	}
	return strings.Join(quoted, " ")
}

// quote returns a word as a shell has it.
func quote(word string) string {
	plain := func(r rune) bool {
		return r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-_./=:,@", r))
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// then is the commands of a move as a sentence, after what else there is to do, "" for nothing.
func (s Step) then(before string, m handshake.Move) string {
	text := strings.Join(s.Commands(m), "; then unquiesce the application by hand, if nobody has; then: ")
	switch {
	case text == "":
		return before
	case before == "":
		return text
	}
	return before + ": " + text
}

// mayNeedUnquiesce reports whether the run that has the claim locked may have left the application
// quiesced by a command, so that its cleanup has to be given another one.
func mayNeedUnquiesce(l handshake.Lock) bool {
	seconds, limited := handshake.OwnerSeconds(l.Own())
	return (l.State == handshake.Held || l.State == handshake.Lost) && !(limited && seconds == 0)
}

// incomplete adds a comment to the command lines of a cleanup, for the flags that only the user knows.
func incomplete(lines []string) []string {
	var all []string
	for _, line := range lines {
		all = append(all, line+" # with the --unquiesce of the run, and --in-pod if it had that")
	}
	return all
}

// hint is the next move after a decision.
func (s Step) hint(d handshake.Decision) string { return s.then(d.Hint, d.Next) }

// left is the ending of a step that leaves something behind: it says what comes first, and how to
// end that by hand. why and hint are what else there is to say.
func (s Step) left(what outcome.Left, run string, e *outcome.Ending) *outcome.Ending {
	e.Left |= what
	move, first := handshake.Move{Kind: handshake.MoveUnlock, Run: run}, ""
	switch {
	case what&outcome.LeftFrozen != 0 && what&outcome.LeftArmed != 0:
		move.Kind = handshake.MoveEnd
	case what&outcome.LeftFrozen != 0:
		first = "unquiesce it by hand; then"
	case what&outcome.LeftArmed != 0:
		move.Kind = handshake.MoveDisarm
	case what == outcome.LeftManual:
		move.Kind = handshake.MoveCleanup
	}
	e.Hint = joinHints(s.then(first, move), e.Hint)
	return e
}

// joinHints returns both hints; what is to be done first goes first.
func joinHints(first, second string) string {
	switch {
	case first == "" || first == second:
		return second
	case second == "":
		return first
	}
	return first + "; then: " + second
}

// about returns what there is to say about the claim, and names it once, however many of the parts
// have named it themselves. A part of "" is left out.
func (s Step) about(parts ...string) string {
	named := s.subject() + ": "
	var said []string
	for _, part := range parts {
		if s.Claim != "" { // a namespace stands in what a request was about, too
			part = strings.ReplaceAll(part, named, "")
		}
		if part != "" {
			said = append(said, part)
		}
	}
	return named + strings.Join(said, "; ")
}
