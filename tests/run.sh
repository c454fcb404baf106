#!/usr/bin/env bash
# Runs all tests, prints their full output, and ends with one line of counts.
set -uo pipefail
cd "$(dirname "$0")/.."

# The tests start their servers on this machine: do not use a proxy for them.
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"

# No test uses the examples, which `cargo test` would build; `make check` compiles them.
if [ $# -eq 0 ]; then
    set -- --tests
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo --config "target.'cfg(unix)'.runner = 'tests/runner.sh'" test --locked --no-fail-fast "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
awk '/^test result:/ {passed += $4; failed += $6; ignored += $8}
     END {printf "%d passed, %d failed, %d ignored\n", passed, failed, ignored}' "$log"
exit "$code"
