#!/usr/bin/env bash
# Checks the pinned base images against their registries: each digest must be an index that exists and has both architectures.
# Prints the digest that the tag has now, if it is another one. Needs skopeo, and access to the registries.
set -euo pipefail
cd "$(dirname "$0")/../.."

failed=0
while read -r image; do
  name=${image%@*} digest=${image#*@}
  repository=${name%:*}
  if ! raw=$(skopeo inspect --raw "docker://$repository@$digest"); then
    echo "$name: the registry does not have $digest"
    failed=1
    continue
  fi
  platforms=$(jq -r '[.manifests[]?.platform | select(.os == "linux") | .architecture] | unique | join(" ")' <<<"$raw")
  for architecture in amd64 arm64; do
    [[ " $platforms " == *" $architecture "* ]] || { echo "$name: $digest has no image for $architecture"; failed=1; }
  done
  now=sha256:$(skopeo inspect --raw "docker://$name" | sha256sum | cut -d ' ' -f 1)
  if [ "$now" = "$digest" ]; then echo "$name: up to date"; else echo "$name: the tag has moved to $now"; fi
done < <(sed -n 's/^FROM \([^ ]*@sha256:[0-9a-f]*\).*/\1/p' Dockerfile)
exit "$failed"
