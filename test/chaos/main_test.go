package chaos

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, harness.Config{Wanted: "COPYTRIGGER_CHAOS_TESTS", Parallel: 24, Prepare: Prepare}))
}
