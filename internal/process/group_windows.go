package process

import (
	"errors"
	"io"
	"os/exec"
	"syscall"
)

// Windows has no process groups that get signals: [Can] refuses before any of this is used.

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(int, syscall.Signal) error { return errors.ErrUnsupported }

func groupLives(int) bool { return false }

type outputs struct{}

func (*outputs) give(*exec.Cmd, io.Writer, io.Writer) error { return errors.ErrUnsupported }
func (*outputs) started()                                   {}
func (*outputs) close()                                     {}
func (*outputs) drain()                                     {}
