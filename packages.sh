# SPDX-License-Identifier: MIT
# Finds the missing packages of packages.txt, and installs them. quickstart sources this file, for the
# demo and for the tests; `die` and `step` are defined there.

# NEED, as in packages.txt
have() {
    local name=${1#*:}
    case $1 in
    cmd:*) command -v "$name" ;;
    apache:*) test -e "/usr/lib/apache2/modules/mod_$name.so" ;;
    clang:*) clang -fsanitize="$name" -x c -o /dev/null - <<<'int LLVMFuzzerTestOneInput() {return 0;}' ;;
    header:*) cc -E -include "$name" -x c /dev/null ;;
    pc:mysqlclient) pkg-config --exists mysqlclient || pkg-config --exists libmariadb ;;
    pc:*) pkg-config --exists "$name" ;;
    path:*) compgen -G "$name" ;;
    py:*) PATH=/usr/bin:$PATH python3 -c "import $name" ;; # packages are for the system's Python
    esac >/dev/null 2>&1
}

# PURPOSE COLUMN: the missing packages, with their names in that column of packages.txt.
missing() {
    local line
    while read -r -a line; do
        [[ ${line[0]-} == @($1) && ${line[$2]} != - ]] || continue
        have "${line[1]}" || printf '%s\n' "${line[$2]}"
    done <"$root/packages.txt" | sort -u | paste -sd ' ' -
}

# PURPOSE, a pattern
install_packages() {
    local names
    names=$(missing "$1" 2)
    [[ $names ]] || return 0
    if ! command -v apt-get >/dev/null; then
        printf 'Some packages are missing. Install them with one of\n'
        printf '    dnf install %s\n' "$(missing "$1" 3)"
        printf '    apk add %s\n' "$(missing "$1" 4)"
        printf '    brew install %s\n' "$(missing "$1" 5)"
        die "and run this again (multiwatch may have to be built from its source)"
    fi
    ((EUID == 0)) || command -v sudo >/dev/null || die "install as root: apt-get install $names"
    printf 'Missing: %s\n' "$names"
    # shellcheck disable=SC2086
    step "Installing packages" packages apt_install $names
    names=$(missing "$1" 2)
    [[ -z $names ]] || die "still missing after the installation: $names"
}

# The package of a server starts it and has it started at boot. Where the package is new, nobody
# asked for that: the unit stays masked while it is installed, and disabled afterwards.
apt_install() {
    local units=() name status=0
    if [[ -d /run/systemd/system ]]; then
        for name in nginx apache2 lighttpd haproxy prometheus; do
            if [[ " $* " == *" $name "* ]]; then units+=("$name.service"); fi
        done
    fi
    as_root apt-get update
    [[ ${#units[@]} == 0 ]] || as_root systemctl mask --runtime "${units[@]}" || :
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y --no-install-recommends "$@" || status=$?
    if ((${#units[@]})); then
        as_root systemctl unmask --runtime "${units[@]}" || :
        as_root systemctl disable "${units[@]}" || :
    fi
    return "$status"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}
