package harness

import (
	"fmt"
	"slices"
	"strings"
)

// Group is several claims of one namespace, in the order of their names. The first is the site's
// own.
type Group struct {
	*Site
	Members []*Site // one for each claim
}

// Together makes n claims of the site one group, each with a ReplicationSource's name of its own.
func (s *Site) Together(n int) *Group {
	s.Helper()
	all := []*Site{s}
	for i := 1; i < n; i++ {
		all = append(all, s.beside(fmt.Sprintf("%s-%02d", Claim, i), fmt.Sprintf("%s-%02d", Nightly, i)))
	}
	return s.group(all)
}

// Beside makes one more claim, with a ReplicationSource's name of its own, and the two a group.
func (s *Site) Beside(claim, source string) *Group {
	s.Helper()
	return s.group([]*Site{s, s.beside(claim, source)})
}

func (s *Site) beside(claim, source string) *Site {
	s.Helper()
	m := *s
	m.claim, m.source = claim, source
	m.CreateClaim(map[string]string{Use: ""})
	m.bind()
	return &m
}

// group makes members one group. The program's account may do to each of them what it may do to the
// site's own claim.
func (s *Site) group(members []*Site) *Group {
	s.Helper()
	g := &Group{Site: s, Members: members}
	for _, m := range members {
		m.until(claims, m.claim, "bound", func(o object) bool { return o.text("status", "phase") == "Bound" })
	}
	role := LeastRole()
	for i := range role {
		switch {
		case slices.Equal(role[i].ResourceNames, []string{Claim}):
			role[i].ResourceNames = g.Claims()
		case slices.Equal(role[i].ResourceNames, []string{CopyName}):
			role[i].ResourceNames = g.Copies()
		}
	}
	g.Kubeconfig = s.Account("copytrigger-group", role)
	for _, m := range g.Members {
		m.Kubeconfig = g.Kubeconfig
	}
	return g
}

// ProxiedGroup is the group, with the program behind a proxy.
func (g *Group) ProxiedGroup() (*Group, *Proxy) {
	g.Helper()
	s, proxy := g.Proxied()
	return &Group{Site: s, Members: g.Members}, proxy
}

// Claims are the names.
func (g *Group) Claims() []string {
	var names []string
	for _, m := range g.Members {
		names = append(names, m.claim)
	}
	return names
}

// Copies are the names of VolSync's copies.
func (g *Group) Copies() []string {
	var names []string
	for _, m := range g.Members {
		names = append(names, m.copyName())
	}
	return names
}

// Start starts a command of the program on all claims.
func (g *Group) Start(command string, args ...string) *Process {
	g.Helper()
	line := []string{command}
	for _, claim := range g.Claims() {
		line = append(line, "--pvc", claim)
	}
	return g.StartRaw(append(line, args...)...)
}

// Run runs a command of the program on all claims to its end.
func (g *Group) Run(command string, args ...string) *Result {
	g.Helper()
	return g.Start(command, args...).End()
}

// AwaitWaiting runs await-waiting, which must succeed, and gives the trigger.
func (g *Group) AwaitWaiting(run string) string {
	g.Helper()
	return g.Run("await-waiting", "--run-id", run, "--timeout", "5m").EndsTogether(OK).Value("trigger")
}

// Write is the write of the claim, as a proxy sees it.
func (s *Site) Write() Request { return Request{"patch", "persistentvolumeclaims", s.claim} }

// ClaimName is the name of the site's claim.
func (s *Site) ClaimName() string { return s.claim }

// copyName is what VolSync calls its copy of the site's claim.
func (s *Site) copyName() string { return "volsync-" + s.source + "-src" }

// EndsTogether is Ends for a command on several claims.
func (r *Result) EndsTogether(code int) *Result {
	r.site.Helper()
	r.Exits(code)
	r.Outcome(outcomes[code])
	if strings.Count(r.Stdout, "\n") != 1 {
		r.site.Fatalf("%sstdout is not one line", r.process)
	}
	return r
}
