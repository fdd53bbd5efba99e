package cli

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

func TestRunIDRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"no run to disarm": {
			args: []string{"disarm", "--pvc", "a"},
			says: "--run-id is missing", hint: "await-waiting",
		},
		"empty run to disarm": {
			args: []string{"disarm", "--pvc", "a", "--run-id", ""},
			says: "--run-id is empty", hint: "await-waiting",
		},
		"no run to unlock": {
			args: []string{"unlock", "--pvc", "a"},
			says: "--run-id is missing", hint: "await-waiting",
		},
		"empty run": {
			args: []string{"await-waiting", "--pvc", "a", "--run-id", ""},
			says: "--run-id is empty", hint: "await-waiting",
		},
		"Tekton's run": {
			args: []string{"await-waiting", "--pvc", "a", "--run-id", "$(context.taskRun.uid)"},
			says: "Tekton variable", hint: "context.taskRun.uid",
		},
		"Argo's run": {
			args: []string{"await-waiting", "--pvc", "a", "--run-id", "{{workflow.uid}}"},
			says: "Argo variable", hint: "workflow.uid",
		},
		"odd run": {
			args: []string{"await-waiting", "--pvc", "a", "--run-id", "a b"},
			says: "run id", hint: "context.taskRun.uid",
		},
	})
}

func TestMakesARunID(t *testing.T) {
	noEnv(t)
	var made [2]runIDFlags
	for i := range made {
		got, err := parsed("await-waiting", "--pvc", "data")
		if err != nil {
			t.Fatal(err)
		}
		made[i] = got.(*awaitWaitingFlags).runIDFlags
		if made[i].runGiven || handshake.CheckRun(made[i].runID) != nil {
			t.Errorf("got %+v", made[i])
		}
	}
	if made[0] == made[1] {
		t.Errorf("got run %q twice", made[0].runID)
	}
}
