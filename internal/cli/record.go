package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/process"
	"github.com/copytrigger/copytrigger/internal/result"
)

// recordCommand is for engines that stop a pod as soon as one container fails. It needs no
// cluster.
func (m *program) recordCommand() command {
	f := &recordFlags{}
	return command{
		name:    "record",
		usage:   "run a command, keep its exit code in a file for verdict and --after, and exit with 0",
		example: "copytrigger record /run/copytrigger/quiesce -- psql --file=quiesce.sql",
		description: "Where a step that fails stops all that come after it, unquiesce too (an Argo\n" +
			"containerSet). FILE appears when the command has ended: with its exit code, 128+n if a\n" +
			"signal killed it, 126 or 127 if it cannot be run or --command is no JSON array, 3 if\n" +
			"--after kept it from running.\n" +
			"There is no FILE if this command is killed itself. SIGTERM, SIGINT and SIGHUP go to\n" +
			"the process group of the command, any other signal that ends a step as SIGTERM. It exits\n" +
			"with 1, and has run nothing, if FILE cannot be written; with 64 if the command line is\n" +
			"wrong.\n\n" +
			"Where it is only a command that cannot be started which stops what comes after it (a\n" +
			"Tekton step with onError: continue): --exit, with no FILE. It exits with the code that it\n" +
			"would keep.\n\n" +
			"Of our variables the command gets COPYTRIGGER_RUN_ID, COPYTRIGGER_NAMESPACE, COPYTRIGGER_PVCS\n" +
			"and COPYTRIGGER_MAX_FREEZE_SECONDS, where they are set. --with-pvcs makes COPYTRIGGER_PVCS of\n" +
			"names, as an engine has them: a NAME is that of a claim, several with commas between, or\n" +
			"@PATH of a file with the result pvcs; an empty one is none, and there must be one. Of a list\n" +
			"that --results-limit has cut it makes nothing, for no command may take it for all claims.",
		args:   "FILE [-- COMMAND [ARG...]], or --exit [-- COMMAND [ARG...]]; --with-pvcs: NAME... before --",
		flags:  f,
		action: m.withoutResults(f, func() error { return f.run(m) }),
	}
}

type recordFlags struct {
	asJSON string // the command; "" for that of the arguments
	afterFlags
	exit     bool // with the code of the command, and keep no file
	dryRun   bool // only see whether the command can be run
	withPVCs bool // names of claims come before the command
	logFlags

	file       string   // for the exit code
	names      []string // of the claims, as they are given
	command    []string
	unreadable error // why command is not what was meant; nil if it is
}

func (f *recordFlags) flags() []cli.Flag {
	return slices.Concat(
		[]cli.Flag{text(&f.asJSON, "command",
			"the command as `JSON` array of strings, for engines without array parameters, instead of -- COMMAND")},
		f.afterFlags.flags(),
		[]cli.Flag{
			boolean(&f.exit, "exit", "exit with the code instead of keeping it in FILE"),
			boolean(&f.dryRun, "dry-run", "only see whether the command can be run"),
			boolean(&f.withPVCs, "with-pvcs", "the arguments before -- COMMAND are names of claims, for COPYTRIGGER_PVCS"),
		},
		f.logFlags.flags(),
	)
}

func (f *recordFlags) check(c *cli.Context) error {
	if err := f.afterFlags.check(c); err != nil {
		return err
	}
	rest := c.Args().Slice()
	if !f.exit {
		if len(rest) == 0 || rest[0] == "" {
			return usageError{errors.New("FILE is missing"), f.see() + "; or --exit instead of FILE"}
		}
		f.file, rest = rest[0], rest[1:]
	}
	if f.withPVCs {
		if rest = f.readNames(rest); len(f.names) == 0 {
			return usageError{errors.New("NAME is missing"), f.see()}
		}
	}
	if err := f.readCommand(c.IsSet("command"), rest); err != nil {
		return err
	}
	if len(f.command) == 0 || f.command[0] == "" {
		return usageError{errors.New("COMMAND is missing"), f.see()}
	}
	if err := process.Can(false); err != nil {
		return usageError{fmt.Errorf("%s cannot be run: %w", f.command[0], err), runOnLinux}
	}
	return nil
}

// readNames takes the names before -- from the rest of the arguments.
func (f *recordFlags) readNames(rest []string) []string {
	end := slices.Index(rest, "--")
	if end < 0 {
		end = len(rest)
	}
	f.names, rest = rest[:end], rest[end:]
	if f.exit && len(rest) > 0 { // as where the flags end with it
		return rest[1:]
	}
	return rest
}

// readCommand reads the command of --command, if that is given, or of the rest of the arguments.
func (f *recordFlags) readCommand(given bool, rest []string) error {
	switch {
	case given && len(rest) > 0:
		return usageError{errors.New("there is --command, and also a command in the arguments"), "give the command once"}
	case given:
		if err := json.Unmarshal([]byte(f.asJSON), &f.command); err != nil {
			// No image has such a command: it is recorded like one that cannot be run.
			f.unreadable = usageError{fmt.Errorf("--command: %w", notStrings(err)),
				`give it as ["psql", "--file=x.sql"]; for a shell, ["sh", "-c", "…"]; ` +
					`was a variable of the pipeline not expanded?`}
			f.command = []string{"the command"}
		}
	case f.exit:
		f.command = rest
	case len(rest) > 0 && rest[0] != "--":
		return usageError{fmt.Errorf("unexpected %s", argument(2, rest[0])), f.see()}
	case len(rest) > 0:
		f.command = rest[1:]
	}
	return nil
}

