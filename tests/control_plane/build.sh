#!/usr/bin/env bash
# Puts a real control plane (etcd, kube-apiserver, kube-controller-manager, kubectl) in place
# and prints the folder that holds it, alone, on standard output.
#
# KUBEBUILDER_ASSETS, where set, names a folder that already holds them (setup-envtest's
# convention). Otherwise they are built once from the pinned Go modules beside this script and
# kept outside the checkout, keyed by the pins, so that only the first checkout pays.
set -euo pipefail
cd "$(dirname "$0")/go"

programs=(etcd kube-apiserver kube-controller-manager kubectl)
say() { printf '%s\n' "$*" >&2; }

complete() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  if ! complete "$KUBEBUILDER_ASSETS"; then
    # setup-envtest ships no controller manager, and without one nothing is garbage collected.
    say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks one of: ${programs[*]}"
    say "unset it to build them from source, or add what is missing"
    exit 1
  fi
  printf '%s\n' "$KUBEBUILDER_ASSETS"
  exit 0
fi

key=$(cat go.mod go.sum etcd/main.go | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/control-plane
bin=$cache/$key
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

command -v go >/dev/null || { say "Go is needed to build the control plane: https://go.dev/doc/install"; exit 1; }
mkdir -p "$cache"
# Parallel suites may all find the folder missing: one builds, the others wait for it.
exec 9>"$cache/lock"
flock --nonblock 9 || { say "control plane: another process is building it, waiting"; flock 9; }
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
say "control plane: building Kubernetes $version and etcd from Go modules (once, about 7 minutes on 2 cores)"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

build() { # name, package
  local started=$SECONDS count=0 shown=0
  say "control plane: $1 ..."
  while read -r _; do
    count=$((count + 1))
    if ((SECONDS - shown >= 10)); then
      shown=$SECONDS
      say "control plane: $1: $count packages after $((SECONDS - started)) s"
    fi
  done < <(CGO_ENABLED=0 go build -v -mod=readonly -trimpath \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
    -o "$work/$1" "$2" 2>&1 | tee "$work/$1.log")
  [ -x "$work/$1" ] || { tail -20 "$work/$1.log" >&2; exit 1; }
  say "control plane: $1 done in $((SECONDS - started)) s"
}

build etcd ./etcd
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
build kubectl k8s.io/kubernetes/cmd/kubectl
rm -f "$work"/*.log
# A rename is atomic: the folder is whole or it is not there.
mv "$work" "$bin"
chmod 755 "$bin"
trap - EXIT
printf '%s\n' "$bin"
