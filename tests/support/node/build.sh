#!/usr/bin/env bash
# Provides kubelet, containerd, its shim and ctr, and the program of a container, and prints only their folder on standard output.
#
# They are built once from the pinned Go modules next to this script and cached outside the checkout. The pinned versions
# are the cache key, so all checkouts share one build.
set -euo pipefail
cd "$(dirname "$0")/go"

programs=(kubelet containerd containerd-shim-runc-v2 ctr container)
say() { printf '%s\n' "$*" >&2; }

complete() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

key=$(cat ./*/go.mod ./*/go.sum container/main.go | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/node-tools
bin=$cache/$key
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

command -v go >/dev/null || { say "Building the node's programs requires Go: https://go.dev/doc/install"; exit 1; }
mkdir -p "$cache"
# If several processes find the folder missing, one builds and the others wait for it.
exec 9>"$cache/lock"
flock --nonblock 9 || { say "node: another process is building its programs, waiting"; flock 9; }
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

say "node: building ${programs[*]} from Go modules (once, about 3 minutes on 2 cores)"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

build() { # name, package, folder of its go.mod
  local started=$SECONDS
  say "node: $1 ..."
  (cd "$3" && CGO_ENABLED=0 go build -mod=readonly -trimpath -tags no_btrfs,no_devmapper,no_zfs \
    -ldflags "-s -w ${4:-}" -o "$work/$1" "$2" >&2)
  say "node: $1 done in $((SECONDS - started)) s"
}

version=$(cd kubelet && go list -m -f '{{.Version}}' k8s.io/kubernetes)
for program in containerd containerd-shim-runc-v2 ctr; do
  build "$program" "github.com/containerd/containerd/v2/cmd/$program" containerd
done
build container . container
build kubelet k8s.io/kubernetes/cmd/kubelet kubelet "-X k8s.io/component-base/version.gitVersion=$version"
# A rename is atomic: the folder is either complete or absent.
mv "$work" "$bin"
chmod 755 "$bin"
trap - EXIT
printf '%s\n' "$bin"
