# shellcheck shell=bash
# Sourced: reads OCI archives, as buildah and BuildKit write them.

blob() { printf 'blobs/%s\n' "$(tr : / <<<"$1")"; }

# The digest of the image's manifest. BuildKit nests it in an index, beside attestations, whose platform is unknown.
manifest_digest() { # archive
  local file=index.json entry type
  while :; do
    entry=$(tar -xOf "$1" "$file" | jq -c '[.manifests[] | select(.platform.os // "linux" != "unknown")] | if length == 1 then .[0] else error("one image is expected") end')
    type=$(jq -r .mediaType <<<"$entry")
    case $type in
      *image.index*|*manifest.list*) file=$(blob "$(jq -r .digest <<<"$entry")") ;;
      *) jq -r .digest <<<"$entry"; return ;;
    esac
  done
}

manifest() { tar -xOf "$1" "$(blob "$(manifest_digest "$1")")"; }

architecture() { tar -xOf "$1" "$(blob "$(manifest "$1" | jq -r .config.digest)")" | jq -r .architecture; }

# Writes a file of the image, from the last layer that has it.
extract() { # archive, path in the image, file
  local layer
  for layer in $(manifest "$1" | jq -r '[.layers[].digest] | reverse | .[]'); do
    if tar -xOf "$1" "$(blob "$layer")" | tar -xzO "$2" > "$3" 2>/dev/null; then return; fi
  done
  echo "$1 has no file $2" >&2
  return 1
}
