package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/urfave/cli/v2"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them (make generate)")

const docs = "../../docs/"

// What users read of the command line is made of the command line itself: docs/reference.md, the
// man page, the completions.
func TestGenerated(t *testing.T) {
	noEnv(t)
	commands := commandsWithResults(t)
	files := map[string]string{
		"reference.md":  reference(t, commands),
		"copytrigger.1": manPage(commands),
	}
	for shell, file := range map[string]string{
		"bash": "completions/copytrigger.bash", "zsh": "completions/_copytrigger", "fish": "completions/copytrigger.fish",
	} {
		text := completion(shell, newProgram(nil, nil, withSignals()).commands())
		files[file] = text
	}
	for name, want := range files {
		file := filepath.Join(docs, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("docs/%s is stale (%v): make generate", name, err)
		}
	}
}

// documented is a command with the names of its results.
type documented struct {
	command
	results []string
}

// nothingThere returns a kubeconfig of an API server that has no objects.
func nothingThere(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}],
contexts: [{name: c, context: {cluster: c, namespace: app}}]}`, server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// commandsWithResults runs each command where nothing is there: it says then, too, what results
// it has.
func commandsWithResults(t *testing.T) []documented {
	t.Helper()
	known := knownFlags(t)
	file := filepath.Join(t.TempDir(), "file")
	var all []documented
	for _, c := range newProgram(nil, nil, withSignals()).commands() {
		d := documented{command: c}
		has := func(name string) bool {
			return slices.ContainsFunc(c.flags.flags(), func(f cli.Flag) bool { return f.Names()[0] == name })
		}
		if has("results-dir") {
			line := lineWith(t, c.name, "", known)
			switch {
			case c.name == "exec", c.name == "start-sync", c.name == "check-restore": // they have no look without a limit
				line = given(line, "timeout", "1ms")
			case has("timeout"):
				line = given(line, "timeout", "0")
			}
			if has("kubeconfig") {
				line = given(line, "kubeconfig", nothingThere(t))
			}
			if c.name == "verdict" {
				line = []string{"verdict", "--step=await-completed=" + file}
			}
			d.results = resultsOf(t, line)
			if c.name == "await-completed" { // it has one result more then
				line = given(line, "until", "cut")
				d.results = resultsOf(t, line)
			}
			if has("pvc") { // and some for several claims
				for _, name := range resultsOf(t, given(line, "pvc", "wal")) {
					if !slices.Contains(d.results, name) {
						d.results = append(d.results, name)
					}
				}
			}
		}
		all = append(all, d)
	}
	return all
}

// resultsOf returns the results of a command line, whatever becomes of it.
func resultsOf(t *testing.T, line []string) []string {
	t.Helper()
	var out, log bytes.Buffer
	newProgram(&out, &log, withSignals()).main(append([]string{"copytrigger"}, line...), "v1")
	return keys(t, out.Bytes(), &log)
}

// keys returns the names in a JSON object, in their order.
func keys(t *testing.T, object []byte, log fmt.Stringer) []string {
	t.Helper()
	var names []string
	for d := json.NewDecoder(bytes.NewReader(object)); ; {
		token, err := d.Token()
		if err == io.EOF && len(names) > 0 {
			return names
		}
		if err != nil {
			t.Fatalf("%q is no object: %v: %s", object, err, log)
		}
		if _, is := token.(json.Delim); is {
			continue
		}
		names = append(names, token.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%q: %v", object, err)
		}
	}
}

// meanings says what each result means.
func meanings() map[string]string {
	took := "seconds of this part of the run; empty where it was not gone through, or not seen"
	return map[string]string{
		"outcome": "the word of the [exit codes](#exit-codes). Of `disarm` and `cleanup`: what there was " +
			"to give back: `ok` (nothing), `withdrawn`, or `tainted` (VolSync is copying; if this run has fired, " +
			"do not trust that copy)",
		"reason": "why it did not end well; empty otherwise. In its file at most 512 bytes",
		"pvc":    "the claim, as NAMESPACE/NAME; not of several claims",
		"pvcs":   "the names of several claims, as JSON array; in its file of one claim, too",
		"claims": "of several claims a JSON array, with an object for each: `name`, `outcome`, and `reason`, `source`, " +
			"`waiting-since`, `fired-at`, `cut-time`, `copy`, `lock` where the command knows them; in its file of one " +
			"claim, too",
		"skew-seconds": "of several claims: from the first cut to the last; empty where one is not known. In its file " +
			"of one claim, too",
		"trigger":            "the value of the trigger, for the later steps",
		"waiting-since":      "since when VolSync waits (RFC 3339)",
		"replication-source": "the ReplicationSource that copies the claim",
		"fired-at":           "when the trigger was set (RFC 3339); empty where an earlier attempt had set it",
		"cut-time": "when the storage cut the snapshot (RFC 3339); empty for a clone, or where it cannot " +
			"be read",
		"copy-seconds": "from the start of the wait until VolSync had recorded the trigger",
		"copy": "of `--until cut`: the uid of the snapshot that was cut, for `--copy`; `recorded` if " +
			"VolSync has recorded the trigger by then",
		"lock": "whose lock was found on the claim: `own`, `none` or `other`; empty if nobody knows. `other` as well where " +
			"there is no such claim, or it may not be read (a Role with `resourceNames` forbids every other name): a run " +
			"with a wrong name has quiesced nothing, and must not unquiesce",
		"quiesce-seconds":   took,
		"fire-seconds":      took,
		"taken-seconds":     took + ". From the trigger until VolSync took it",
		"cut-seconds":       took + ". From there to the cut",
		"completed-seconds": took + ". From the cut, or where that was not seen from when VolSync took the trigger",
		"unquiesce-seconds": took,
		"freeze-seconds": "of `run`: from the start of quiesce to the end of unquiesce. Of `verdict`: from the end " +
			"of await-waiting to the end of unquiesce: at most that long the application was quiesced; " +
			"empty if not both have ended",
		"pod":       "of `exec`: the pod that the command ran in",
		"container": "and its container",
		"exit-code": "of the command; empty where nobody saw its end",
		"started": "of `start-sync`: `true` if this run has begun the sync, `false` if it ran already, " +
			"or VolSync began it by itself",
		"sync-start":              "when the sync began (RFC 3339)",
		"synced-at":               "when VolSync had moved the data (RFC 3339); empty where nobody saw that it has",
		"mover-result":            "the mover's last result, as VolSync has it: `Successful`, `Failed`",
		"mover-log":               "the last words of the mover's log, on one line",
		"replication-destination": "the ReplicationDestination that restores the copy",
		"scratch-pvc":             "the claim that it restores to",
		"restored-at":             "when VolSync had restored the copy (RFC 3339); empty where it has not",
		"check":                   "how the Job of the check ended: `Complete`, `Failed`; empty where it has not",
		"check-log":               "the last words of its log, on one line",
		"unchecked":               "what could not be checked because of `--pvc-only`; empty without it",
	}
}

// Each result of each command has a meaning, and no other has.
func TestResultsHaveMeanings(t *testing.T) {
	noEnv(t)
	used := map[string]bool{}
	for _, c := range commandsWithResults(t) {
		for _, name := range c.results {
			if used[name] = true; meanings()[name] == "" {
				t.Errorf("%s: the result %s has no meaning", c.name, name)
			}
		}
	}
	for name := range meanings() {
		if !used[name] {
			t.Errorf("no command has the result %s", name)
		}
	}
}

// said returns a flag's usage without the marks, its value and its default.
func said(f cli.Flag) (usage, value, standard string) {
	doc := f.(cli.DocGenerationFlag)
	if doc.TakesValue() {
		value = "VALUE"
		if parts := strings.Split(doc.GetUsage(), "`"); len(parts) > 1 {
			value = parts[1]
		}
		standard = doc.GetValue()
	}
	return strings.ReplaceAll(doc.GetUsage(), "`", ""), value, strings.Trim(standard, `"`)
}

