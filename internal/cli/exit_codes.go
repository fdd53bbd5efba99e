package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// exitCodesTopic returns the topic that `copytrigger help exit-codes` shows.
func exitCodesTopic() *cli.Command {
	return &cli.Command{
		Name:            "exit-codes",
		Usage:           "what the exit codes mean, and what became of the copy",
		Description:     exitCodes(),
		Hidden:          true, // not a step: the program's help names it
		OnUsageError:    onUsageError,
		HideHelpCommand: true,
		Action:          func(c *cli.Context) error { return cli.ShowSubcommandHelp(c) },
	}
}

// exitCodes returns the table of outcomes as text.
func exitCodes() string {
	var b strings.Builder
	b.WriteString("The result outcome has the word. Whatever the code: disarm, then unquiesce, then unlock.\n\n")
	for _, r := range outcome.Table() {
		code := strconv.Itoa(r.Code)
		if r.Outcome == outcome.Signalled {
			code += "+n"
		}
		fmt.Fprintf(&b, "%-5s %-10s %s\n", code, r.Outcome, r.Meaning)
		fmt.Fprintf(&b, "%-16s The copy of this sync %s.\n", "", r.Copy)
	}
	b.WriteString("\nA step that is killed (137, also by a second signal), or that crashes (2), says nothing of\n" +
		"this: its trigger may be armed until disarm has run.")
	return b.String()
}
