package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/labels"
)

// selectorFlags are of the commands that wait for pods.
type selectorFlags struct {
	selector string
}

func (f *selectorFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{text(&f.selector, "selector", usage, "l")}
}

func (f *selectorFlags) check(*cli.Context) error {
	parsed, err := labels.Parse(f.selector)
	switch {
	case err != nil:
		return usageError{fmt.Errorf("--selector %q: %w", f.selector, err),
			"give labels as kubectl get -l takes them: KEY=VALUE,..."}
	case parsed.Empty():
		return usageError{errors.New("--selector is empty"),
			"that would be every pod of the namespace; give labels: KEY=VALUE,..."}
	}
	f.selector = parsed.String()
	return nil
}

// checkOptional takes no selector for no pods to wait for.
func (f *selectorFlags) checkOptional(c *cli.Context) error {
	if f.selector == "" {
		return nil
	}
	return f.check(c)
}
