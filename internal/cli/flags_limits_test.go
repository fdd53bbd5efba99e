package cli

import "testing"

func TestLimitsRefuse(t *testing.T) {
	refuses(t, map[string]refusal{
		"a later limit, bad": {
			args: []string{"await-waiting", "--pvc", "a", "--copy-timeout", "600"},
			says: "copy-timeout", hint: "await-waiting --help",
		},
		"a later limit, empty": {
			args: []string{"await-waiting", "--pvc", "a", "--ack-timeout="},
			says: "ack-timeout", hint: "await-waiting --help",
		},
		"a later limit, negative": {
			args: []string{"await-waiting", "--pvc", "a", "--copy-timeout", "-1s"},
			says: "negative", hint: "0 looks once",
		},
		"a later limit of 0": {
			args: []string{"await-waiting", "--pvc", "a", "--ack-timeout", "0"},
			says: "--ack-timeout is 0", hint: "react",
		},
		"negative": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "-1s"},
			says: "negative", hint: "0 looks once",
		},
		"negative ack": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "-1s"},
			says: "negative", hint: "",
		},
		"no time to react": {
			args: []string{"await-completed", "--pvc", "a", "--trigger", mine, "--ack-timeout", "0"},
			says: "--ack-timeout is 0", hint: "1m",
		},
	})
}
