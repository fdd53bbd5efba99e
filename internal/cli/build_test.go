package cli

import (
	"runtime/debug"
	"testing"
)

func TestBuildOf(t *testing.T) {
	installed := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.3.0"}}
	checkout := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-28T10:00:00Z"},
		},
	}
	for name, c := range map[string]struct {
		version, commit, seconds string
		info                     *debug.BuildInfo
		want                     Build
	}{
		"the linker knows":      {"v1.2.3", "def", "0", checkout, Build{"v1.2.3", "def", "1970-01-01T00:00:00Z", "go1.26.8"}},
		"go install":            {"", "", "", installed, Build{"v0.3.0", "", "", "go1.26.8"}},
		"a checkout":            {"", "", "", checkout, Build{"devel", "abc", "2026-11-28T10:00:00Z", "go1.26.8"}},
		"a date that is no one": {"v1", "", "soon", installed, Build{"v1", "", "", "go1.26.8"}},
		"nobody knows":          {"", "", "", nil, Build{Version: "devel"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := BuildOf(c.version, c.commit, c.seconds, func() (*debug.BuildInfo, bool) { return c.info, c.info != nil })
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
