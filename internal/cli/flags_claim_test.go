package cli

import "testing"

func TestClaimRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no claim": {
			args: []string{"disarm", "--run-id", "r"},
			says: "--pvc is missing", hint: "--pvc NAME",
		},
		"a claim twice": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "--pvc", "b", "--pvc", "a"},
			says: `claim "a" is named twice`, hint: "once",
		},
		"one wrong name of three": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a,b", "--pvc", "C"},
			says: "not a claim's name", hint: "lower case",
		},
		"empty claim": {
			args: []string{"disarm", "--run-id", "r", "--pvc", ""},
			says: "not a claim's name", hint: "variable",
		},
		"Tekton's variable": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "$(params.pvc)"},
			says: "not a claim's name", hint: "variable",
		},
		"Argo's variable": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "{{inputs.parameters.pvc}}"},
			says: "not a claim's name", hint: "variable",
		},
		"the directory above": {
			args: []string{"disarm", "--run-id", "r", "--pvc", ".."},
			says: "not a claim's name", hint: "variable",
		},
		"the directory": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "."},
			says: "not a claim's name", hint: "variable",
		},
		"a path": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "../b"},
			says: "not a claim's name", hint: "variable",
		},
		"a shell's variable": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "$(x)"},
			says: "not a claim's name", hint: "variable",
		},
		"blank claim": {
			args: []string{"disarm", "--run-id", "r", "--pvc", " "},
			says: "not a claim's name", hint: "variable",
		},
		"of two namespaces": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "app/data", "--pvc", "other/wal"},
			says: `"app/data" is not a claim's name`, hint: "all claims of a run are in one",
		},
		"of a namespace, as argument": {
			args: []string{"disarm", "--run-id", "r", "--", "other/wal"},
			says: `argument 1 is not a claim's name`, hint: "all claims of a run are in one",
		},
		"a path that is no namespace": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a/b/c"},
			says: "not a claim's name", hint: "variable",
		},
		"names and labels": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "data", "-l", "app=db"},
			says: "--selector is given, and claims are named", hint: "name the claims, or select",
		},
		"arguments and labels": {
			args: []string{"disarm", "--run-id", "r", "-l", "app=db", "data"},
			says: "--selector is given, and claims are named", hint: "name the claims, or select",
		},
		"empty labels": {
			args: []string{"disarm", "--run-id", "r", "-l", ""},
			says: "--selector is empty", hint: "every claim of the namespace",
		},
		"blank labels": {
			args: []string{"disarm", "--run-id", "r", "-l", " "},
			says: "--selector is empty", hint: "every claim of the namespace",
		},
		"neither names nor labels": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "", "-l", ""},
			says: "not a claim's name", hint: "variable",
		},
		"Argo's labels": {
			args: []string{"disarm", "--run-id", "r", "-l", "{{inputs.parameters.selector}}"},
			says: "--selector", hint: "kubectl get -l",
		},
		"capitals": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "Data"},
			says: "not a claim's name", hint: "lower case",
		},
		"namespace above": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ".."},
			says: "not a namespace's name", hint: "variable",
		},
		"namespace here": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "."},
			says: "not a namespace's name", hint: "variable",
		},
		"namespace with a path": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a/b"},
			says: "not a namespace's name", hint: "variable",
		},
		"namespace with a dot": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "a.b"},
			says: "not a namespace's name", hint: "variable",
		},
		"namespace's variable": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", "$(x)"},
			says: "not a namespace's name", hint: "variable",
		},
		"blank namespace": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", " "},
			says: "not a namespace's name", hint: "variable",
		},
		"empty namespace": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "--namespace", ""},
			says: "--namespace is empty", hint: "leave it out",
		},
		"empty namespace, short": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "-n", ""},
			says: "--namespace is empty", hint: "leave it out",
		},
		"as flag and as argument": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "a"},
			says: `claim "a" is named twice`, hint: "once",
		},
		"copies of other claims": {
			args: []string{"await-completed", "--trigger", mine, "--copy", "a=1,c=2", "a", "b"},
			says: "does not name a copy of each claim", hint: "for the same claims",
		},
		"one copy for two claims": {
			args: []string{"await-completed", "--trigger", mine, "--copy", "uid", "a", "b"},
			says: "does not name a copy of each claim", hint: "for the same claims",
		},
		"a flag behind": {
			args: []string{"disarm", "a", "--run-id", "r"},
			says: `argument 2 (--run-id) is not a claim's name`, hint: "put flags before",
		},
		"a flag behind --": {
			args: []string{"disarm", "--", "--run-id=r", "a"},
			says: `argument 1 (--run-id) is not a claim's name`, hint: "put flags before",
		},
		"a short flag behind --": {
			args: []string{"disarm", "--run-id", "r", "--", "-h"},
			says: `argument 1 (-h) is not a claim's name`, hint: "put flags before",
		},
		"twice --": {
			args: []string{"disarm", "--run-id", "r", "--", "--", "a"},
			says: `argument 1 (--) is not a claim's name`, hint: "put flags before",
		},
		"empty argument": {
			args: []string{"disarm", "--run-id", "r", "--", ""},
			says: `argument 1 is not a claim's name`, hint: "variable",
		},
		"Tekton's array": {
			args: []string{"disarm", "--run-id", "r", "--", "$(params.pvcs[*])"},
			says: `argument 1 is not a claim's name`, hint: "variable",
		},
		"a path as argument": {
			args: []string{"disarm", "--run-id", "r", "--", "../b"},
			says: `argument 1 is not a claim's name`, hint: "variable",
		},
		"nothing behind --": {
			args: []string{"disarm", "--run-id", "r", "--"},
			says: "--pvc is missing", hint: "NAME alone",
		},
	})
}
