package cli

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
)

// podsFlags are of the commands that wait for pods.
type podsFlags struct{ pods string }

// check takes no labels for no pods to wait for, where these are optional.
func (f *podsFlags) check(flag string, optional bool) (err error) {
	if f.pods == "" && optional {
		return nil
	}
	f.pods, err = readSelector(flag, f.pods, "pod")
	return err
}

// readSelector reads the labels of a flag, of what they are.
func readSelector(flag, given, what string) (string, error) {
	parsed, err := labels.Parse(given)
	switch {
	case err != nil:
		return "", usageError{fmt.Errorf("--%s %q: %w", flag, given, err),
			"give labels as kubectl get -l takes them: KEY=VALUE,..."}
	case parsed.Empty():
		return "", usageError{fmt.Errorf("--%s is empty", flag),
			"that would be every " + what + " of the namespace; give labels: KEY=VALUE,..."}
	}
	return parsed.String(), nil
}
