#!/usr/bin/env bash
# Provides kubelet, containerd, its shim and ctr, and the program of a container, and prints only their folder on standard
# output.
#
# They are built from the pinned Go modules next to this script; the pinned versions are the cache key.
set -euo pipefail
cd "$(dirname "$0")/go"
source ../../go_programs.sh

name=node-tools
programs=(kubelet containerd containerd-shim-runc-v2 ctr container)
key=$(cat ./*/go.mod ./*/go.sum container/main.go | sha256sum | cut -c1-16)
begin_build
say "$name: building ${programs[*]} from Go modules (once, about 3 minutes on 2 cores)"
for program in containerd containerd-shim-runc-v2 ctr; do
  build "$program" "github.com/containerd/containerd/v2/cmd/$program" containerd \
    -tags no_btrfs,no_devmapper,no_zfs -ldflags "-s -w"
done
build container . container -ldflags "-s -w"
version=$(cd kubelet && go list -m -f '{{.Version}}' k8s.io/kubernetes)
build kubelet k8s.io/kubernetes/cmd/kubelet kubelet -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version"
end_build
