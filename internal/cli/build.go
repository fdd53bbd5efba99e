package cli

import (
	"cmp"
	"runtime/debug"
	"strconv"
	"time"
)

// Build is what this program was built from.
type Build struct {
	Version string
	Commit  string // "" if nobody knows
	Date    string // of the commit, RFC 3339 in UTC; "" if nobody knows
	Go      string // the version of Go that compiled it
}

// BuildOf returns what the linker was told; what it was not told, from the build information
// that Go keeps itself: a module version of `go install`, or the checkout that was built. The
// version is "devel" where neither knows one. seconds is the date since 1970.
func BuildOf(version, commit, seconds string, read func() (*debug.BuildInfo, bool)) Build {
	info, ok := read()
	if !ok {
		info = &debug.BuildInfo{}
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b := Build{Commit: cmp.Or(commit, settings["vcs.revision"]), Date: settings["vcs.time"], Go: info.GoVersion}
	if unix, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		b.Date = time.Unix(unix, 0).UTC().Format(time.RFC3339)
	}
	if info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	b.Version = cmp.Or(version, b.Version, "devel")
	return b
}
