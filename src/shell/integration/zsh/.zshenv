# SPDX-License-Identifier: MIT
# vsay-shell's integration with zsh, which reads this file instead of the user's .zshenv, because vsay-shell has set
# ZDOTDIR. It marks the beginning and the end of each command for vsay-shell (src/shell/osc633.h has the marks), with a
# nonce so that output cannot forge them, and then reads the user's .zshenv. With ZDOTDIR put back, zsh itself reads the
# other startup files from where it would have.
#
# This is much simpler than in bash: zsh has arrays of hooks, to which anyone may add, and one of them gets each line as
# it was typed.

if [[ -n ${VSAY_ZDOTDIR+set} ]]; then
    export ZDOTDIR=$VSAY_ZDOTDIR
else
    unset ZDOTDIR
fi
typeset -g __vsay_nonce= __vsay_line=
if [[ -n $VSAY_NONCE_FD ]]; then
    IFS= read -r -u $VSAY_NONCE_FD __vsay_nonce # it ends without a newline
    exec {VSAY_NONCE_FD}<&- # or each command would inherit it
fi
unset VSAY_NONCE_FD VSAY_ZDOTDIR

# Each hook first turns off what the user may have set: options (emulate), traces, DEBUG traps. Traces go to standard
# error, so that is /dev/null. A DEBUG trap sees only that a function begins. Marks go to the terminal itself, since the
# user may have redirected the shell's output (exec >log).

# Keeps the line as it was typed, even if the history will not have it.
__vsay_zshaddhistory() {
    { emulate -L zsh -o localtraps +xv; trap - DEBUG; __vsay_hook; __vsay_line=${1%$'\n'} } 2>/dev/null
}

# The line gets a number, as in bash's history, so that vsay-shell has one form to parse. Without a line the mark still
# ends the previous command.
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

# Each hook puts the others back into place: the user's files may assign the arrays instead of adding to them.
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
