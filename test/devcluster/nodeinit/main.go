// Command nodeinit is process 1: of the namespaces that a node lives in, and of every
// pod there (as the image "pause"). It collects what dies orphaned, and its end is the
// end of everything in its namespaces.
//
// Called with addresses it first makes the namespaces fit to live in: a /proc of their
// own, an empty /run, and a loopback interface that has the addresses.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func main() {
	ready := flag.String("ready", "", "file to make when the namespaces are prepared")
	flag.Parse()
	if flag.NArg() > 0 {
		if err := prepare(*ready, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, "nodeinit:", err)
			os.Exit(1)
		}
	}
	collect()
}

func prepare(ready string, addresses []string) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	// containerd keeps sockets and network namespaces in /run, whatever it is told.
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback interface: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("starting the loopback interface: %w", err)
	}
	for _, address := range addresses {
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return fmt.Errorf("reading address %s: %w", address, err)
		}
		if err := netlink.AddrAdd(lo, a); err != nil {
			return fmt.Errorf("adding address %s: %w", address, err)
		}
	}
	return os.WriteFile(ready, nil, 0o644)
}

// collect returns when it is told to end.
func collect() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}
