package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// machine says what the figures were measured on.
func machine(t *testing.T) string {
	text, err := os.ReadFile("/proc/cpuinfo")
	must(t, err)
	model := "an unknown processor"
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%d cores of a virtual machine (%s), which ran the cluster as well, with %s",
		runtime.NumCPU(), model, goVersion())
}

// load is the machine's load average of the last minute, five, and fifteen.
func load(t *testing.T) string {
	text, err := os.ReadFile("/proc/loadavg")
	must(t, err)
	return strings.Join(strings.Fields(string(text))[:3], ", ")
}
