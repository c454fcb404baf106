#!/usr/bin/env bash
# Provides Gitea, its templates and its options, and prints only their folder on standard output.
#
# It is built from the pinned Go module next to this script; the pinned versions are the cache key.
set -euo pipefail
cd "$(dirname "$0")/go"
source ../../go_programs.sh

name=gitea
programs=(gitea)
# Its driver of SQLite is written in C.
cgo=1
key=$(cat go.mod go.sum | sha256sum | cut -c1-16)
begin_build
command -v gcc >/dev/null || { say "$name: building the driver of SQLite requires gcc"; exit 1; }
version=$(go list -m -f '{{.Version}}' code.gitea.io/gitea)
say "$name: building Gitea $version from its Go module (once, about 7 minutes on 2 cores)"
build gitea code.gitea.io/gitea . -tags 'sqlite sqlite_unlock_notify' -ldflags "-s -w -X main.Version=${version#v}"
# Gitea reads these at its start. They are copied, since the cache of Go's modules may be emptied.
module=$(go list -m -f '{{.Dir}}' code.gitea.io/gitea)
mkdir "$work/static"
cp -r "$module/templates" "$module/options" "$work/static"
chmod -R u+w "$work/static"
end_build
