# SPDX-License-Identifier: MIT
# Completion of vsayctl's arguments in bash. What there is to complete, vsayctl itself tells: its
# help, and its lists for the ids of machines and open sessions. An error is silent.

_vsayctl_ids() {
    VSAY_DB_CONNECT_TIMEOUT=1s timeout 3 "${vsayctl[@]}" "$@" 2>/dev/null |
        awk 'NR > 1 { print $1 }'
}

_vsayctl() {
    local vsayctl=("${COMP_WORDS[0]}") words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} found=
    COMPREPLY=()
    if [[ ${words[0]-} == @(-c|--config) && ${#words[@]} -gt 1 ]]; then
        vsayctl+=(--config "${words[1]}")
        words=("${words[@]:2}")
    fi
    case $previous in
    -c | --config | --out | --dir | --admin-password-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --machine | --agent-id) found=$(_vsayctl_ids machine list) ;;
    --session) found=$(_vsayctl_ids session list) ;;
    --relation) found='owner granted' ;;
    --role) found='user company_admin super_admin metrics' ;;
    *)
        if [[ $current == -* && ${#words[@]} -gt 0 ]]; then
            local name=("${words[0]}")
            case ${words[0]} in machine | session) name+=("${words[1]-}") ;; esac
            found=$("${vsayctl[@]}" "${name[@]}" --help 2>/dev/null |
                sed -n 's/^  \(    \|-., \)\(--[a-z-]*\).*/\2/p')
        elif [[ $current == -* ]]; then
            found='--config --help --version'
        else
            case "${words[0]-} ${words[1]-}" in
            ' ') found=$("${vsayctl[@]}" --help 2>/dev/null |
                sed -n '/^Commands:/,/^$/s/^  \([a-z]*\).*/\1/p' | sort -u) ;;
            'machine ' | 'session ') found=$("${vsayctl[@]}" "${words[0]}" --help 2>/dev/null |
                sed -n "s/^  ${words[0]} \([a-z]*\).*/\1/p") ;;
            'machine remove' | 'machine rotate') found=$(_vsayctl_ids machine list) ;;
            'session close') found=$(_vsayctl_ids session list) ;;
            esac
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$found" -- "$current")
}
complete -F _vsayctl vsayctl
