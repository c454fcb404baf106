//go:build tools

// Package kubelet pins the kubelet, of the version of the tests' control plane.
package kubelet

import _ "k8s.io/kubernetes/cmd/kubelet"
