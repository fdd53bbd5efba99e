package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/file"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// installCommand brings the program into containers of other images.
func (m *program) installCommand() command {
	f := &installFlags{}
	return command{
		name:        "install",
		usage:       "copy this program to a directory, for containers of other images",
		example:     "copytrigger install /opt/copytrigger",
		description: "The copy is DIR/copytrigger. To repeat it does no harm.",
		args:        "DIR",
		flags:       f,
		action:      m.withoutResults(f, func() error { return f.run(m) }),
	}
}

type installFlags struct {
	logFlags
	dir string
}

func (f *installFlags) check(c *cli.Context) error {
	if f.dir = c.Args().First(); f.dir == "" || c.NArg() > 1 {
		return usageError{fmt.Errorf("one directory is wanted, not %d", c.NArg()), "copytrigger install DIR"}
	}
	return nil
}

func (f *installFlags) run(m *program) error {
	file, err := install(f.dir)
	if err != nil {
		return &outcome.Ending{
			Outcome: outcome.Failed, Err: err, Why: "nothing was installed: " + err.Error(),
			Hint: "give an existing, writable directory with room for this program",
		}
	}
	m.log.Info("installed as " + file)
	return nil
}

// executable returns this program itself; on Linux even if its file was replaced meanwhile.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// install copies the running program to dir and returns the name of the copy. The program is
// static, and runs in every image. An earlier copy is replaced whole; a process that runs it
// goes on.
func install(dir string) (name string, err error) {
	name = filepath.Join(dir, "copytrigger")
	self, err := executable()
	if err != nil {
		return name, err
	}
	from, err := os.Open(self)
	if err != nil {
		return name, err
	}
	defer from.Close()
	to, err := file.Create(name, 0o555)
	if err != nil {
		return name, err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Discard()
		return name, err
	}
	return name, to.Commit()
}
