package cli

import "testing"

func TestVerdictRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no step": {
			args: []string{"verdict"},
			says: "--step is missing",
			hint: "--step NAME=FILE; the steps are await-waiting, quiesce, fire-trigger, await-completed, disarm, unquiesce",
		},
		"an empty step": {
			args: []string{"verdict", "--step", ""},
			says: `--step "" has no "="`, hint: "NAME=FILE",
		},
		"no file of a step": {
			args: []string{"verdict", "--step", "quiesce"},
			says: `--step "quiesce" has no "="`, hint: "NAME=FILE",
		},
		"empty file of a step": {
			args: []string{"verdict", "--step", "quiesce="},
			says: "names no file", hint: "parameter",
		},
		"unknown step": {
			args: []string{"verdict", "--step", "freeze=f"},
			says: `there is no step "freeze"`, hint: "the steps are await-waiting",
		},
		"step without a name": {
			args: []string{"verdict", "--step", "=f"},
			says: `there is no step ""`, hint: "the steps are await-waiting",
		},
		"a step twice": {
			args: []string{"verdict", "--step", "await-completed=f", "--step", "await-completed=g"},
			says: "await-completed is given twice", hint: "once",
		},
		"a step by itself, and in another": {
			args: []string{"verdict", "--step", "fire-and-await=f", "--step", "fire-trigger=g"},
			says: "--step fire-and-await is given, and", hint: "both of them",
		},
		"nobody awaits": {
			args: []string{"verdict", "--step", "quiesce=f", "--step", "unquiesce=g"},
			says: "--step await-completed is missing", hint: "each step",
		},
		"argument of a verdict": {
			args: []string{"verdict", "--step", "disarm=f", "extra"},
			says: `unexpected argument 1`, hint: "verdict --help",
		},
		"claim of a verdict": {
			args: []string{"verdict", "--step", "disarm=f", "--pvc", "a"},
			says: "pvc", hint: "verdict --help",
		},
	})
}
