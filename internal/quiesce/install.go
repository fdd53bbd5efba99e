package quiesce

import (
	"io"
	"os"
	"path/filepath"
)

// running is the program itself, also where its file has been replaced meanwhile.
const running = "/proc/self/exe"

// Install copies the running program to dir, for containers of other images: it is static,
// and runs in all of them. Where it is there already it is replaced, whole, and goes on
// running for whoever has started it.
func Install(dir string) (file string, err error) {
	file = filepath.Join(dir, "copytrigger")
	from, err := os.Open(running)
	if err != nil {
		return file, err
	}
	defer from.Close()
	to, err := os.CreateTemp(dir, ".copytrigger-*")
	if err != nil {
		return file, err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Chmod(0o555)
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(to.Name(), file)
	}
	if err != nil {
		_ = os.Remove(to.Name())
	}
	return file, err
}