// see returns the hint for arguments that are wrong.
func (f *recordFlags) see() string {
	switch {
	case f.exit && f.withPVCs:
		return "copytrigger record --exit --with-pvcs NAME... -- COMMAND [ARG...]"
	case f.withPVCs:
		return "copytrigger record --with-pvcs FILE NAME... -- COMMAND [ARG...]"
	case f.exit:
		return "copytrigger record --exit -- COMMAND [ARG...]"
	}
	return "copytrigger record FILE -- COMMAND [ARG...], flags before FILE"
}

func (f *recordFlags) run(m *program) error {
	if f.exit {
		if code := f.exitCode(m); code != 0 {
			return commandExit(code)
		}
		return nil
	}
	recording, err := exitfile.Record(f.file)
	if err != nil {
		return &outcome.Ending{
			Outcome: outcome.Failed, Err: err, Why: "nothing was run: " + err.Error(),
			Hint: "give a file in an existing, writable directory",
		}
	}
	return recording.Ended(f.exitCode(m))
}

// exitCode runs the command, if nothing keeps it from running, and returns the code to record.
func (f *recordFlags) exitCode(m *program) int {
	got := listen(m.signals, len(m.signals.Stops()))
	m.catch(syscall.SIGPIPE) // the program ignores it
	// A second signal must not kill us now: there would be no file.
	if stop, stopped := m.stopListening(); stopped {
		m.log.Warn(fmt.Sprintf("%s was not run: %s", process.Name(f.command), stop))
		return outcome.Signalled.Code(stop)
	}
	if f.after != "" {
		if exit := exitfile.Read(f.after); !exit.OK() {
			m.log.Warn(fmt.Sprintf("%s was not run: what it comes after %s", process.Name(f.command), exit), "after", f.after)
			return outcome.Refused.Code(outcome.Stop{})
		}
	}
	switch {
	case f.unreadable != nil:
		m.log.Error(f.unreadable.Error(), "hint", hintOf(f.unreadable))
		return process.NotExecutable
	case f.dryRun:
		return f.canRun(m)
	}
	return f.runCommand(m, got)
}

// canRun returns the code with which a command ends that cannot be run; 0 for one that can.
func (f *recordFlags) canRun(m *program) int {
	code, err := process.CanRun(f.command[0])
	if err != nil {
		m.log.Error(fmt.Sprintf("%s cannot be run: %v", process.Name(f.command), err), "hint", cannotRun)
	}
	return code
}

// runCommand runs the command, which gets the signals, and returns its code.
func (f *recordFlags) runCommand(m *program, got <-chan os.Signal) int {
	code, err := process.Command{
		Args: f.command, Env: f.environment(m),
		Stdin: os.Stdin, Stdout: m.stdoutOf(process.Name(f.command)), Stderr: m.stderr,
	}.Run(got)
	switch {
	case err != nil:
		m.log.Error(fmt.Sprintf("%s was not run: %v", process.Name(f.command), err), "hint", cannotRun)
	case code != 0:
		m.log.Warn(fmt.Sprintf("%s ended with exit code %d", process.Name(f.command), code))
	}
	return code
}

// environment returns that of the command. Names that cannot be had keep no command from running:
// it may be an unquiesce.
func (f *recordFlags) environment(m *program) []string {
	vars := environmentOf(f.command)
	if !f.withPVCs {
		return vars
	}
	vars = slices.DeleteFunc(vars, func(kv string) bool { return strings.HasPrefix(kv, envPrefix("pvcs")) })
	names, err := namesOf(f.names)
	if err != nil {
		m.log.Warn(fmt.Sprintf("%s gets no COPYTRIGGER_PVCS: %v", process.Name(f.command), err))
		return vars
	}
	return append(vars, envPrefix("pvcs")+strings.Join(names, " "))
}

// namesOf returns the claims that arguments name, each once. An engine may hand over the names that
// were given, and those that were found.
func namesOf(args []string) (names []string, err error) {
	cut, twice := false, false
	for _, arg := range args {
		given := strings.Split(arg, ",")
		if path, is := strings.CutPrefix(arg, "@"); is {
			if given, err = result.ReadNames(path); err != nil {
				return nil, err
			}
		}
		for _, name := range given {
			switch name = strings.TrimSpace(name); {
			case name == "":
			case slices.Contains(names, name):
				twice = true
			case result.IsMark(name):
				cut = true
			case len(validation.IsDNS1123Subdomain(name)) > 0:
				return nil, fmt.Errorf("%q is not a claim's name", name)
			default:
				names = append(names, name)
			}
		}
	}
	switch {
	case cut && !twice: // or those that were given are all
		return nil, errors.New("--results-limit has cut the list of the claims; name them instead of selecting them")
	case len(names) == 0:
		return nil, errors.New("no claim is named")
	}
	return names, nil
}
