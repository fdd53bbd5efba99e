package cli

import "testing"

func TestUsage(t *testing.T) {
	refuses(t, map[string]refusal{
		"not a duration": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "--timeout", "10"},
			says: "timeout", hint: "disarm --help",
		},
		"unknown flag": {
			args: []string{"disarm", "--force"},
			says: "force", hint: "disarm --help",
		},
		"another command's flag": {
			args: []string{"disarm", "--trigger", mine},
			says: "trigger", hint: "disarm --help",
		},
		"flag before the command": {
			args: []string{"--pvc", "a", "disarm"},
			says: "pvc", hint: "copytrigger --help",
		},
		"unknown command": {
			args: []string{"fire"},
			says: `unknown command "fire"`, hint: "lists the commands",
		},
		"help of no command": {
			args: []string{"help", "fire"},
			says: "No help topic for 'fire'", hint: "lists the commands",
		},
	})
}
