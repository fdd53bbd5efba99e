package cli

import "testing"

func TestRunRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"nothing to quiesce by": {
			args: []string{"run", "--pvc", "a"},
			says: "nothing says how", hint: "--hold CMD",
		},
		"no unquiesce": {
			args: []string{"run", "--pvc", "a", "--quiesce", "true"},
			says: "--unquiesce is missing: the application would stay quiesced", hint: "--unquiesce CMD",
		},
		"no quiesce": {
			args: []string{"run", "--pvc", "a", "--unquiesce", "true"},
			says: "--quiesce is missing", hint: "--quiesce CMD",
		},
		"hold and quiesce": {
			args: []string{"run", "--pvc", "a", "--hold", "true", "--quiesce", "true"},
			says: "--hold is given, and", hint: "does both",
		},
		"hold and unquiesce": {
			args: []string{"run", "--pvc", "a", "--hold", "true", "--unquiesce", "true"},
			says: "--hold is given, and", hint: "does both",
		},
		"empty quiesce": {
			args: []string{"run", "--pvc", "a", "--quiesce", " ", "--unquiesce", "true"},
			says: "--quiesce: the command is empty", hint: "JSON array",
		},
		"broken quiesce": {
			args: []string{"run", "--pvc", "a", "--quiesce", `["true"`, "--unquiesce", "true"},
			says: "is not a JSON array of strings", hint: "JSON array",
		},
		"no quiesce in it": {
			args: []string{"run", "--pvc", "a", "--quiesce", `[]`, "--unquiesce", "true"},
			says: "names no program", hint: "JSON array",
		},
		"no such quiesce": {
			args: []string{"run", "--pvc", "a", "--quiesce", `["no-such-program"]`, "--unquiesce", "true"},
			says: "--quiesce cannot be run: executable file not found", hint: "in the image",
		},
		"no such unquiesce": {
			args: []string{"run", "--pvc", "a", "--quiesce", "true", "--unquiesce", `["/no/such"]`},
			says: "--unquiesce cannot be run: ", hint: "in the image",
		},
		"no such hold": {
			args: []string{"run", "--pvc", "a", "--hold", `["/no/such"]`},
			says: "--hold cannot be run: ", hint: "in the image",
		},
		"no ready line": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--ready-line", ""},
			says: "--ready-line", hint: "QUIESCED",
		},
		"two ready lines": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--ready-line", "a\nb"},
			says: "--ready-line", hint: "QUIESCED",
		},
		"no freeze": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--max-freeze", "0"},
			says: "--max-freeze is 0s", hint: "such as 5m",
		},
		"a negative freeze": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--max-freeze", "-1s"},
			says: "--max-freeze is -1s", hint: "such as 5m",
		},
		"no time to unquiesce": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--unquiesce-timeout", "0"},
			says: "--unquiesce-timeout is 0s", hint: "such as 5m",
		},
		"until what": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--until", "ready"},
			says: `--until "ready" is neither`, hint: "completed",
		},
		"a cut that nobody sees": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--until", "cut", "--pvc-only"},
			says: "does not look at the copy", hint: "volumesnapshots",
		},
		"empty run of run": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--run-id", ""},
			says: "--run-id is empty", hint: "",
		},
	})
}
