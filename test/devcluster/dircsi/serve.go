package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
)

// serve answers on a unix socket until the process ends; an error later goes to failed.
func serve(socket string, register func(*grpc.Server), failed chan<- error) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return fmt.Errorf("making a place for %s: %w", socket, err)
	}
	// A driver that was killed leaves its socket behind.
	if err := os.RemoveAll(socket); err != nil {
		return fmt.Errorf("removing an old socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", socket, err)
	}
	server := grpc.NewServer()
	register(server)
	go func() {
		failed <- fmt.Errorf("serving %s: %w", socket, server.Serve(listener))
	}()
	return nil
}
