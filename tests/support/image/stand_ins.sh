#!/usr/bin/env bash
# Makes stand-ins of the Dockerfile's base images from Debian packages, for machines that cannot pull from a registry.
# They have the parts of the originals that the Dockerfile relies on; the Rust toolchain is that of this machine.
set -euo pipefail
source "$(dirname "$0")/common.sh"

suite=trixie
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
stand_in() { printf 'localhost/registry-token-operator/%s-base' "$1"; }

# A stand-in is made again when this script, or the toolchain, changes.
toolchain=$(cd "$root" && rustc --print sysroot)
key=$(cat "$0" "$root/rust-toolchain.toml" <(rustc --version --verbose) | sha256sum | cut -c1-16)

exists() { buildah images --quiet "$(stand_in "$1"):$key" >/dev/null 2>&1; }

commit() { # stage, folder, options of buildah config
  local stage=$1 folder=$2 container
  shift 2
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$folder" / >/dev/null
  [ $# -eq 0 ] || buildah config "$@" "$container"
  buildah commit --quiet --rm "$container" "$(stand_in "$stage"):$key" >/dev/null
}

make_build_base() {
  local folder=$work/build
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,gcc,libc6-dev "$suite" "$folder" "$mirror" >&2
  # The packages are downloaded through the connection of this machine.
  cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
  mkdir -p "$folder/usr/local/cargo/bin"
  cp -a "$toolchain/." "$folder/usr/local/rust"
  rm -rf "$folder/usr/local/rust/share" "$folder/usr/local/rust/lib/rustlib/src"
  for program in cargo rustc; do ln -s "../../rust/bin/$program" "$folder/usr/local/cargo/bin/$program"; done
  commit build "$folder" --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

# The packages of distroless/base-nossl-debian13, unpacked; its user; and its environment.
make_final_base() {
  local folder=$work/final package
  mkdir "$folder" "$work/packages"
  # Without their dependencies, as in the original.
  # shellcheck disable=SC2016 # mmdebstrap expands it.
  PACKAGES=$work/packages mmdebstrap --quiet --mode=root --variant=custom --customize-hook='cd "$PACKAGES" &&
    APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --quiet --quiet --option=APT::Sandbox::User=root \
      download base-files ca-certificates libc6 media-types netbase tzdata' "$suite" "$work/apt" "$mirror" >&2
  for package in "$work"/packages/*.deb; do dpkg --extract "$package" "$folder"; done
  cat "$folder"/usr/share/ca-certificates/mozilla/*.crt > "$folder/etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$folder/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' > "$folder/etc/group"
  mkdir -p "$folder/home/nonroot"
  chown 65532:65532 "$folder/home/nonroot"
  commit final "$folder" --user 65532 --workingdir /home/nonroot --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
for stage in build final; do
  if ! exists "$stage"; then
    say "making a stand-in of the $stage stage's base image from Debian packages"
    "make_${stage}_base"
    rm -rf "${work:?}/$stage"
  fi
done
for stage in build final; do printf '%s:%s\n' "$(stand_in "$stage")" "$key"; done
