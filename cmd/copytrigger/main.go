// Command copytrigger freezes an application around VolSync's copy of its volume.
package main

import (
	"os"
	"runtime/debug"

	"github.com/copytrigger/copytrigger/internal/cli"
)

// version is set by the release build (-ldflags "-X main.version=v1.2.3").
var version string

func main() { os.Exit(cli.Main(os.Args, versionOf(), os.Stdout, os.Stderr)) }

// versionOf is the release's version, else what the build knows: a module version of
// `go install`, or "devel".
func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
