//go:build tools

// Package controlplane pins the programs of a real Kubernetes control plane.
// Nothing is compiled into the operator; the test harness builds these once.
package controlplane

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
