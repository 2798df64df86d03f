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

# Older ones have neither PS0 nor @P.
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || return 0
[[ $__vsay_nonce ]] || return 0

# --- marks ----------------------------------------------------------------------

# KIND TEXT
__vsay_mark() {
    builtin printf '\e]633;%s;%s;%s\a' "$1" "$2" "$__vsay_nonce" 2>/dev/null >/dev/tty
}

# TEXT: sets REPLY to it without control characters, semicolons and lone backslashes.
__vsay_escape() {
    local LC_ALL=C code char
    REPLY=${1//\\/\\\\}
    REPLY=${REPLY//;/\\x3b}
    [[ $REPLY == *[[:cntrl:]]* ]] || return 0
    for ((code = 1; code < 32; code++)); do
        builtin printf -v code '%02x' "$code"
        builtin printf -v char "\\x$code"
        REPLY=${REPLY//"$char"/\\x$code}
        code=$((16#$code))
    done
}

# In PS0, so in a subshell: a command is about to run. It is the last of the history, unless it was kept out of that.
__vsay_started() {
    local REPLY entry
    set +xv
    entry=$(HISTTIMEFORMAT='' builtin history 1)
    [[ $entry =~ ^\ *([0-9]+)[*\ ]\ (.*)$ ]] || return
    [[ ${BASH_REMATCH[1]} == "$__vsay_number" ]] || return
    [[ ${BASH_REMATCH[2]} != [[:blank:]]* ]] || return
    __vsay_escape "${BASH_REMATCH[2]}"
    __vsay_mark E "$REPLY"
}

# First of PROMPT_COMMAND.
__vsay_finished() {
    local status=$?
    { local -; set +xv; } 2>/dev/null
    __vsay_mark D "$status"
    return "$status"
}

# bash must not leave a repeated command out of the history, so that one that is not there was kept out on purpose.
__vsay_take_dups() {
    [[ ${HISTCONTROL-} != "${__vsay_control-}" ]] || return 0
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

# Leaves out what bash was kept from leaving out.
__vsay_drop_dup() {
    local last previous number
    [[ $__vsay_dups ]] || return 0
    last=$(HISTTIMEFORMAT='' builtin history 1)
    [[ $last ]] || return 0
    previous=$(HISTTIMEFORMAT='' builtin history 2)
    previous=${previous%"$last"}
    previous=${previous%$'\n'}
    builtin read -r number _ <<<"$last"
    if [[ $previous && ${previous#*[0-9][* ] } == "${last#*[0-9][* ] }" ]]; then
        builtin history -d "${number%\*}"
    fi
}

# Last of PROMPT_COMMAND.
__vsay_ready() {
    { local -; set +xv; } 2>/dev/null
    local bang='\!'
    [[ ${bang@P} == "${__vsay_number-}" ]] || __vsay_drop_dup
    __vsay_take_dups
    [[ ${PS0-} == *__vsay_started* ]] || PS0=${PS0-}'$(__vsay_started)'
    __vsay_number=${bang@P} # that the next command will have
}

__vsay_dups=''
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
    PROMPT_COMMAND=(__vsay_finished "${PROMPT_COMMAND[@]}" __vsay_ready)
else
    PROMPT_COMMAND=$'__vsay_finished\n'"${PROMPT_COMMAND-}"$'\n__vsay_ready'
fi
