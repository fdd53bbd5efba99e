package cli

import (
	"context"
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
	claims   []string // of --pvc and of the arguments
	selector string   // of the claims, where they are not named

	members *step.Step // once they are found
}

const (
	claimArgs     = "[--] [NAME...]"
	claimArgsHelp = "\n\nAn argument NAME means --pvc NAME; both add up. Flags go before the first of them."
)

func (f *claimFlags) flags() []cli.Flag {
	return append(f.which(), f.clusterFlags.flags("claim")...)
}

// which returns the flags that name claims.
func (f *claimFlags) which() []cli.Flag {
	return []cli.Flag{
		texts("pvc", "`NAME` of the claim that VolSync copies; the same as an argument NAME; "+
			"given several times, one freeze is around the copies of all"),
		text(&f.selector, "selector", "labels of the claims, as `SELECTOR` of kubectl, instead of their names: "+
			"found when a run begins; its later steps and its cleanup are about those that it has locked", "l"),
	}
}

// check takes the claims of --pvc and of the arguments together: the array parameter of an
// engine can only be handed over as arguments.
func (f *claimFlags) check(c *cli.Context) error { return f.checkNames(c, c.Args().Slice()) }

// checkNames takes the claims of --pvc and these names.
func (f *claimFlags) checkNames(c *cli.Context, names []string) error {
	flags := c.StringSlice("pvc")
	if f.selector != "" { // an engine's parameter that was not given is an empty name
		flags = slices.DeleteFunc(slices.Clone(flags), func(name string) bool { return name == "" })
	}
	for _, name := range flags {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return usageError{fmt.Errorf("--pvc %q is not a claim's name", name), notAClaim(name)}
		}
	}
	for i, name := range names {
		switch {
		case strings.HasPrefix(name, "-"):
			return usageError{fmt.Errorf("%s is not a claim's name", argument(i+1, name)),
				"arguments are names of claims; put flags before the first of them, and before --"}
		case len(validation.IsDNS1123Subdomain(name)) > 0:
			return usageError{fmt.Errorf("%s is not a claim's name", argument(i+1, name)), notAClaim(name)}
		}
	}
	f.claims = slices.Sorted(slices.Values(slices.Concat(flags, names)))
	if err := f.checkWhich(c); err != nil {
		return err
	}
	for i := range f.claims {
		if i > 0 && f.claims[i] == f.claims[i-1] {
			return usageError{fmt.Errorf("claim %q is named twice", f.claims[i]), "name each claim once"}
		}
	}
	return f.clusterFlags.check(c)
}

// checkWhich takes names, or labels.
func (f *claimFlags) checkWhich(c *cli.Context) (err error) {
	switch {
	case f.selector != "" && len(f.claims) > 0:
		return usageError{errors.New("--selector is given, and claims are named, too"),
			"name the claims, or select them by --selector"}
	case f.selector != "" || c.IsSet("selector") && len(f.claims) == 0:
		f.selector, err = readSelector("selector", f.selector, "claim")
		return err
	case len(f.claims) == 0:
		return usageError{errors.New("--pvc is missing"),
			"name the claim that VolSync copies: --pvc NAME, or NAME alone after all flags"}
	}
	return nil
}

// notAClaim is the hint for what is no claim's name.
func notAClaim(name string) string {
	if namespace, claim, is := strings.Cut(name, "/"); is && len(validation.IsDNS1123Label(namespace)) == 0 &&
		len(validation.IsDNS1123Subdomain(claim)) == 0 {
		return "name it without its namespace; all claims of a run are in one, that of --namespace"
	}
	return notAName
}

// connect returns a step on the claims. From now on the log says them, too.
func (f *claimFlags) connect(m *program, version string) (step.Step, error) {
	s, err := f.clusterFlags.connect(m, version)
	if err != nil {
		return s, err
	}
	if len(f.claims) == 1 {
		s.Claim, m.log = f.claims[0], m.log.With("pvc", f.claims[0])
	}
	s.Group, s.Log = f.claims, m.log
	return s, nil
}

// selected returns the step on the claims that are named, or that have the labels now.
func (f *claimFlags) selected(ctx context.Context, s step.Step, o step.SelectOptions) (step.Step, error) {
	if f.selector == "" {
		return s, nil
	}
	o.Selector = f.selector
	s, err := s.Select(ctx, o)
	f.members = &s
	return s, err
}

// found returns the step on the claims that were found, for what is undone.
func (f *claimFlags) found(s step.Step) step.Step {
	if f.members != nil {
		return *f.members
	}
	return s
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
