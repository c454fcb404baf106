#!/usr/bin/env bash
# Provides a real control plane (etcd, kube-apiserver, kube-controller-manager, kubectl) and prints
# only its folder on standard output.
#
# If KUBEBUILDER_ASSETS is set, it names a folder that already contains the binaries (the convention of
# setup-envtest). Otherwise they are built once from the pinned Go modules next to this script and cached
# outside the checkout. The pinned versions are the cache key, so all checkouts share one build.
set -euo pipefail
cd "$(dirname "$0")/go"
source ../../go_programs.sh

name=control-plane
programs=(etcd kube-apiserver kube-controller-manager kubectl)

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
begin_build

modules=.
if [ -n "$kubernetes" ]; then
  # Use the versions that Kubernetes pins, with the published staging modules instead of its local folders. etcd is the
  # version pinned here.
  modules=$work/modules
  mkdir "$modules"
  printf 'module registry-token.dev/control-plane\n\ngo 1.23.0\n' >"$modules/go.mod"
  cat >"$modules/main.go" <<-'GO'
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
  source=$(cd "$modules" && go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
  (cd "$modules" && go mod edit -require="k8s.io/kubernetes@$kubernetes")
  sed -nE 's/^\t(k8s\.io\/[a-z-]+) (=> |v0\.0\.0( |$)).*/\1/p' "$source" | sort -u | while read -r module; do
    (cd "$modules" && go mod edit -replace="$module=$module@$staging")
  done
  (cd "$modules" && go mod tidy >&2)
fi

version=${kubernetes:-$(go list -m -f '{{.Version}}' k8s.io/kubernetes)}
say "$name: building Kubernetes $version and etcd from Go modules (once, about 7 minutes on 2 cores)"
flags=(-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version")
build etcd ./etcd . "${flags[@]}"
for program in kube-apiserver kube-controller-manager kubectl; do
  build "$program" "k8s.io/kubernetes/cmd/$program" "$modules" "${flags[@]}"
done
rm -rf "$work/modules"
end_build
