#!/usr/bin/env bash
# Runs one test binary for `cargo test`. Most integration tests wait: for the operator, the API server, or a time to pass.
# More of them than cores therefore run at the same time; the same holds for a part of the component tests. The other
# binaries compute.
case "$(basename "$1")" in
    integration-*) export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((4 * $(nproc)))}" ;;
    component-*) export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}" ;;
esac
exec "$@"
