package integration

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// volsync-source [mover=NAME] [method=Clone] [cron=SPEC]: a ReplicationSource of the
// claim, which begins to sync at once. "volsync-source delete" deletes it.
func volsyncSource(ts *testscript.TestScript, neg bool, args []string) {
	told := of(ts)
	if len(args) == 1 && args[0] == "delete" {
		told.site.DeleteSource()
		return
	}
	given := map[string]string{}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		given[key] = value
	}
	source := told.held.Source(given["method"])
	source.Mover, source.Cron, source.Name = given["mover"], given["cron"], given["name"]
	told.copied = given["method"]
	told.site.Replicate(source)
}

// volsync pause|resume|kill|start
func volsync(t *teller, a []string) {
	v := t.site.Component("volsync")
	switch a[0] {
	case "pause":
		v.Pause()
	case "resume":
		v.Resume()
		t.site.Nudge()
	case "kill":
		v.Kill()
	case "start":
		v.Start()
	default:
		t.site.Fatalf("volsync pause|resume|kill|start")
	}
}

// storage hold|release: copies stand still, or get on.
func storage(t *teller, a []string) {
	switch a[0] {
	case "hold":
		t.held = t.site.Hold()
	case "release":
		t.held.Release()
	default:
		t.site.Fatalf("storage hold|release")
	}
}

// api down|up
func api(t *teller, a []string) {
	switch a[0] {
	case "down":
		t.proxy.Down()
	case "up":
		t.proxy.Up()
	default:
		t.site.Fatalf("api down|up")
	}
}

// app start|quiesce|unquiesce
func app(t *teller, a []string) {
	switch a[0] {
	case "start":
		t.app = t.site.StartApp()
	case "quiesce":
		t.frozen = t.app.Quiesce()
	case "unquiesce":
		t.app.Unquiesce()
	default:
		t.site.Fatalf("app start|quiesce|unquiesce")
	}
}

func copyIsFrozen(t *teller, _ []string) {
	method := t.copied
	if method == "" {
		method = "Snapshot"
	}
	if got := t.site.CopyTree(method); got != t.frozen {
		t.site.Fatalf("the copy has\n%swhile the application had, quiesced,\n%s", got, t.frozen)
	}
}

var _ harness.T = (*telling)(nil)
