# shellcheck shell=bash
# Sourced by the scripts that build programs from pinned Go modules, once, into a folder outside the checkout.
#
# The script sets `name` (of the cache's folder), `programs`, and `key`, of which the folder is named: all checkouts with the
# same key share one build. `cgo=1` is for programs that contain C. Then it calls `begin_build`, which ends the script if the
# programs are there, builds each program to "$work/PROGRAM", and calls `end_build`.

say() { printf '%s\n' "$*" >&2; }

# Whether this folder contains all programs.
complete() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

# Prints the folder and ends the script, if it contains all programs.
end_if_complete() {
  if complete "$1"; then
    printf '%s\n' "$1"
    exit 0
  fi
}

begin_build() {
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/registry-token-operator/$name
  bin=$cache/$key
  end_if_complete "$bin"
  command -v go >/dev/null || { say "$name: building ${programs[*]} requires Go: https://go.dev/doc/install"; exit 1; }
  mkdir -p "$cache"
  # If several processes find the folder missing, one builds and the others wait for it.
  exec 9>"$cache/lock"
  flock --nonblock 9 || { say "$name: another process is building, waiting"; flock 9; }
  end_if_complete "$bin"
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

# Builds a program, and shows progress: its name, its package, the folder of its go.mod, and further arguments of `go build`.
build() {
  local started=$SECONDS count=0 shown=0 program=$1 package=$2 folder=$3
  shift 3
  say "$name: $program ..."
  while read -r _; do
    count=$((count + 1))
    if ((SECONDS - shown >= 10)); then
      shown=$SECONDS
      say "$name: $program: $count packages after $((SECONDS - started)) s"
    fi
  done < <(cd "$folder" && CGO_ENABLED=${cgo:-0} go build -v -mod=readonly -trimpath "$@" -o "$work/$program" "$package" 2>&1 |
    tee "$work/$program.log")
  [ -x "$work/$program" ] || { tail -20 "$work/$program.log" >&2; exit 1; }
  say "$name: $program done in $((SECONDS - started)) s"
}

# A rename is atomic: the folder is either complete or absent.
end_build() {
  rm -f "$work"/*.log
  mv "$work" "$bin"
  chmod 755 "$bin"
  trap - EXIT
  printf '%s\n' "$bin"
}
