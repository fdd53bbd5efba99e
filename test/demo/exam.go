package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// postgresExam asks a server on a copy what nobody may find there after any crash:
// money that is not balanced, a ledger with gaps, damaged pages.
type postgresExam struct {
	server  *server
	bounds  bounds
	amcheck bool
}

func (x postgresExam) all(ctx context.Context) examination {
	started := check{what: "PostgreSQL starts on it"}
	if err := x.server.start(ctx); err != nil {
		started.found = err.Error()
		return examination{started}
	}
	started.ok, started.found = true, x.recovery()
	all := examination{started, x.balances(ctx), x.ledger(ctx)}
	if x.amcheck {
		all = append(all, x.structure(ctx))
	}
	return append(all, x.checksums(ctx))
}

// recovery is what the server had to do first.
func (x postgresExam) recovery() string {
	text, err := os.ReadFile(x.server.log)
	switch {
	case err != nil:
		return err.Error()
	case strings.Contains(string(text), "redo done"):
		return "after replaying its log, as after a crash"
	case strings.Contains(string(text), "database system was shut down"):
		return "it was shut down cleanly, nothing to recover"
	}
	return "without replaying its log"
}

// balances: each transfer books the same sum on an account, a teller and a branch, and
// writes it to the history.
func (x postgresExam) balances(ctx context.Context) check {
	c := check{what: "the bank's books are balanced"}
	answer, err := x.server.query(ctx, `SELECT (SELECT sum(abalance) FROM pgbench_accounts),
		(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches),
		(SELECT coalesce(sum(delta), 0) FROM pgbench_history), (SELECT count(*) FROM pgbench_history)`)
	if err != nil {
		c.found = err.Error()
		return c
	}
	b, err := parseBalances(answer)
	if err != nil {
		c.found = err.Error()
		return c
	}
	return b.check(c)
}

func (x postgresExam) ledger(ctx context.Context) check {
	answer, err := x.server.query(ctx, "SELECT count(*), coalesce(min(entry), 0), coalesce(max(entry), 0) FROM ledger")
	var e entries
	if err == nil {
		e, err = parseEntries(answer)
	}
	c := e.check(x.bounds)
	if err != nil {
		c.ok, c.found = false, err.Error()
	}
	return c
}

// structure has every index compared with its table.
func (x postgresExam) structure(ctx context.Context) check {
	said, err := x.server.processes.run(
		ctx,
		x.server.path("pg_amcheck"),
		x.server.client("--heapallindexed", "-d", "postgres")...)
	c := check{what: "pg_amcheck", ok: err == nil, found: "every table fits its indexes"}
	if err != nil {
		c.found = fmt.Sprintf("complaints: %d, the first: %s", complaints(said), strings.Join(firstLines(said, 2), " "))
	}
	return c
}

// checksums needs the server stopped.
func (x postgresExam) checksums(ctx context.Context) check {
	c := check{what: "pg_checksums"}
	if !x.server.has("pg_checksums") {
		c.ok, c.found = true, "not installed, not checked"
		return c
	}
	if err := x.server.stopClean(ctx); err != nil {
		c.found = err.Error()
		return c
	}
	said, err := x.server.processes.run(ctx, x.server.path("pg_checksums"), "--check", "-D", x.server.data)
	c.ok, c.found = err == nil, valueOf(said, "Blocks scanned")+" blocks, bad: "+valueOf(said, "Bad checksums")
	if err != nil {
		c.found += "; " + strings.Join(firstLines(said, 1), " ")
	}
	return c
}

// balances are pgbench's sums.
type balances struct{ accounts, tellers, branches, history, transfers int }

func parseBalances(answer string) (balances, error) {
	n, err := numbers(answer, 5)
	if err != nil {
		return balances{}, err
	}
	return balances{n[0], n[1], n[2], n[3], n[4]}, nil
}

func (b balances) check(c check) check {
	c.ok = b.accounts == b.tellers && b.tellers == b.branches && b.branches == b.history
	c.found = fmt.Sprintf("accounts, tellers, branches and history: each %d after %d transfers", b.history, b.transfers)
	if !c.ok {
		c.found = fmt.Sprintf("accounts %d, tellers %d, branches %d, history %d: each transfer books the same on all four",
			b.accounts, b.tellers, b.branches, b.history)
	}
	return c
}

func parseEntries(answer string) (entries, error) {
	n, err := numbers(answer, 3)
	if err != nil {
		return entries{}, err
	}
	return entries{count: n[0], first: n[1], last: n[2]}, nil
}

// numbers reads psql's "1|2|3".
func numbers(answer string, want int) ([]int, error) {
	parts := strings.Split(strings.TrimSpace(answer), "|")
	if len(parts) != want {
		return nil, fmt.Errorf("reading %q: not %d numbers", answer, want)
	}
	all := make([]int, want)
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", answer, err)
		}
		all[i] = n
	}
	return all, nil
}

// valueOf finds "name:   value" in a program's output.
func valueOf(said, name string) string {
	for line := range strings.Lines(said) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

// complaints counts those of pg_amcheck: their details are indented.
func complaints(said string) int {
	n := 0
	for line := range strings.Lines(said) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " ") {
			n++
		}
	}
	return n
}

func firstLines(text string, most int) []string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	all = all[:min(len(all), most)]
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
