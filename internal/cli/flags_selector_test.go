package cli

import "testing"

func TestSelectorRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no selector": {
			args: []string{"await-pods-ended"},
			says: "--selector is empty", hint: "every pod",
		},
		"empty selector": {
			args: []string{"await-pods-ended", "-l", ""},
			says: "--selector is empty", hint: "every pod",
		},
		"blank selector": {
			args: []string{"await-pods-ended", "-l", " "},
			says: "--selector is empty", hint: "every pod",
		},
		"Tekton's selector": {
			args: []string{"await-pods-ended", "-l", "tekton.dev/pipelineRun=$(context.pipelineRun.name)"},
			says: "--selector", hint: "kubectl get -l",
		},
		"odd selector": {
			args: []string{"await-pods-ended", "-l", "a=b=c"},
			says: "--selector", hint: "kubectl get -l",
		},
		"argument of a selector": {
			args: []string{"await-pods-ended", "-l", "a=b", "pod"},
			says: `unexpected argument 1`, hint: "await-pods-ended --help",
		},
		"claim of a selector": {
			args: []string{"await-pods-ended", "-l", "a=b", "--pvc", "a"},
			says: "pvc", hint: "await-pods-ended --help",
		},
		"negative, for pods": {
			args: []string{"await-pods-ended", "-l", "a=b", "--timeout", "-1s"},
			says: "negative", hint: "0 looks once",
		},
		"a namespace of no pods": {
			args: []string{"await-pods-ended", "-l", "a=b", "-n", ""},
			says: "--namespace is empty", hint: "leave it out",
		},
	})
}
