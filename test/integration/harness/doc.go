// Package harness lets tests run the real copytrigger against the real VolSync: it has
// the cluster, gives every test a namespace with a claim in it, runs the binary as an
// account with the least rights, and can stand between it and the API server.
package harness
