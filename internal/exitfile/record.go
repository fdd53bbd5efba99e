package exitfile

import (
	"fmt"
	"os"
	"strconv"

	"github.com/copytrigger/copytrigger/internal/file"
)

// Recording is the file that will say how a command ended. Until [Recording.Ended] there
// is no such file: what was killed leaves none, as [Read] wants it.
type Recording struct{ pending *file.Pending }

// widest is as long as any exit code.
const widest = "255"

// Record removes the file that an earlier command has left, and makes sure, before anything
// runs, that the new one can be written: it writes one of the same size under another name,
// so that a full disk is noticed now and not afterwards.
func Record(name string) (*Recording, error) {
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	pending, err := file.Create(name, 0o644) // verdict may run as another user
	if err != nil {
		return nil, err
	}
	if _, err := pending.WriteString(widest); err != nil {
		pending.Discard()
		return nil, err
	}
	return &Recording{pending}, nil
}

// Ended makes the file appear, whole, with the exit code. Its time is that of the end.
func (r *Recording) Ended(code int) error {
	text := strconv.Itoa(code)
	_, err := r.pending.WriteAt([]byte(text), 0)
	if err == nil {
		err = r.pending.Truncate(int64(len(text)))
	}
	if err != nil {
		r.pending.Discard()
	} else {
		err = r.pending.Commit()
	}
	if err != nil {
		return fmt.Errorf("exit code %d is lost: %w", code, err)
	}
	return nil
}