// grouped returns the flags of a command: the common ones, then those under headings, each in the
// order of the command.
func grouped(c command) []cli.Flag {
	flags := slices.Clone(c.flags.flags())
	slices.SortStableFunc(flags, func(a, b cli.Flag) int {
		return strings.Compare(a.(cli.CategorizableFlag).GetCategory(), b.(cli.CategorizableFlag).GetCategory())
	})
	return flags
}

func code(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// reference returns docs/reference.md.
func reference(t *testing.T, commands []documented) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Reference\n\n" +
		"<!-- Made by `make generate` from the program itself. -->\n\n" +
		"Results are one JSON object on stdout and, with `--results-dir DIR`, one file each. Progress, reasons and " +
		"hints go to stderr. Each flag can be given by its environment variable instead; the flag wins.\n\n" +
		"| command | it does |\n|---|---|\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "| [`%s`](#%[1]s) | %s |\n", c.name, cell(c.usage))
	}
	for _, c := range commands {
		referenceOf(&b, c)
	}
	b.WriteString("\n## Results\n\n| result | meaning | of |\n|---|---|---|\n")
	for _, name := range order(commands) {
		var of []string
		for _, c := range commands {
			if slices.Contains(c.results, name) {
				of = append(of, c.name)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, cell(meanings()[name]), strings.Join(of, ", "))
	}
	b.WriteString("\n## Exit codes\n\n" +
		"Whatever the code: `disarm` first, then unquiesce, then `unlock`.\n\n" +
		"| code | outcome | meaning | the copy of this sync |\n|---|---|---|---|\n")
	for _, r := range outcome.Table() {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", exitCodeOf(r), r.Outcome, r.Meaning, r.Copy)
	}
	b.WriteString("\nA step that is killed (137), or that crashes (2), says nothing of this: its trigger may be armed " +
		"until `disarm` has run.\n")
	b.WriteString(environmentOfCommands())
	b.WriteString(rights(t))
	return b.String()
}

func referenceOf(b *strings.Builder, c documented) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", c.name, upper(c.usage)+".")
	fmt.Fprintf(b, "```sh\n%s\n```\n\n", c.example)
	fmt.Fprintf(b, "%s\n\n", c.description)
	if c.args != "" {
		fmt.Fprintf(b, "Arguments: `%s`\n\n", c.args)
	}
	if len(c.results) > 0 {
		fmt.Fprintf(b, "Results: %s\n\n", code(c.results))
	}
	b.WriteString("| flag | default | | environment |\n|---|---|---|---|\n")
	last := ""
	for _, f := range grouped(c.command) {
		if heading := f.(cli.CategorizableFlag).GetCategory(); heading != last {
			fmt.Fprintf(b, "| **%s** | | | |\n", strings.TrimSuffix(heading, ":"))
			last = heading
		}
		usage, value, standard := said(f)
		if standard != "" {
			standard = "`" + standard + "`"
		}
		words := typed(f)
		words[0] = strings.TrimSpace(words[0] + " " + value)
		fmt.Fprintf(b, "| %s | %s | %s | `%s` |\n", code(words), standard, cell(usage), env(f.Names()[0])[0])
	}
}

