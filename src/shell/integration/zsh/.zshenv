# SPDX-License-Identifier: MIT
# vsay-shell's integration with zsh, which reads this in place of the user's .zshenv: marks each command's beginning
# and end for vsay-shell, with the nonce that tells its marks from other output, and reads the user's .zshenv. The
# other files are left to zsh.

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

# A trace goes to standard error, and a DEBUG trap sees no more than how a function begins.

# The line as it was typed, also when the history does not take it.
__vsay_zshaddhistory() {
    { emulate -L zsh -o localtraps +xv; trap - DEBUG; __vsay_hook; __vsay_line=${1%$'\n'} } 2>/dev/null
}

# A line has a number, as in bash's history. Without a line the mark still ends the command before.
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

# Each of them keeps the others in place.
__vsay_hook() {
    local name
    for name in zshaddhistory preexec precmd; do
        [[ ${(P)${:-${name}_functions}[(I)__vsay_$name]} != 0 ]] || eval "${name}_functions+=(__vsay_$name)"
    done
}

# Before the user's file, which a Ctrl-C may end.
if [[ -o interactive && -n $__vsay_nonce ]]; then
    zshaddhistory_functions+=(__vsay_zshaddhistory)
    preexec_functions+=(__vsay_preexec)
    precmd_functions+=(__vsay_precmd)
fi

[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv
