package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

// cleanupIDFlags are of the steps of a cleanup.
type cleanupIDFlags struct {
	cleanupID string
}

func (f *cleanupIDFlags) flags() []cli.Flag {
	return []cli.Flag{text(&f.cleanupID, "cleanup-id",
		"`ID` of this cleanup, the same for its disarm and its unlock, and for their retries: where more "+
			"than one may clean up after the run at a time, the lock of each stays until its own unlock")}
}

func (f *cleanupIDFlags) check(*cli.Context) error {
	if f.cleanupID == "" {
		return nil
	}
	if err := handshake.CheckRun(f.cleanupID); err != nil {
		return usageError{fmt.Errorf("--cleanup-id: %w", err), "use an id of what cleans up, such as that of its pod"}
	}
	return nil
}
