package cluster

import (
	"os"
	"path/filepath"
	"strings"
)

// tail is the last lines of a log, as far as it can be read.
func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

// endOf says how a process ended; nil is an end too.
func endOf(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// keepLogs saves the logs from a folder that is about to go.
func keepLogs(from, to string) error {
	if to == "" {
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	logs, err := filepath.Glob(filepath.Join(from, "*.log"))
	if err != nil {
		return err
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(log)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
