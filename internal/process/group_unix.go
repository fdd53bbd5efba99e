//go:build unix

package process

import "syscall"

// ownGroup makes a command the leader of a process group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to a process group; 0 only asks whether it is there.
func signalGroup(leader int, s syscall.Signal) error { return syscall.Kill(-leader, s) }