// order returns every result once, as the commands have them.
func order(commands []documented) []string {
	var all []string
	for _, c := range commands {
		for _, name := range c.results {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

func exitCodeOf(r outcome.Row) string {
	if r.Outcome == outcome.Signalled {
		return fmt.Sprintf("%d+n", r.Code)
	}
	return fmt.Sprint(r.Code)
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// environmentOfCommands says which variables a user's command finds.
func environmentOfCommands() string {
	meaning := map[string]string{
		"COPYTRIGGER_RUN_ID":    "the id of the run",
		"COPYTRIGGER_NAMESPACE": "the namespace of the claims",
		"COPYTRIGGER_PVCS":      "their names, with spaces between",
		"COPYTRIGGER_MAX_FREEZE_SECONDS": "`--max-freeze`, for a limit of the database's own; " +
			"not there outside `run`, where nothing keeps it",
	}
	var b strings.Builder
	b.WriteString("\n## Environment of your commands\n\nThe commands of `run` and `cleanup` find the environment of " +
		"copytrigger, without the variables of its flags, and these. Quiesce and unquiesce as steps of their own, " +
		"in `tasks` and `workflows`, find them too; a step of yours elsewhere finds those that you set.\n\n" +
		"| variable | |\n|---|---|\n")
	for _, name := range forCommands() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, meaning[name])
	}
	return b.String()
}

// rights returns what the accounts of tasks/, workflows/ and jobs/ may do.
func rights(t *testing.T) string {
	t.Helper()
	var rows []string
	has := map[string][]string{}
	components, err := filepath.Glob("../../rbac/*/role.yaml")
	if err != nil || len(components) == 0 {
		t.Fatalf("%d components: %v", len(components), err)
	}
	files := []string{"tasks/rbac.yaml", "workflows/rbac.yaml", "jobs/rbac.yaml"}
	for _, file := range components {
		files = append(files, strings.TrimPrefix(file, "../../"))
	}
	for _, file := range files {
		for _, role := range rolesOf(t, file) {
			for _, rule := range role.Rules {
				row := fmt.Sprintf("| `%s` | %s | %s |", strings.Join(append(rule.Resources, slices.DeleteFunc(
					slices.Clone(rule.APIGroups), func(g string) bool { return g == "" })...), "."),
					code(rule.Verbs), cell(strings.Join(rule.ResourceNames, ", ")))
				if has[row] == nil {
					rows = append(rows, row)
				}
				has[row] = append(has[row], role.Name)
			}
		}
	}
	var b strings.Builder
	b.WriteString("\n## RBAC\n\nRights in the namespace of the claims, and no others. The names are those of the YAML: " +
		"put your own in by an overlay. [SECURITY.md](../SECURITY.md) says what each is for, and what it lets " +
		"a leaked account do. The Roles of the cleanups are for those alone, `copytrigger-exec` for " +
		"[commands in the application's pod](in-pod.md), `copytrigger-events` for [Events](monitoring.md#events), " +
		"`copytrigger-selector` for [claims by their labels](groups.md), `copytrigger-start-sync` for " +
		"[a sync that the run begins](sync.md), and `copytrigger-check-restore` for " +
		"[a restore that is checked](restore.md).\n\n" +
		"| resource | verbs | names | in the Roles |\n|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "%s %s |\n", row, code(has[row]))
	}
	return b.String()
}

func rolesOf(t *testing.T, file string) []rbacv1.Role {
	t.Helper()
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	var roles []rbacv1.Role
	for _, document := range strings.Split(string(text), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind == "Role" {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		t.Fatalf("%s has no Role", file)
	}
	return roles
}

// manPage returns docs/copytrigger.1.
func manPage(commands []documented) string {
	var b strings.Builder
	app := newProgram(nil, nil, withSignals()).app("", nil)
	fmt.Fprintf(&b, "%% COPYTRIGGER 1\n\n# NAME\n\ncopytrigger - %s\n\n# SYNOPSIS\n\n"+
		"**copytrigger** *command* [*flags*] [*arguments*]\n\n# DESCRIPTION\n\n%s\n\n# COMMANDS\n\n",
		app.Usage, app.Description)
	for _, c := range commands {
		fmt.Fprintf(&b, "## copytrigger %s [*flags*] %s\n\n%s.\n\n", c.name, c.args, upper(c.usage))
		fmt.Fprintf(&b, "```\n%s\n```\n\n%s\n\n", c.example, c.description)
		for _, f := range grouped(c.command) {
			usage, value, standard := said(f)
			if standard != "" {
				usage += " (default: " + standard + ")"
			}
			if value != "" {
				value = " *" + value + "*"
			}
			fmt.Fprintf(&b, "**%s**%s\n: %s\n\n", strings.Join(typed(f), "**, **"), value, usage)
		}
	}
	b.WriteString("# EXIT STATUS\n\n")
	for _, r := range outcome.Table() {
		fmt.Fprintf(&b, "**%s** (%s)\n: %s. The copy of this sync %s.\n\n", exitCodeOf(r), r.Outcome, r.Meaning, r.Copy)
	}
	b.WriteString("# ENVIRONMENT\n\nEach flag can be given by a variable: *--run-id* is COPYTRIGGER_RUN_ID. " +
		"The flag wins. KUBECONFIG is kubectl's.\n")
	return string(md2man.Render([]byte(b.String())))
}
