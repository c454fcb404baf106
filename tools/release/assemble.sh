#!/usr/bin/env bash
# Puts everything that a release page holds into one folder, and publishes nothing: `make release` runs it.
#
#   IMAGE     the image's name in its registry, without a tag; it is set in install.yaml and in the chart
#   ARCHIVES  OCI archives of the image, one for each architecture; without them the image is built for this machine
#   BASES     registry: pull the base images; otherwise stand-ins replace them, and the folder is for a trial only
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/release/archive.sh
export LC_ALL=C

placeholder=registry.example.com/registry-token-operator
name=registry-token-operator
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
epoch=$(git log -1 --format=%ct)
out=$PWD/target/release-files/v$version
say() { printf 'release: %s\n' "$*" >&2; }

for program in jq skopeo; do
  command -v "$program" >/dev/null || { say "$program is not installed"; exit 1; }
done
for key in version appVersion; do
  [ "$(sed -n "s/^$key: //p" deploy/chart/Chart.yaml)" = "$version" ] || { say "$key in Chart.yaml is not $version"; exit 1; }
done
grep -q "^## \[$version\]" CHANGELOG.md || say "CHANGELOG.md has no section for $version: this is not a release yet"
[ -n "${IMAGE:-}" ] || say "IMAGE is not set: install.yaml and the chart keep the placeholder $placeholder"

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

read -r -a archives <<<"${ARCHIVES:-}"
if [ ${#archives[@]} -eq 0 ]; then archives=("$(tests/support/image/build.sh)"); fi
for archive in "${archives[@]}"; do
  platform=linux_$(architecture "$archive")
  say "$platform"
  cp "$archive" "$out/${name}_${version}_$platform.oci.tar"
  # The same program as in the image.
  mkdir -p "$work/$platform"
  extract "$archive" "$name" "$work/$platform/$name"
  chmod 755 "$work/$platform/$name"
  cp LICENSE "$work/$platform/"
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -C "$work/$platform" -c "$name" LICENSE |
    gzip -9n > "$out/${name}_${version}_$platform.tar.gz"
done

say "manifests, schemas and chart"
with_image() { sed "s|$placeholder|${IMAGE:-$placeholder}|g" "$1" > "$2"; }
with_image deploy/install.yaml "$out/install.yaml"
cp deploy/crds.yaml "$out/"
cp deploy/schemas/*.json "$out/"
cp -r deploy/chart "$work/chart"
for file in values.yaml Chart.yaml README.md; do with_image "deploy/chart/$file" "$work/chart/$file"; done
helm=$(command -v helm || printf '%s/helm' "$(tests/support/helm_tools/build.sh)")
"$helm" package "$work/chart" --destination "$out" >&2

say "SBOM"
cargo build --quiet --locked --example sbom
# Only for the program: cargo would build everything again for another time.
SOURCE_DATE_EPOCH=$epoch "${CARGO_TARGET_DIR:-target}/debug/examples/sbom" > "$out/${name}_$version.spdx.json"

(cd "$out" && sha256sum -- * > "$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
(cd "$out" && du -h -- * >&2)
printf '%s\n' "$out"
