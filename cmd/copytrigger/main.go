// Command copytrigger freezes an application around VolSync's copy of its volume.
package main

import (
	"os"
	"runtime/debug"

	"github.com/copytrigger/copytrigger/internal/cli"
)

// What the build knows (-ldflags "-X main.version=v1.2.3"): the Makefile, the image and the
// release set all three.
var (
	version string
	commit  string
	date    string // of the commit, in seconds since 1970
)

func main() { os.Exit(cli.Main(os.Args, build(), os.Stdout, os.Stderr)) }

func build() cli.Build { return cli.BuildOf(version, commit, date, debug.ReadBuildInfo) }
