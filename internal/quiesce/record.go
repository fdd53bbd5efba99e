package quiesce

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Recording is the file that will say how a command ended. Until [Recording.Ended] there
// is no such file: what was killed leaves none, as [ReadExit] wants it.
type Recording struct {
	file string
	tmp  *os.File
}

// widest is as long as any exit code.
const widest = "255"

// Record takes away the file that an earlier command has left, and makes sure, before
// anything runs, that the new one can be written: it writes one of the same size under
// another name, so that a full disk is noticed now and not afterwards.
func Record(file string) (*Recording, error) {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".copytrigger-*")
	if err != nil {
		return nil, err
	}
	r := &Recording{file, tmp}
	_, err = tmp.WriteString(widest)
	if err == nil {
		err = tmp.Chmod(0o644) // verdict may run as another user
	}
	if err != nil {
		r.drop()
		return nil, err
	}
	return r, nil
}

// Ended makes the file appear, whole, with the exit code. Its time is that of the end.
func (r *Recording) Ended(code int) error {
	text := strconv.Itoa(code)
	_, err := r.tmp.WriteAt([]byte(text), 0)
	if err == nil {
		err = r.tmp.Truncate(int64(len(text)))
	}
	if err == nil {
		err = r.tmp.Close()
	}
	if err == nil {
		err = os.Rename(r.tmp.Name(), r.file)
	}
	if err != nil {
		r.drop()
		return fmt.Errorf("exit code %d is lost: %w", code, err)
	}
	return nil
}

func (r *Recording) drop() {
	_ = r.tmp.Close()
	_ = os.Remove(r.tmp.Name())
}
