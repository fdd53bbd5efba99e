package cli

import "github.com/urfave/cli/v2"

// lockFlags must be given to all three steps of a run, or to none.
type lockFlags struct {
	lock bool
}

func (f *lockFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{boolean(&f.lock, "lock", usage)}
}
