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
		"no such quiesce in a line": {
			args: []string{"run", "--pvc", "a", "--quiesce", "no-such-program x", "--unquiesce", "true"},
			says: "--quiesce cannot be run: no-such-program: executable file not found", hint: "in the image",
		},
		"no such unquiesce in a line": {
			args: []string{"run", "--pvc", "a", "--quiesce", "true", "--unquiesce", "./unquiese"},
			says: "--unquiesce cannot be run: ./unquiese: no such file or directory", hint: "in the image",
		},
		"no such hold in a line": {
			args: []string{"run", "--pvc", "a", "--hold", "./none"},
			says: "--hold cannot be run: ./none: ", hint: "in the image",
		},
		"no such unquiesce in a line of a cleanup": {
			args: []string{"cleanup", "--pvc", "a", "--run-id", "r", "--unquiesce", "./unquiese"},
			says: "--unquiesce cannot be run: ./unquiese: no such file or directory", hint: "in the image",
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
		"white space around the ready line": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--ready-line", " a"},
			says: "--ready-line", hint: "QUIESCED",
		},
		"a pod without --in-pod": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--pod", "db-0"},
			says: "is given without --in-pod", hint: "give --in-pod",
		},
		"labels of a pod without --in-pod": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--pod-selector", "app=db"},
			says: "is given without --in-pod", hint: "give --in-pod",
		},
		"a container without --in-pod": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--container", "db"},
			says: "is given without --in-pod", hint: "give --in-pod",
		},
		"a pod by name and by labels": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--in-pod", "--pod", "db-0", "--pod-selector", "app=db"},
			says: "--pod and --pod-selector are given", hint: "one of them",
		},
		"a sync started by the claim alone": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--start-sync", "--pvc-only"},
			says: "--start-sync and --pvc-only are both given", hint: "rbac/start-sync",
		},
		"a sync started without time": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--start-sync", "--timeout", "0"},
			says: "--start-sync is given, and --timeout is 0", hint: "some time to begin",
		},
		"a sync awaited by the claim alone": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--await-synced", "--pvc-only"},
			says: "--await-synced and --pvc-only are both given", hint: "list and watch",
		},
		"few bytes for the results": {
			args: []string{"run", "--pvc", "a", "--hold", "cat", "--results-limit", "511"},
			says: "--results-limit is 511", hint: "at least 512",
		},
		"a claim with its namespace": {
			args: []string{"run", "--pvc", "app/a", "--hold", "cat"},
			says: `--pvc "app/a" is not a claim's name`, hint: "without its namespace",
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

// A command that is for a pod need not be there where copytrigger runs.
func TestCommandsForAPod(t *testing.T) {
	noEnv(t)
	for _, args := range [][]string{
		{"--hold", `["/no/such"]`},
		{"--quiesce", `["/no/such"]`, "--unquiesce", `["/no/such"]`},
	} {
		if _, err := parsed(append([]string{"run", "--pvc", "a", "--in-pod"}, args...)...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}
