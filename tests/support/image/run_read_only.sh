#!/usr/bin/env bash
# Runs the program of an unpacked image as the kubelet would with `runAsNonRoot` and `readOnlyRootFilesystem`: as the image's
# user, without capabilities and new privileges, and on a read-only root. Needs root.
#
#   run_read_only.sh ROOT USER PROGRAM [ARGUMENT...]
# The file $KUBECONFIG is mounted at the same path.
set -euo pipefail
root=$1 user=$2
shift 2

# As a container runtime does.
for file in hosts resolv.conf; do install --mode=0644 "/etc/$file" "$root/etc/$file"; done
if [ -n "${KUBECONFIG:-}" ]; then
  mkdir -p "$root$(dirname "$KUBECONFIG")"
  install --mode=0444 "$KUBECONFIG" "$root$KUBECONFIG"
fi
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# shellcheck disable=SC2016 # The inner shell expands them.
exec unshare --mount --propagation private bash -euc '
  root=$1 user=$2
  shift 2
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -o remount,bind,ro "$root"
  exec setpriv --no-new-privs chroot --userspec="$user:$user" "$root" "$@"
' run "$root" "$user" "$@"
