#!/usr/bin/env bash
# Prints why no node can run on this machine; nothing if one can.
set -uo pipefail

packages="runc docker-registry containernetworking-plugins apache2-utils skopeo"
[ "$(uname -s)" = Linux ] || { echo "a node needs Linux"; exit; }
[ "$(id -u)" = 0 ] || { echo "a kubelet needs root"; exit; }
for program in runc docker-registry htpasswd skopeo unshare tar; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { echo "$program is not installed; on Debian, install $packages"; exit; }
done
[ -x /usr/lib/cni/loopback ] || { echo "the CNI plugins are not installed; on Debian, install $packages"; exit; }
command -v go >/dev/null || { echo "Go is not installed, with which the kubelet is built: https://go.dev/doc/install"; exit; }
unshare --mount --pid --fork --mount-proc true 2>/dev/null || { echo "this machine allows no namespaces of its own"; exit; }
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/memory; do
  [ -e "$hierarchy/cgroup.procs" ] || continue
  mkdir "$hierarchy/node-test" 2>/dev/null && rmdir "$hierarchy/node-test" && exit
done
echo "this machine allows no control groups of its own"
