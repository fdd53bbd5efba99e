// Package ownprocess gives a test a process of its own, for what a process has only once:
// limits, the umask, what becomes of signals. Another test, and the testing package, which
// writes files of its own, would have it, too.
package ownprocess

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// variable names the test that has this process for itself.
const variable = "TEST_OWN_PROCESS"

// Here reports whether this process is the test's own. If it is not, Here runs the test in one
// that is, and fails or skips as it does there:
//
//	if !ownprocess.Here(t) {
//		return
//	}
func Here(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		return true
	}
	switch skipped, err := run(t.Name()); {
	case err != nil:
		t.Error(err)
	case skipped != "":
		t.Skip(skipped)
	}
	return false
}

// run runs one test of this binary. What it says is in skipped if it was skipped, else in err
// if it did not pass.
func run(name string) (skipped string, err error) {
	binary, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("a process for %s: %w", name, err)
	}
	cmd := exec.Command(binary, "-test.v", "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), variable+"="+name)
	out, err := cmd.CombinedOutput()
	said := func(result string) bool { return strings.Contains(string(out), "--- "+result+": "+name+" (") }
	if err == nil && said("SKIP") {
		return string(out), nil
	}
	if err == nil && !said("PASS") {
		err = errors.New("there is no such test")
	}
	if err != nil {
		return "", fmt.Errorf("in a process of its own: %w\n%s", err, out)
	}
	return "", nil
}
