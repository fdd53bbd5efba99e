package chaos

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	// client-go's, for what judges: on a busy machine a connection is slow, not lost.
	if err := os.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "120"); err != nil {
		panic(err)
	}
	os.Exit(harness.Main(m, harness.Config{Wanted: "COPYTRIGGER_CHAOS_TESTS", Parallel: 24, Prepare: Prepare}))
}
