package cli

import "testing"

func TestRecordRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no file to record": {
			args: []string{"record"},
			says: "FILE is missing", hint: "record FILE -- COMMAND",
		},
		"empty file to record": {
			args: []string{"record", "", "--", "true"},
			says: "FILE is missing", hint: "record FILE",
		},
		"no command": {
			args: []string{"record", "f"},
			says: "COMMAND is missing", hint: "record FILE",
		},
		"no command behind --": {
			args: []string{"record", "f", "--"},
			says: "COMMAND is missing", hint: "record FILE",
		},
		"empty command": {
			args: []string{"record", "f", "--", ""},
			says: "COMMAND is missing", hint: "record FILE",
		},
		"a command without --": {
			args: []string{"record", "f", "true"},
			says: `unexpected argument 2`, hint: "record FILE -- COMMAND",
		},
		"a flag behind FILE": {
			args: []string{"record", "f", "--after=g", "--", "true"},
			says: `unexpected argument 2 (--after)`, hint: "flags before FILE",
		},
		"two commands": {
			args: []string{"record", "--command", `["true"]`, "f", "--", "true"},
			says: "there is --command, and also", hint: "once",
		},
		"an empty JSON array": {
			args: []string{"record", "--command", "[]", "f"},
			says: "COMMAND is missing", hint: "record FILE",
		},
		"nothing to record after": {
			args: []string{"record", "--after", "", "f", "--", "true"},
			says: "--after is empty", hint: "record",
		},
		"claim of a record": {
			args: []string{"record", "--pvc", "a", "f", "--", "true"},
			says: "pvc", hint: "record --help",
		},
	})
}
