// Package health holds package health of sluice against the programs that will
// ask it: the prober of the Kubernetes node agent, the health checks of HAProxy,
// and the text of the Kubernetes API server. It has nothing but tests.
package health
