# SPDX-License-Identifier: MIT
# The tests of ./quickstart test, which sources this file.

failed=()
counts=()

# NAME: the runners' own counts of a suite.
count() {
    local passed failures line
    passed=$(cat "$root/build-$1"/tests/unit/*.log | sed -n 's/^\[  PASSED  \] \([0-9]*\) .*/\1/p' |
        awk '{ n += $1 } END { print n + 0 }')
    failures=$(cat "$root/build-$1"/tests/unit/*.log | grep -c '^\[  FAILED  \] [0-9]* test' || :)
    counts+=("$1-unit: $passed passed, $failures failed")
    line=$(grep -E '^=+ .* in [0-9.]+s' "$var/log/test-$1.log" | tail -n 1 || :)
    [[ -z $line ]] || counts+=("$1-e2e: $line")
}

# NAME CONFIGURE-ARGUMENT... -- MAKE-ARGUMENT...: builds in ./build-NAME and tests there.
suite() {
    local name=$1 options=()
    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    step "Building for $name" "build-$name" build_in "$root/build-$name" "${options[@]}"
    rm -f "$root/build-$name"/tests/unit/*.log
    "${tame[@]}" make -C "$root/build-$name" -k "${@:2}" 2>&1 | tee "$var/log/test-$name.log" ||
        failed+=("$name")
    count "$name"
}

# PYTEST-ARGUMENTS: what the first suite, which has all end-to-end tests, runs of them.
all_suites() {
    export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
    local tame=(env)
    # The sanitizers of older compilers fail at random where addresses are widely randomised.
    if setarch -R true 2>/dev/null; then tame=(setarch -R); fi
    suite gcc CC=gcc --enable-werror -- check PYTEST_ARGS="$1"
    suite clang CC=clang --enable-werror -- check-unit
    suite asan --enable-sanitizers=address,undefined CFLAGS='-O1 -g' -- \
        check-unit check-e2e PYTEST_ARGS='-m "core and not heavy"'
    suite tsan --enable-sanitizers=thread CFLAGS='-O1 -g' -- \
        check-unit TESTS='tests/unit/test_board tests/unit/test_watch'
    printf '\n'
    printf '%s\n' "${counts[@]}"
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}

# ARG...: see usage.
chosen_tests() {
    local arg pytest='' goals=() variables=()
    for arg; do
        case $arg in
        check | check-*) goals+=("$arg") ;;
        [A-Z]*=*) variables+=("$arg") ;;
        *) pytest+=" ${arg@Q}" ;;
        esac
    done
    [[ ! $pytest ]] || variables+=("PYTEST_ARGS=${pytest//\$/\$\$}")
    [[ ${goals[*]} || ! $pytest ]] || goals=(check-e2e)
    step "Building" build build_in "$build"
    make -C "$build" "${goals[@]:-check}" "${variables[@]}"
}
