package cli

import "github.com/urfave/cli/v2"

// command is one command of the program, as its file describes it.
type command struct {
	name        string
	usage       string
	example     string // a command line, with which help begins; a test parses it
	description string
	args        string // "" for a command without arguments
	flags       flagSet
	action      cli.ActionFunc
}

// commands returns the commands in the order in which a run uses them.
func (m *program) commands() []command {
	return []command{
		m.startSyncCommand(),
		m.awaitWaitingCommand(),
		m.fireTriggerCommand(),
		m.awaitCompletedCommand(),
		m.disarmCommand(),
		m.unlockCommand(),
		m.awaitSyncedCommand(),
		m.runCommand(),
		m.cleanupCommand(),
		m.execCommand(),
		m.checkCommand(),
		m.statusCommand(),
		m.checkRestoreCommand(),
		m.verdictCommand(),
		m.recordCommand(),
		m.installCommand(),
		m.awaitPodsEndedCommand(),
		m.versionCommand(),
		m.completionCommand(),
	}
}

// cli returns the command as urfave/cli knows it.
func (c command) cli() *cli.Command {
	return &cli.Command{
		Name:            c.name,
		Usage:           c.usage,
		ArgsUsage:       c.args,
		Description:     "Example:\n   " + c.example + "\n\n" + c.description,
		Flags:           c.flags.flags(),
		Action:          c.action,
		OnUsageError:    onUsageError, // urfave/cli would print the help to stdout, where results go
		HideHelpCommand: true,
	}
}
