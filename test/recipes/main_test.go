// Package recipes runs the recipes of docs/recipes as they are shipped: scripts, arguments and
// rights out of the YAML, the real copytrigger and VolSync, and the real databases, as
// processes of the test on the volume of a claim:
//
//	make recipes
package recipes

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	// What copytrigger leaves behind becomes ours: as nobody's children, stopped processes
	// would be ended by the kernel (bench.lose).
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "recipes:", err)
		os.Exit(1)
	}
	code := harness.Main(m, harness.Config{Wanted: "COPYTRIGGER_RECIPE_TESTS", Parallel: 3, Open: true})
	if err := os.RemoveAll(templates.dir); err != nil {
		fmt.Fprintln(os.Stderr, "recipes:", err)
	}
	os.Exit(code)
}
