package cli

import "testing"

func TestTriggerRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no file with a trigger": {
			args: []string{"fire-trigger", "--pvc", "a", "--trigger", "@none"},
			says: "--trigger: stat none", hint: "DIR/trigger",
		},
		"no trigger": {
			args: []string{"fire-trigger", "--pvc", "a"},
			says: "--trigger: it is empty", hint: "await-waiting",
		},
		"Tekton's trigger": {
			args: []string{"fire-trigger", "--pvc", "a", "--trigger", "$(tasks.await.results.trigger)"},
			says: "Tekton variable", hint: "await-waiting",
		},
		"somebody's trigger": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", "mine"},
			says: "was not made by await-waiting", hint: "await-waiting",
		},
	})
}

func TestAfterRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no file to go after": {
			args: []string{"fire-trigger", "--pvc", "a", "--trigger", mine, "--after", ""},
			says: "--after is empty", hint: "step-quiesce",
		},
	})
}
