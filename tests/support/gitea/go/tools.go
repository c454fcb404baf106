//go:build tools

// Package tools keeps Gitea in go.mod.
package tools

import _ "code.gitea.io/gitea"
