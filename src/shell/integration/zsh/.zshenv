# SPDX-License-Identifier: MIT
# vsay-shell's integration with zsh, which reads this file instead of the user's .zshenv. It marks the beginning and the
# end of each command for vsay-shell, with a nonce so that output cannot forge the marks, and then reads the user's
# .zshenv. zsh itself reads the other startup files.

if [[ -n ${VSAY_ZDOTDIR+set} ]]; then
    export ZDOTDIR=$VSAY_ZDOTDIR
else
    unset ZDOTDIR
fi
typeset -g __vsay_nonce= __vsay_line=
if [[ -n $VSAY_NONCE_FD ]]; then
    IFS= read -r -u $VSAY_NONCE_FD __vsay_nonce # it ends without a newline
    exec {VSAY_NONCE_FD}<&-
fi
unset VSAY_NONCE_FD VSAY_ZDOTDIR

# The hooks send traces (standard error) to /dev/null and turn DEBUG traps off, which see only that a function begins.

# Keeps the line as it was typed, even if the history will not have it.
__vsay_zshaddhistory() {
    { emulate -L zsh -o localtraps +xv; trap - DEBUG; __vsay_hook; __vsay_line=${1%$'\n'} } 2>/dev/null
}

# The line gets a number, as in bash's history. Without a line the mark still ends the previous command.
__vsay_preexec() {
    { local code=$?; emulate -L zsh -o localtraps +xv; trap - DEBUG; __vsay_hook; __vsay_start $code } 2>/dev/null
}

__vsay_precmd() {
    { local code=$?; emulate -L zsh -o localtraps +xv; trap - DEBUG; __vsay_hook; __vsay_end $code } 2>/dev/null
}

__vsay_start() {
    builtin printf '\e]633;C;%s;%s;%s;%s\a' $__vsay_nonce $1 "1  $__vsay_line" $__vsay_nonce >/dev/tty
    __vsay_line=
}

__vsay_end() {
    builtin printf '\e]633;D;%s;%s\a' $1 $__vsay_nonce >/dev/tty
}

# Each hook puts the others back into place.
__vsay_hook() {
    local name
    for name in zshaddhistory preexec precmd; do
        [[ ${(P)${:-${name}_functions}[(I)__vsay_$name]} != 0 ]] || eval "${name}_functions+=(__vsay_$name)"
    done
}

# Before the user's file, because Ctrl-C there ends this file, too.
if [[ -o interactive && -n $__vsay_nonce ]]; then
    zshaddhistory_functions+=(__vsay_zshaddhistory)
    preexec_functions+=(__vsay_preexec)
    precmd_functions+=(__vsay_precmd)
fi

[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv
