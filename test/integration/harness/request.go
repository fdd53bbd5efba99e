package harness

import (
	"net/http"
	"slices"
	"strings"
)

// Request is what the program asks of the API server.
type Request struct {
	Verb     string // get, list, watch, patch, try (a patch that is not kept)
	Resource string
	Name     string
}

func readRequest(r *http.Request) Request {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var q Request
	if i := slices.Index(parts, "namespaces"); i >= 0 && len(parts) > i+2 {
		q.Resource = parts[i+2]
		if len(parts) > i+3 {
			q.Name = parts[i+3]
		}
	}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPatch && query.Has("dryRun"):
		q.Verb = "try"
	case r.Method == http.MethodPatch:
		q.Verb = "patch"
	case query.Has("watch"):
		q.Verb = "watch"
		q.Name = strings.TrimPrefix(query.Get("fieldSelector"), "metadata.name=")
	case q.Name == "":
		q.Verb = "list"
	default:
		q.Verb = "get"
	}
	return q
}

// The requests that a step makes.
var (
	Try           = Request{"try", "persistentvolumeclaims", Claim}
	Write         = Request{"patch", "persistentvolumeclaims", Claim}
	GetClaim      = Request{"get", "persistentvolumeclaims", Claim}
	WatchClaim    = Request{"watch", "persistentvolumeclaims", Claim}
	ListSources   = Request{"list", "replicationsources", ""}
	WatchSources  = Request{"watch", "replicationsources", ""}
	GetSnapshot   = Request{"get", "volumesnapshots", CopyName}
	WatchSnapshot = Request{"watch", "volumesnapshots", CopyName}
)
