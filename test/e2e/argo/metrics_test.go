package argo

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// metric waits until the controller shows a metric of the site's namespace, which takes the
// place of %s, with the value: it counts a moment after it has written the workflow's status.
func (s *site) metric(name string, want float64) {
	s.Helper()
	s.metricThat(fmt.Sprintf(name, s.Namespace), fmt.Sprintf("is %g", want), func(got float64) bool { return got == want })
}

func (s *site) metricThat(name, what string, as func(float64) bool) {
	s.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	late := time.After(100 * time.Second) // more than a minute, for what happens every minute
	for {
		all, err := s.metrics()
		value, found := all["argo_workflows_"+name]
		if found && as(value) {
			return
		}
		select {
		case <-late:
			s.Fatalf(
				"waiting for the metric %s that %s: %v (%v); of the namespace there are %v",
				name,
				what,
				value,
				err,
				of(all, s.Namespace),
			)
		case <-tick.C:
		}
	}
}

// metrics are those that the controller shows, with their labels.
func (s *site) metrics() (map[string]float64, error) {
	s.Helper()
	list, err := s.Kube().CoreV1().Pods("argo").List(s.Ctx, metav1.ListOptions{LabelSelector: "app=workflow-controller"})
	s.Must(err)
	if len(list.Items) != 1 {
		s.Fatalf("there are %d controllers", len(list.Items))
	}
	client := http.Client{Transport: &http.Transport{
		DialContext:       s.Cluster().Dial,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the controller signs its own certificate
		DisableKeepAlives: true,
	}}
	answer, err := client.Get("https://" + net.JoinHostPort(list.Items[0].Status.PodIP, "9090") + "/metrics")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if all[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// of are the metrics that have a namespace in their labels.
func of(all map[string]float64, namespace string) map[string]float64 {
	some := map[string]float64{}
	for name, value := range all {
		if strings.Contains(name, namespace) {
			some[name] = value
		}
	}
	return some
}
