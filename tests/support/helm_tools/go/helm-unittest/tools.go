//go:build tools

// Package tools pins helm-unittest, which needs other versions of its dependencies than helm.
package tools

import (
	_ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
)
