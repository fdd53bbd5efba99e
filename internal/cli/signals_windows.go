package cli

import "os"

// terminalStops returns nothing: no terminal stops a process here.
func terminalStops() []os.Signal { return nil }
