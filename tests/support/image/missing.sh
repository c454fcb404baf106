#!/usr/bin/env bash
# Prints what this machine lacks to build the image and to run it, or nothing.
set -euo pipefail

[ "$(id -u)" -eq 0 ] || { echo "it must run as root"; exit 0; }
programs=(unshare setpriv)
[ -n "${IMAGE_ARCHIVE:-}" ] || programs+=(buildah mmdebstrap)
for program in "${programs[@]}"; do
  command -v "$program" >/dev/null || { echo "$program is not installed"; exit 0; }
done
unshare --mount true 2>/dev/null || echo "mount namespaces are not permitted"
