#!/usr/bin/env bash
# Provides helm, helm-unittest and kubeconform, and prints only their folder on standard output.
#
# They are built once from the pinned Go modules next to this script and cached outside the checkout. The pinned versions
# are the cache key, so all checkouts share one build.
set -euo pipefail
cd "$(dirname "$0")/go"

programs=(helm helm-unittest kubeconform)
say() { printf '%s\n' "$*" >&2; }

complete() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

key=$(cat go.mod go.sum helm-unittest/go.mod helm-unittest/go.sum | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/helm-tools
bin=$cache/$key
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

command -v go >/dev/null || { say "Building the chart's tools requires Go: https://go.dev/doc/install"; exit 1; }
mkdir -p "$cache"
# If several processes find the folder missing, one builds and the others wait for it.
exec 9>"$cache/lock"
flock --nonblock 9 || { say "chart tools: another process is building them, waiting"; flock 9; }
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

say "chart tools: building ${programs[*]} from Go modules (once, about 6 minutes on 2 cores)"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

build() { # name, package, folder of its go.mod
  local started=$SECONDS
  say "chart tools: $1 ..."
  (cd "${3:-.}" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$work/$1" "$2" >&2)
  say "chart tools: $1 done in $((SECONDS - started)) s"
}

build helm helm.sh/helm/v4/cmd/helm
build helm-unittest github.com/helm-unittest/helm-unittest/cmd/helm-unittest helm-unittest
build kubeconform github.com/yannh/kubeconform/cmd/kubeconform
# A rename is atomic: the folder is either complete or absent.
mv "$work" "$bin"
chmod 755 "$bin"
trap - EXIT
printf '%s\n' "$bin"
