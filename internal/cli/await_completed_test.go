package cli

import "testing"

func TestAwaitCompletedRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"fire, and wait for the cut": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--fire", "--until=cut"},
			says: "--fire is given, and --until=cut", hint: "fire-trigger, then await-completed",
		},
		"an empty copy": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", ""},
			says: "--copy is empty", hint: "--until=cut",
		},
		"the cut of a copy": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", "u", "--until", "cut"},
			says: "both given", hint: "afterwards",
		},
		"a copy that nobody sees": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--copy", "u", "--pvc-only"},
			says: "does not look at the copy", hint: "volumesnapshots",
		},
	})
}
