#!/usr/bin/env bash
# Provides helm, helm-unittest and kubeconform, and prints only their folder on standard output.
#
# They are built from the pinned Go modules next to this script; the pinned versions are the cache key.
set -euo pipefail
cd "$(dirname "$0")/go"
source ../../go_programs.sh

name=helm-tools
programs=(helm helm-unittest kubeconform)
key=$(cat go.mod go.sum helm-unittest/go.mod helm-unittest/go.sum | sha256sum | cut -c1-16)
begin_build
say "$name: building ${programs[*]} from Go modules (once, about 6 minutes on 2 cores)"
stripped=(-ldflags "-s -w")
build helm helm.sh/helm/v4/cmd/helm . "${stripped[@]}"
build helm-unittest github.com/helm-unittest/helm-unittest/cmd/helm-unittest helm-unittest "${stripped[@]}"
build kubeconform github.com/yannh/kubeconform/cmd/kubeconform . "${stripped[@]}"
end_build
