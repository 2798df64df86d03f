# SPDX-License-Identifier: MIT
# vsay-shell's integration with zsh, which reads this in place of the user's .zshenv: reads that one, leaves the other
# files to zsh, and marks each command's beginning and end for vsay-shell, with the nonce that tells its marks
# from other output.

if [[ -n ${VSAY_ZDOTDIR+set} ]]; then
    export ZDOTDIR=$VSAY_ZDOTDIR
else
    unset ZDOTDIR
fi
typeset -g __vsay_nonce=${VSAY_NONCE-} __vsay_line=
unset VSAY_NONCE VSAY_ZDOTDIR

[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv

[[ -o interactive && -n $__vsay_nonce ]] || return 0

# KIND TEXT
__vsay_mark() {
    builtin printf '\e]633;%s;%s;%s\a' $1 $2 $__vsay_nonce 2>/dev/null >/dev/tty
}

# TEXT: sets REPLY to it without control characters, semicolons and lone backslashes. More than is recorded is cut off.
__vsay_escape() {
    emulate -L zsh +xv -o extendedglob
    local code
    REPLY=${1[1,65536]}
    REPLY=${REPLY//\\/\\\\}
    REPLY=${REPLY//;/\\x3b}
    for code in ${(u)${(s::)REPLY//[^[:cntrl:]]##}}; do
        REPLY=${REPLY//$code/\\x${(l:2::0:)$(([##16]#code))}}
    done
}

# The line as it was typed, also when the history does not take it.
__vsay_zshaddhistory() {
    __vsay_line=${1%$'\n'}
}

__vsay_preexec() {
    emulate -L zsh +xv
    local REPLY line=$__vsay_line
    __vsay_line=
    [[ -n $line && $line != [[:blank:]]* ]] || return
    __vsay_escape $line
    __vsay_mark E $REPLY
}

__vsay_precmd() {
    local code=$?
    emulate -L zsh +xv
    __vsay_mark D $code
}

autoload -Uz add-zsh-hook
add-zsh-hook zshaddhistory __vsay_zshaddhistory
add-zsh-hook preexec __vsay_preexec
add-zsh-hook precmd __vsay_precmd
