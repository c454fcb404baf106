# shellcheck shell=bash
# Sourced by the scripts of this folder: where the images are stored, and the names of the base images.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/image
say() { printf 'image: %s\n' "$*" >&2; }

# A store of its own, so that nothing else on this machine is changed.
storage=(--root "$cache/storage" --runroot "$cache/run" --storage-driver vfs)
buildah() { command buildah "${storage[@]}" "$@"; }

# The base images of the Dockerfile, in order: the build stage, and the final image.
base_images() { sed -n 's/^FROM \([^ ]*\).*/\1/p' "$root/Dockerfile"; }
