#!/usr/bin/env bash
# Runs one test binary for `cargo test`. Most integration tests wait: for the operator, the API server, or a time to pass.
# More of them than cores therefore run at the same time; the same holds for a part of the component tests. The fault
# matrix uses all cores and has time limits, so it runs alone. The other binaries compute.

# A test starts a control plane of its own in many cases, and collecting garbage is a quarter of the CPU time of its
# servers, which are Go programs. They collect less often here, and each may use more memory.
export GOGC="${GOGC:-800}" GOMEMLIMIT="${GOMEMLIMIT:-1GiB}"

case "$(basename "$1")" in
    integration-*)
        threads="${RUST_TEST_THREADS:-$((4 * $(nproc)))}"
        if [ $# -eq 1 ]; then
            "$1" fault_matrix::
            matrix=$?
            RUST_TEST_THREADS="$threads" "$1" --skip fault_matrix::
            others=$?
            exit $((matrix > others ? matrix : others))
        fi
        export RUST_TEST_THREADS="$threads"
        ;;
    component-*) export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}" ;;
esac
exec "$@"
