#!/usr/bin/env bash
# Provides a real control plane (etcd, kube-apiserver, kube-controller-manager, kubectl) and prints
# only its folder on standard output.
#
# If KUBEBUILDER_ASSETS is set, it names a folder that already contains the binaries (the convention of
# setup-envtest). Otherwise they are built once from the pinned Go modules next to this script and cached
# outside the checkout. The pinned versions are the cache key, so all checkouts share one build.
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
    # setup-envtest does not include the controller manager, which runs the garbage collector.
    say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS must contain all of: ${programs[*]}"
    say "Add the missing binaries, or unset KUBEBUILDER_ASSETS to build them from source."
    exit 1
  fi
  printf '%s\n' "$KUBEBUILDER_ASSETS"
  exit 0
fi

# KUBE_VERSION selects another version. Its own go.mod then pins the dependencies.
kubernetes=${KUBE_VERSION:-}
if [ -n "$kubernetes" ]; then
  [[ $kubernetes =~ ^v1\.[0-9]+\.[0-9]+$ ]] || { say "KUBE_VERSION=$kubernetes is not a version of the form v1.33.5"; exit 1; }
fi

key=$(cat go.mod go.sum etcd/main.go | sha256sum | cut -c1-16)${kubernetes:+-$kubernetes}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/control-plane
bin=$cache/$key
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

command -v go >/dev/null || { say "Building the control plane requires Go: https://go.dev/doc/install"; exit 1; }
mkdir -p "$cache"
# If several processes find the folder missing, one builds and the others wait for it.
exec 9>"$cache/lock"
flock --nonblock 9 || { say "control plane: another process is building it, waiting"; flock 9; }
if complete "$bin"; then
  printf '%s\n' "$bin"
  exit 0
fi

if [ -n "$kubernetes" ]; then
  # Use the versions that Kubernetes pins, with the published staging modules instead of its local folders. etcd is the
  # version pinned here.
  other=$(mktemp -d "$cache/source.XXXXXX")
  trap 'rm -rf "$other"' EXIT
  printf 'module registry-token.dev/control-plane\n\ngo 1.23.0\n' >"$other/go.mod"
  cat >"$other/main.go" <<-'GO'
	//go:build tools

	package tools

	import (
		_ "k8s.io/kubernetes/cmd/kube-apiserver"
		_ "k8s.io/kubernetes/cmd/kube-controller-manager"
		_ "k8s.io/kubernetes/cmd/kubectl"
	)
	GO
  # k8s.io/kubernetes v1.33.5 matches k8s.io/api v0.33.5, and so on.
  staging=v0.${kubernetes#v1.}
  source=$(cd "$other" && go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
  (cd "$other" && go mod edit -require="k8s.io/kubernetes@$kubernetes")
  sed -nE 's/^\t(k8s\.io\/[a-z-]+) (=> |v0\.0\.0( |$)).*/\1/p' "$source" | sort -u | while read -r module; do
    (cd "$other" && go mod edit -replace="$module=$module@$staging")
  done
  (cd "$other" && go mod tidy >&2)
fi

version=${kubernetes:-$(go list -m -f '{{.Version}}' k8s.io/kubernetes)}
say "control plane: building Kubernetes $version and etcd from Go modules (once, about 7 minutes on 2 cores)"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work" "${other:-$work}"' EXIT

build() { # name, package, folder of its go.mod
  local started=$SECONDS count=0 shown=0
  say "control plane: $1 ..."
  while read -r _; do
    count=$((count + 1))
    if ((SECONDS - shown >= 10)); then
      shown=$SECONDS
      say "control plane: $1: $count packages after $((SECONDS - started)) s"
    fi
  done < <(cd "${3:-.}" && CGO_ENABLED=0 go build -v -mod=readonly -trimpath \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
    -o "$work/$1" "$2" 2>&1 | tee "$work/$1.log")
  [ -x "$work/$1" ] || { tail -20 "$work/$1.log" >&2; exit 1; }
  say "control plane: $1 done in $((SECONDS - started)) s"
}

build etcd ./etcd
for program in kube-apiserver kube-controller-manager kubectl; do
  build "$program" "k8s.io/kubernetes/cmd/$program" "${other:-.}"
done
rm -rf "$work"/*.log "${other:-$work/none}"
# A rename is atomic: the folder is either complete or absent.
mv "$work" "$bin"
chmod 755 "$bin"
trap - EXIT
printf '%s\n' "$bin"
