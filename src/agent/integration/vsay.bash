# SPDX-License-Identifier: MIT
# vsay-shell's integration with bash: reads what bash would have read without it, and then marks each command's
# beginning and end for vsay-shell, with the nonce that tells its marks from other output.

__vsay_nonce=${VSAY_NONCE-}
__vsay_login=${VSAY_LOGIN-}
unset VSAY_NONCE VSAY_LOGIN

# --- the files that bash reads ------------------------------------------------

# A login shell of bash's would not have read this file, so it only seems to be none.
if [[ $__vsay_login ]]; then
    logout() { exit "$@"; }
    [[ ! -r /etc/profile ]] || . /etc/profile
    for __vsay_file in ~/.bash_profile ~/.bash_login ~/.profile; do
        if [[ -r $__vsay_file ]]; then
            . "$__vsay_file"
            break
        fi
    done
    if [[ -z $(trap -p EXIT) ]]; then
        trap '[[ ! -r ~/.bash_logout ]] || . ~/.bash_logout' EXIT
    fi
else
    [[ ! -r /etc/bash.bashrc ]] || . /etc/bash.bashrc
    [[ ! -r ~/.bashrc ]] || . ~/.bashrc
fi
unset __vsay_login __vsay_file

# Older ones have no PS0.
__vsay_version=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))
((__vsay_version >= 404)) || return 0
[[ $__vsay_nonce ]] || return 0

# --- marks ----------------------------------------------------------------------

# What users set for themselves, such as `set -e` or a DEBUG trap with `set -T`, is undone in what runs at the prompt.

# KIND TEXT
__vsay_mark() {
    builtin printf '\e]633;%s;%s;%s\a' "$1" "$2" "$__vsay_nonce" 2>/dev/null >/dev/tty
}

# TEXT: sets REPLY to it without control characters, semicolons and lone backslashes. More than is recorded is cut off.
__vsay_escape() {
    local LC_ALL=C code char
    REPLY=${1:0:65536}
    REPLY=${REPLY//\\/\\\\}
    REPLY=${REPLY//;/\\x3b}
    [[ $REPLY == *[[:cntrl:]]* ]] || return 0
    for ((code = 1; code < 32; code++)); do
        builtin printf -v code '%02x' "$code"
        builtin printf -v char "\\x$code"
        REPLY=${REPLY//"$char"/\\x$code}
        code=$((16#$code))
    done
}

# Prints the history's last N entries.
__vsay_history() {
    { HISTTIMEFORMAT='' builtin history "$1"; } 2>/dev/null
}

# In PS0, so in a subshell: a command is about to run. It is the last of the history, unless it was kept out of that.
__vsay_started() {
    { set +eETuxv; } 2>/dev/null
    local REPLY
    [[ $(__vsay_history 1) =~ ^\ *([0-9]+)[*\ ]\ (.*)$ ]] || return
    ((BASH_REMATCH[1] > __vsay_number)) || return
    [[ ${BASH_REMATCH[2]} != [[:blank:]]* ]] || return
    __vsay_escape "${BASH_REMATCH[2]}"
    __vsay_mark E "$REPLY"
}

# First of PROMPT_COMMAND. Older bashes have the next one see our status, which must not end a shell that errors end.
__vsay_finished() {
    local status=$? options=$-
    { local -; set +eETuxv; } 2>/dev/null
    __vsay_mark D "$status"
    ((__vsay_version >= 501)) || [[ $options == *e* ]] || return "$status"
}

# bash must not leave a repeated command out of the history, so that one that is not there was kept out on purpose.
__vsay_take_dups() {
    [[ ${HISTCONTROL-} != "${__vsay_control-}" && ${HISTCONTROL@a} != *r* ]] || return 0
    local word words
    __vsay_dups='' __vsay_control=''
    IFS=: builtin read -r -a words <<<"${HISTCONTROL-}"
    for word in "${words[@]}"; do
        case $word in
        ignoreboth) __vsay_dups=yes word=ignorespace ;;
        ignoredups | erasedups) __vsay_dups=yes word='' ;;
        esac
        __vsay_control+=${word:+${__vsay_control:+:}$word}
    done
    HISTCONTROL=$__vsay_control
}

# Sets `last` to the history's last entry, and `number` to its number.
__vsay_last() {
    last=$(__vsay_history 1)
    number=${last#"${last%%[0-9]*}"}
    number=${number%%[!0-9]*}
}

# Takes the last entry out of the history when it is the one before again.
__vsay_drop_dup() {
    local previous
    previous=$(__vsay_history 2)
    previous=${previous%"$last"}
    previous=${previous%$'\n'}
    [[ ${previous#*[0-9][* ] } != "${last#*[0-9][* ] }" ]] || builtin history -d "$number"
}

# Has PS0 mark the beginning of commands, or says once why that cannot be.
__vsay_hook() {
    local mark='$(__vsay_started)' why=''
    if [[ ! -o history || ${HISTSIZE-} == 0 ]]; then
        why='there is no history'
    elif [[ ${HISTTIMEFORMAT@a} == *r* ]]; then
        why='HISTTIMEFORMAT is readonly'
    elif ! builtin shopt -q promptvars; then
        why='promptvars is off'
        [[ ${PS0@a} == *r* ]] || PS0=${PS0//"$mark"/}
    elif [[ ${PS0-} != *"$mark"* && ${PS0@a} == *r* ]]; then
        why='PS0 is readonly'
    elif [[ ${PS0-} != *"$mark"* ]]; then
        PS0=${PS0-}$mark
    fi
    [[ ! $why ]] || __vsay_complain "$why"
}

# WHY
__vsay_complain() {
    [[ $__vsay_told ]] || builtin echo "vsay: commands are not recorded: $1" >&2
    __vsay_told=yes
}

# Last of PROMPT_COMMAND.
__vsay_ready() {
    { local -; set +eETuxv; } 2>/dev/null
    local last number
    __vsay_last
    if [[ $__vsay_dups ]] && ((number > __vsay_number)); then
        __vsay_drop_dup
        __vsay_last
    fi
    __vsay_number=$((number))
    __vsay_take_dups
    __vsay_hook
}

__vsay_set_up() {
    local -
    set +eu
    if [[ ${PROMPT_COMMAND@a} == *r* ]]; then
        __vsay_complain 'PROMPT_COMMAND is readonly'
        return
    fi
    export -n PROMPT_COMMAND PS0 # shells within do not have the functions
    if ((__vsay_version >= 501)); then
        PROMPT_COMMAND=(__vsay_finished "${PROMPT_COMMAND[@]}" __vsay_ready)
    else
        PROMPT_COMMAND=$'__vsay_finished\n'"${PROMPT_COMMAND-}"$'\n__vsay_ready'
    fi
}

__vsay_number=0 # of the history's last entry at the prompt
__vsay_dups='' __vsay_told=''
__vsay_set_up
