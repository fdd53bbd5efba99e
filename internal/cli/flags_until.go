package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// untilFlags say until when the application waits.
type untilFlags struct {
	until string
}

func (f *untilFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{textOr(&f.until, "until", "completed", usage)}
}

func (f *untilFlags) check(*cli.Context) error {
	if f.until != "cut" && f.until != "completed" {
		return usageError{fmt.Errorf("--until %q is neither cut nor completed", f.until),
			"the default is completed: until VolSync has recorded the trigger"}
	}
	return nil
}

// untilCut reports whether the application waits only until the storage has cut the snapshot.
func (f *untilFlags) untilCut() bool { return f.until == "cut" }
