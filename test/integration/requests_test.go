package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// What await-waiting asks of the API server about one claim on which VolSync waits. Each request
// but the two writes needs a right of its own, so there is none that could go without a missing
// right being found only when the application is frozen (TestEveryVerbIsNeeded).
func TestRequestsOfAwaitWaiting(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	through, proxy := s.Proxied()
	through.AwaitWaiting("run")
	want := []harness.Request{
		harness.Try, harness.WatchClaim, harness.WatchSources, harness.GetClaim, harness.ListSources,
		harness.WatchSnapshot, harness.GetSnapshot, harness.Write,
	}
	got := proxy.Asked()
	for _, r := range want {
		i := slices.Index(got, r)
		if i == -1 {
			t.Fatalf("there is no %s %s", r.Verb, r.Resource)
		}
		got = slices.Delete(got, i, i+1)
	}
	// Whoever writes the claim before the lock makes it look, and write, again.
	again := []harness.Request{harness.GetClaim, harness.Write}
	for len(got) > 0 && slices.Equal(got[:min(2, len(got))], again) {
		got = got[2:]
	}
	if len(got) > 0 {
		t.Errorf("it asked %d times, and also %v", len(proxy.Asked()), got)
	}
}

// The requests grow with the claims of a group, and not faster.
func TestRequestsOfAGroup(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 6} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			g := groupOf(t, n)
			through, proxy := g.ProxiedGroup()
			await := through.Run("await-waiting", "--run-id", "run", "--timeout", "5m").EndsTogether(harness.OK)
			asked := about(proxy)
			asks(t, await, asked, 6*n+2, 0)
			fire := through.Run("fire-trigger", "--trigger", await.Value("trigger")).EndsTogether(harness.OK)
			asks(t, fire, about(proxy)-asked, 3*n+1, n)
		})
	}
}

// about is how many requests there were that decide something: Events are told beside it, and each may
// read its claim.
func about(proxy *harness.Proxy) (n int) {
	for _, r := range proxy.Asked() {
		if r.Resource != "events" {
			n++
		}
	}
	return n
}

// asks asserts how many requests there were, without those that a conflict was looked again for, and
// those of Events.
func asks(t *testing.T, r *harness.Result, got, want, events int) {
	t.Helper()
	const most = 4 // to look again: at the claim, the sources and the copy; and the write
	if again := strings.Count(r.Stderr, "the claim has changed"); got < want || got > want+events+most*again {
		t.Errorf("%d requests, want %d (and %d conflicts)\n%s", got, want, again, r.Stderr)
	}
}
