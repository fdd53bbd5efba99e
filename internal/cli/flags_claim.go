package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/step"
)

// claimFlags are of every command about a claim.
type claimFlags struct {
	clusterFlags
	claim string // of --pvc or an argument
}

const (
	claimArgs     = "[--] [NAME...]"
	claimArgsHelp = "\n\nAn argument NAME means --pvc NAME; both add up. Flags go before the first of them."
)

func (f *claimFlags) flags() []cli.Flag {
	return append([]cli.Flag{
		texts("pvc", "`NAME` of the claim that VolSync copies; the same as an argument NAME"),
	}, f.clusterFlags.flags("claim")...)
}

// check takes the claims of --pvc and of the arguments together: the array parameter of an
// engine can only be handed over as arguments.
func (f *claimFlags) check(c *cli.Context) error {
	flags, names := c.StringSlice("pvc"), c.Args().Slice()
	for _, name := range flags {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return usageError{fmt.Errorf("--pvc %q is not a claim's name", name), notAName}
		}
	}
	for i, name := range names {
		switch {
		case strings.HasPrefix(name, "-"):
			return usageError{fmt.Errorf("%s is not a claim's name", argument(i+1, name)),
				"arguments are names of claims; put flags before the first of them, and before --"}
		case len(validation.IsDNS1123Subdomain(name)) > 0:
			return usageError{fmt.Errorf("%s is not a claim's name", argument(i+1, name)), notAName}
		}
	}
	switch claims := slices.Concat(flags, names); len(claims) {
	case 0:
		return usageError{errors.New("--pvc is missing"),
			"name the claim that VolSync copies: --pvc NAME, or NAME alone after all flags"}
	case 1:
		f.claim = claims[0]
	default:
		return usageError{fmt.Errorf("several claims are named: %s", strings.Join(claims, ", ")),
			"this version coordinates one claim; use one run a claim"}
	}
	return f.clusterFlags.check(c)
}

// connect returns a step on the claim. From now on the log says the claim, too.
func (f *claimFlags) connect(m *program, version string) (step.Step, error) {
	s, err := f.clusterFlags.connect(m, version)
	if err != nil {
		return s, err
	}
	m.log = m.log.With("pvc", f.claim)
	s.Claim, s.Log = f.claim, m.log
	return s, nil
}

// claimOnlyFlags are of the commands that also read VolSync's objects, if they may.
type claimOnlyFlags struct {
	claimOnly bool
}

func (f *claimOnlyFlags) flags() []cli.Flag {
	return []cli.Flag{boolean(&f.claimOnly, "pvc-only",
		"read the claim only, where reading ReplicationSources and VolumeSnapshots is not granted; weaker checks")}
}

// unchecked names what is not checked, so that nobody takes this for the whole promise.
func (f *claimOnlyFlags) unchecked() string {
	if f.claimOnly {
		return "replication-source, copy, record"
	}
	return ""
}

// mayLookAtCopy refuses a command line that asks to look at the copy and to read the claim only.
func (f *claimOnlyFlags) mayLookAtCopy(asked bool) error {
	if f.claimOnly && asked {
		return usageError{errors.New("--pvc-only does not look at the copy"),
			"grant get and watch of volumesnapshots, or leave --until=cut out"}
	}
	return nil
}
