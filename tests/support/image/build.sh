#!/usr/bin/env bash
# Builds the unchanged Dockerfile with buildah, as root and without a daemon, and writes the image as an OCI archive.
# Prints the archive's path. With BASES=registry the pinned base images are pulled; by default stand-ins replace them.
set -euo pipefail
source "$(dirname "$0")/common.sh"

archive=${1:-$root/target/image/registry-token-operator.tar}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
commit=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
name=localhost/registry-token-operator:$version

contexts=()
if [ "${BASES:-stand-ins}" != registry ]; then
  mapfile -t stand_ins < <("$(dirname "$0")/stand_ins.sh")
  mapfile -t bases < <(base_images)
  [ "${#stand_ins[@]} ${#bases[@]}" = "2 2" ] || { say "two base images and two stand-ins are expected"; exit 1; }
  for index in 0 1; do contexts+=(--build-context "${bases[index]}=docker-image://${stand_ins[index]}"); done
fi

mkdir -p "$(dirname "$archive")"
say "building (a release build with link-time optimization takes minutes)"
buildah bud --isolation chroot --format oci --pull=false "${contexts[@]}" \
  --build-arg "VERSION=$version" --build-arg "GIT_COMMIT=$commit" --build-arg "SOURCE=${SOURCE:-}" \
  --tag "$name" --file "$root/Dockerfile" "$root" >&2
rm -f "$archive"
buildah push --quiet "$name" "oci-archive:$archive:$name" >&2
printf '%s\n' "$archive"
