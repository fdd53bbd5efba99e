package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Each command with its defaults, and with what it alone has.
func TestStepsParse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trigger")
	if err := os.WriteFile(file, []byte(mine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	waiting := awaitWaitingFlags{
		claimFlags: claim("data"), runIDFlags: runID(), ackFlags: ackFlags{time.Minute},
		copyTimeoutFlags: copyTimeoutFlags{10 * time.Minute}, untilFlags: untilFlags{"completed"},
		timeoutFlags: timeoutFlags{time.Hour},
	}
	fire := fireTriggerFlags{
		claimFlags: claim("data"), triggerFlags: trigger(t, mine), timeoutFlags: timeoutFlags{30 * time.Second},
	}
	fireAfter, fireFromFile := fire, fire
	fireAfter.after = "f"
	fireFromFile.triggerText = "@" + file
	completed := awaitCompletedFlags{
		claimFlags: claim("data"), triggerFlags: trigger(t, mine), ackFlags: ackFlags{time.Minute},
		untilFlags: untilFlags{"completed"}, timeoutFlags: timeoutFlags{10 * time.Minute},
	}
	fires := completed
	fires.fire, fires.after = true, "f"
	parses(t, map[string]parsing{
		"await-waiting": {
			args: []string{"await-waiting", "--pvc", "data", "--run-id", "run-1"},
			want: &waiting,
		},
		"fire-trigger": {
			args: []string{"fire-trigger", "--pvc", "data", "--trigger", mine},
			want: &fire,
		},
		"fire-trigger after a step": {
			args: []string{"fire-trigger", "--pvc", "data", "--trigger", mine, "--after", "f"},
			want: &fireAfter,
		},
		"a trigger from a file": {
			args: []string{"fire-trigger", "--pvc", "data", "--trigger", "@" + file},
			want: &fireFromFile,
		},
		"await-completed": {
			args: []string{"await-completed", "--pvc", "data", "--trigger", mine},
			want: &completed,
		},
		"fire, and await": {
			args: []string{"await-completed", "--fire", "--pvc", "data", "--trigger", mine, "--after", "f"},
			want: &fires,
		},
		"unlock": {
			args: []string{"unlock", "--pvc", "data", "--run-id", "run-1", "--after", "f"},
			want: &unlockFlags{
				claimFlags: claim("data"), runIDFlags: runID(), afterFlags: afterFlags{"f"},
				stepFilesFlags: stepFilesFlags{map[string]string{}}, timeoutFlags: timeoutFlags{20 * time.Second},
			},
		},
	})
}

func TestAwaitCompletedParsesEverything(t *testing.T) {
	dir := t.TempDir()
	claims := claim("data")
	claims.namespace, claims.kubeconfig, claims.context = "app", "kc", "ctx"
	claims.resultsDir, claims.logFormat = dir, "json"
	parses(t, map[string]parsing{
		"everything": {
			args: []string{
				"await-completed", "--pvc=data", "-n", "app", "--kubeconfig", "kc", "--context", "ctx",
				"--results-dir", dir, "--pvc-only", "--trigger", mine, "--timeout", "0", "--ack-timeout", "5s",
				"--log-format", "json",
			},
			want: &awaitCompletedFlags{
				claimFlags: claims, claimOnlyFlags: claimOnlyFlags{true}, triggerFlags: trigger(t, mine),
				untilFlags: untilFlags{"completed"}, ackFlags: ackFlags{5 * time.Second},
			},
		},
	})
}

func TestOthersParse(t *testing.T) {
	pods := clusterFlags{outputFlags: output()}
	podsOfApp := pods
	podsOfApp.namespace = "app"
	parses(t, map[string]parsing{
		"await-pods-ended": {
			args: []string{"await-pods-ended", "-n", "app", "--selector", "b = c, a"},
			want: &awaitPodsEndedFlags{podsOfApp, podsFlags{"a,b=c"}, timeoutFlags{2 * time.Minute}},
		},
		"await-pods-ended, short": {
			args: []string{"await-pods-ended", "-l", "a in (b,c)"},
			want: &awaitPodsEndedFlags{pods, podsFlags{"a in (b,c)"}, timeoutFlags{2 * time.Minute}},
		},
		"verdict": {
			args: []string{"verdict", "--step", "quiesce=/a", "--step", "await-completed=/b=c"},
			want: &verdictFlags{output(), stepFilesFlags{map[string]string{"quiesce": "/a", "await-completed": "/b=c"}}},
		},
		"verdict of both in one": {
			args: []string{"verdict", "--step", "quiesce=/a", "--step", "fire-and-await=/b"},
			want: &verdictFlags{output(), stepFilesFlags{map[string]string{"quiesce": "/a", "fire-and-await": "/b"}}},
		},
		"install": {
			args: []string{"install", "d"},
			want: &installFlags{logFlags{"text"}, "d"},
		},
		"record": {
			args: []string{"record", "--after", "a", "f", "--", "sh", "-c", "--", "--help"},
			want: &recordFlags{
				logFlags: logFlags{"text"}, file: "f", afterFlags: afterFlags{"a"},
				command: []string{"sh", "-c", "--", "--help"},
			},
		},
		"record, as JSON": {
			args: []string{"record", "--command", `["sh", "-c", "a \"b\""]`, "--dry-run", "f"},
			want: &recordFlags{
				logFlags: logFlags{"text"}, file: "f", dryRun: true, asJSON: `["sh", "-c", "a \"b\""]`,
				command: []string{"sh", "-c", `a "b"`},
			},
		},
		"record, with no file": {
			args: []string{"record", "--exit", "--dry-run", "--", "sh", "--help"},
			want: &recordFlags{
				logFlags: logFlags{"text"}, exit: true, dryRun: true, command: []string{"sh", "--help"},
			},
		},
	})
}
