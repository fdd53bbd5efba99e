package main

import (
	"context"
	"log"

	"google.golang.org/grpc"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// registration tells a kubelet of the driver: node-driver-registrar's work.
type registration struct {
	registerapi.UnimplementedRegistrationServer
	endpoint string
}

func (r registration) register(s *grpc.Server) { registerapi.RegisterRegistrationServer(s, r) }

func (r registration) GetInfo(context.Context, *registerapi.InfoRequest) (*registerapi.PluginInfo, error) {
	return &registerapi.PluginInfo{
		Type:              registerapi.CSIPlugin,
		Name:              driverName,
		Endpoint:          r.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r registration) NotifyRegistrationStatus(
	_ context.Context,
	s *registerapi.RegistrationStatus,
) (*registerapi.RegistrationStatusResponse, error) {
	log.Printf("kubelet registration: registered %t %s", s.PluginRegistered, s.Error)
	return &registerapi.RegistrationStatusResponse{}, nil
}
