package cli

import (
	"slices"
	"testing"
)

func TestExecRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no command": {args: []string{"exec", "--pvc", "a"}, says: "COMMAND is missing", hint: "-- COMMAND"},
		"a command beside --command": {
			args: []string{"exec", "--pvc", "a", "--command", "true", "--", "psql", "-c"},
			says: "(-c) is not a claim's name", hint: "names of claims",
		},
		"a claim before the command": {
			args: []string{"exec", "--command=true"},
			says: "--pvc is missing", hint: "--pvc NAME",
		},
	})
}

// Arguments are the command; beside --command they are claims, as an engine gives its arrays.
func TestExecArguments(t *testing.T) {
	noEnv(t)
	for _, c := range []struct{ args, command, claims []string }{
		{
			args:    []string{"--pvc=a", "--", "psql", "-c", "x"},
			command: []string{"psql", "-c", "x"},
			claims:  []string{"a"},
		},
		{
			args:    []string{`--command=["psql"]`, "--", "b", "a"},
			command: []string{"psql"},
			claims:  []string{"a", "b"},
		},
		{
			args:    []string{"--pvc=a", "--command=date", "b"},
			command: []string{"/bin/sh", "-c", "date"},
			claims:  []string{"a", "b"},
		},
	} {
		got, err := parsed(append([]string{"exec"}, c.args...)...)
		if err != nil {
			t.Fatalf("%q: %v", c.args, err)
		}
		if f := got.(*execFlags); !slices.Equal(f.command, c.command) || !slices.Equal(f.claims, c.claims) {
			t.Errorf("%q: got %q of %q", c.args, f.command, f.claims)
		}
	}
}
