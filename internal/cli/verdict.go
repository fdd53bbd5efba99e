package cli

import (
	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// verdictCommand is the last step of a run. It needs no cluster.
func (m *program) verdictCommand() *cli.Command {
	return &cli.Command{
		Name:  "verdict",
		Usage: "turn the exit codes of a run's steps into its outcome, where all run whatever fails",
		Description: "Results: outcome, reason, freeze-seconds (from the end of await-waiting to the end of\n" +
			"unquiesce). The steps are await-waiting, quiesce, fire-trigger, await-completed (for these\n" +
			"two, in one process by await-completed --fire: fire-and-await), disarm and unquiesce; a step\n" +
			"whose file is missing did not run to its end. The exit code is 0\n" +
			"only if every one that is given ended with 0. It asks no cluster.\n\n" +
			"Example:\n   copytrigger verdict --step quiesce=/tekton/steps/step-quiesce/exitCode --step ...",
		Flags:  append(outputFlags(), stepFlag()),
		Action: m.runLocally(m.verdict),
	}
}

func (m *program) verdict(o options) (result.Values, error) {
	exits := map[string]quiesce.Exit{}
	for name, file := range o.files {
		exits[name] = quiesce.ReadExit(file)
	}
	return step.Verdict(step.NewReports(exits, meaning), m.log)
}
