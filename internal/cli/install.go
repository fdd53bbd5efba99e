package cli

import (
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/file"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// installCommand brings the program into containers of other images.
func (m *program) installCommand() *cli.Command {
	return &cli.Command{
		Name:        "install",
		Usage:       "copy this program to a directory, for containers of other images",
		ArgsUsage:   "DIR",
		Description: "The copy is DIR/copytrigger. To repeat it does no harm.\n\nExample:\n   copytrigger install /opt/copytrigger",
		Flags:       []cli.Flag{logFlag()},
		Action: func(c *cli.Context) error {
			o, err := m.begin(c)
			if err != nil {
				return err
			}
			file, err := install(o.dir)
			if err != nil {
				return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: "nothing was installed: " + err.Error(), Hint: "give an existing, writable directory with room for this program"}
			}
			m.log.Info("installed as " + file)
			return nil
		},
	}
}

// executable is this program itself, also where its file has been replaced meanwhile.
const executable = "/proc/self/exe"

// install copies the running program to dir. It is static, and runs in every image. One that
// is there already is replaced, whole, and goes on running for whoever has started it.
func install(dir string) (name string, err error) {
	name = filepath.Join(dir, "copytrigger")
	from, err := os.Open(executable)
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
