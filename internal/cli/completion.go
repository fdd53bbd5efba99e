package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// completionCommand prints what a shell needs to complete command lines of this program.
func (m *program) completionCommand() command {
	f := &completionFlags{}
	return command{
		name:    "completion",
		usage:   "print the completion for a shell: bash, zsh or fish",
		example: "copytrigger completion bash",
		description: "For this shell only: source <(copytrigger completion bash), the same with zsh, or\n" +
			"copytrigger completion fish | source. For all to come, write it to\n" +
			"~/.local/share/bash-completion/completions/copytrigger, to a file _copytrigger in a directory\n" +
			"of zsh's fpath, or to ~/.config/fish/completions/copytrigger.fish.",
		args:   "bash|zsh|fish",
		flags:  f,
		action: m.withoutResults(f, func() error { return f.run(m) }),
	}
}

type completionFlags struct {
	logFlags
	shell string
}

func (f *completionFlags) check(c *cli.Context) error {
	f.shell = c.Args().First()
	if !slices.Contains(shells(), f.shell) || c.NArg() > 1 {
		return usageError{fmt.Errorf("one shell is wanted, not %q", c.Args().Slice()),
			"copytrigger completion bash, or zsh, or fish"}
	}
	return nil
}

func (f *completionFlags) run(m *program) error {
	if _, err := io.WriteString(m.stdout, completion(f.shell, m.commands())); err != nil {
		return &outcome.Ending{
			Outcome: outcome.Failed, Err: err, Why: "the completion was not printed: " + err.Error(),
			Hint: "was stdout closed?",
		}
	}
	return nil
}

// shells returns the shells that there is a completion for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// completion returns the script for a shell. It has the commands and their flags in itself.
// Those of urfave/cli run the line that is being typed, with whatever is in it, for each answer
// (bash, zsh), or have no end (fish, once a command line was read).
func completion(shell string, commands []command) string {
	switch shell {
	case "bash":
		return bashCompletion(commands)
	case "zsh":
		return zshCompletion(commands)
	}
	return fishCompletion(commands)
}

// typed returns a flag as it is typed: --namespace, -n.
func typed(flag cli.Flag) []string {
	var all []string
	for _, name := range flag.Names() {
		if len(name) == 1 {
			all = append(all, "-"+name)
		} else {
			all = append(all, "--"+name)
		}
	}
	return all
}

func bashCompletion(commands []command) string {
	var cases strings.Builder
	all := []string{"help"}
	for _, c := range commands {
		all = append(all, c.name)
		words := []string{"--help"}
		for _, flag := range c.flags.flags() {
			words = append(words, typed(flag)...)
		}
		if c.name == "completion" {
			words = append(shells(), words...)
		}
		fmt.Fprintf(&cases, "\t%s) words='%s' ;;\n", c.name, strings.Join(words, " "))
	}
	return fmt.Sprintf(`# bash completion for copytrigger
_copytrigger() {
	local word words='' commands='%s'
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[ "$word" != -- ] || return 0 # what follows is no flag of ours
	done
	case ${COMP_WORDS[1]} in
%s	help) words=$commands ;;
	esac
	[ "$COMP_CWORD" -gt 1 ] || words="$commands --help --version"
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _copytrigger copytrigger
`, strings.Join(all, " "), &cases)
}

func zshCompletion(commands []command) string {
	var all, cases strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&all, "\t\t%s\n", zshWord(c.name+":"+c.usage))
		fmt.Fprintf(&cases, "\t%s)\n\t\t_arguments \\\n", c.name)
		for _, flag := range c.flags.flags() {
			for _, spec := range zshFlag(flag) {
				fmt.Fprintf(&cases, "\t\t\t%s \\\n", zshWord(spec))
			}
		}
		rest := "*:file:_files"
		if c.name == "completion" {
			rest = "1:shell:(" + strings.Join(shells(), " ") + ")"
		}
		fmt.Fprintf(&cases, "\t\t\t'--help[show help]' '%s' ;;\n", rest)
	}
	return fmt.Sprintf(`#compdef copytrigger
_copytrigger() {
	local -a commands=(
%s	)
	if (( CURRENT == 2 )); then
		_describe command commands
		return
	fi
	shift words
	(( CURRENT-- ))
	case $words[1] in
%s	help) (( CURRENT == 2 )) && _describe command commands ;;
	esac
}
if [ "$funcstack[1]" = _copytrigger ]; then # found in fpath, not sourced
	_copytrigger "$@"
else
	compdef _copytrigger copytrigger
fi
`, &all, &cases)
}

// zshFlag returns the words of zsh's _arguments for a flag.
func zshFlag(flag cli.Flag) []string {
	doc := flag.(cli.DocGenerationFlag)
	usage := strings.NewReplacer("`", "", "[", `\[`, "]", `\]`, ":", `\:`).Replace(doc.GetUsage())
	repeat, value := "", ""
	if _, many := flag.(*cli.StringSliceFlag); many {
		repeat = "*"
	}
	var specs []string
	for _, name := range typed(flag) {
		if doc.TakesValue() {
			value = ":value:_files"
			if strings.HasPrefix(name, "--") {
				name += "="
			}
		}
		specs = append(specs, repeat+name+"["+usage+"]"+value)
	}
	return specs
}

func fishCompletion(commands []command) string {
	var b strings.Builder
	b.WriteString("# fish completion for copytrigger\n")
	unquoted := strings.NewReplacer("`", "", `\`, `\\`, "'", `\'`)
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c copytrigger -n __fish_use_subcommand -f -a %s -d '%s'\n",
			c.name, unquoted.Replace(c.usage))
	}
	for _, c := range commands {
		of := "complete -c copytrigger -n '__fish_seen_subcommand_from " + c.name + "'"
		for _, flag := range c.flags.flags() {
			doc := flag.(cli.DocGenerationFlag)
			words := ""
			for _, name := range flag.Names() {
				words += map[bool]string{true: " -s ", false: " -l "}[len(name) == 1] + name
			}
			if doc.TakesValue() {
				words += " -r"
			}
			fmt.Fprintf(&b, "%s%s -d '%s'\n", of, words, unquoted.Replace(doc.GetUsage()))
		}
		if c.name == "completion" {
			fmt.Fprintf(&b, "%s -f -a '%s'\n", of, strings.Join(shells(), " "))
		}
	}
	return b.String()
}

// zshWord returns a word in single quotes.
func zshWord(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
