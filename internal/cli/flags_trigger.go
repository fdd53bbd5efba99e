package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/result"
)

// triggerFlags are of the commands that need the trigger of await-waiting.
type triggerFlags struct {
	triggerText string
	trigger     handshake.Trigger
}

func (f *triggerFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{text(&f.triggerText, "trigger", usage+"; @FILE means what is in FILE")}
}

func (f *triggerFlags) check(*cli.Context) (err error) {
	given := f.triggerText
	if file, is := strings.CutPrefix(given, "@"); is {
		if given, err = result.Read(file); err != nil {
			return usageError{fmt.Errorf("--trigger: %w", err),
				"await-waiting --results-dir DIR writes it to DIR/trigger, if it ends well"}
		}
	}
	if f.trigger, err = handshake.ParseTrigger(given); err != nil {
		return usageError{fmt.Errorf("--trigger: %w", err), `pass on the result "trigger" of await-waiting`}
	}
	return nil
}
