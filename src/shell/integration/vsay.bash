# SPDX-License-Identifier: MIT
{ __vsay_options=${-//[!euvx]/}; set +euvx; } 2>/dev/null # options of the command line, restored below
# vsay-shell's integration with bash. It reads the startup files that bash would have read without it, and marks the
# beginning and the end of each command for vsay-shell (src/shell/osc633.h has the marks). The marks carry a nonce, so
# that output cannot forge them.
#
# It must not disturb the user. DEBUG traps (timers, titles, bash-preexec) see each simple command that runs at a
# prompt, and `set -x` shows it. So our part of each prompt consists of expansions, which neither of them sees:
#   PS0             marks the beginning of a command, from a subshell, the only fork. bash expands it when it has read
#                   a line and added it to the history, before it runs the line.
#   PS1             marks the end of the previous command
#   PROMPT_COMMAND  keeps $?, and checks that PS0 and PS1 contain their marks. It calls __vsay_repair only when
#                   something must be done in the shell itself.
# From Enter to the next prompt this takes 2.3 ms; functions in PROMPT_COMMAND took 4.4 ms and three forks.
#
# The obvious other way, a DEBUG trap that reads BASH_COMMAND, is not ours to take: bash has one such trap, and the user
# may want it. It also sees each simple command of a line, not the line as it was typed. So the text comes from the
# history, which has it.
#
# At the process limit bash retries the fork for PS0 for 15 s, and then does not run the command. So PS0 marks the
# beginning without a fork then, and __vsay_repair reports the command when it has ended.
# Before bash 5.1 PROMPT_COMMAND is not an array, so it cannot have an element of ours, and __vsay_repair is called at
# each prompt.
#
# Users may define functions named like builtins, and set IFS and any option. So the code says `builtin printf`, sets
# IFS where it matters, and writes files by >| (noclobber).

# --- what vsay-shell passes to us -----------------------------------------------

__vsay_nonce=''
if [[ ${VSAY_NONCE_FD-} ]]; then
    IFS='' read -r -u "$VSAY_NONCE_FD" __vsay_nonce || : # it ends without a newline
    exec {VSAY_NONCE_FD}<&- # or each command would inherit it
fi
__vsay_login=${VSAY_LOGIN-} # "profile", or "no profile"
__vsay_rcfile=${VSAY_RCFILE-~/.bashrc}
__vsay_scratch=${VSAY_SCRATCH-} # a file in memory, to capture output without a fork
__vsay_limit=${VSAY_LIMIT-}     # another; it contains "1" if no process could be started when the line was entered
# In POSIX mode bash reads this file instead of $ENV.
if [[ -o posix ]]; then
    unset ENV
    [[ ! ${VSAY_ENV+set} ]] || export ENV=$VSAY_ENV
fi
unset VSAY_NONCE_FD VSAY_LOGIN VSAY_RCFILE VSAY_SCRATCH VSAY_LIMIT VSAY_ENV
__vsay_version=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))

# --- tools --------------------------------------------------------------------------

# COMMAND...: sets REPLY to its output, without a fork if there is a scratch file. $(...) forks, even for builtins.
__vsay_capture() {
    if [[ $__vsay_scratch ]] && "$@" >|"$__vsay_scratch"; then
        IFS='' builtin read -r -d '' REPLY <"$__vsay_scratch" || :
    else
        REPLY=$("$@")
    fi
}

# COUNT: sets REPLY to the last entries of the history, with their numbers.
__vsay_history() {
    local HISTTIMEFORMAT=''
    __vsay_capture builtin history "$1"
    REPLY=${REPLY%$'\n'}
}

# KIND TEXT: prints a mark. TEXT must not contain control characters. Marks go to the terminal itself, since the user
# may have redirected the shell's output (exec >log).
__vsay_mark() {
    builtin printf '\e]633;%s;%s;%s\a' "$1" "$2" "$__vsay_nonce" >/dev/tty
}

# REASON: says, once, why nothing is recorded. A session without commands must not look like one where none were run.
__vsay_complain() {
    ((!__vsay_told)) || return
    builtin printf 'vsay: commands are not recorded: %s\n' "$1" >/dev/tty
    __vsay_mark U "$1"
}

# Succeeds, with the reason in REPLY, if commands cannot be recorded.
__vsay_obstacle() {
    REPLY=''
    if [[ ! -o history || ${HISTSIZE-} == 0 ]]; then
        REPLY='there is no history'
    elif [[ ${HISTTIMEFORMAT@a} == *r* ]]; then
        REPLY='HISTTIMEFORMAT is readonly'
    elif ! builtin shopt -q promptvars; then
        REPLY='promptvars is off'
    elif [[ ${PS0-} != *"$__vsay_ps0"* && ${PS0@a} == *r* ]]; then
        REPLY='PS0 is readonly'
    fi
    [[ $REPLY ]]
}

# --- in subshells ---------------------------------------------------------------------

# Subshells disturb nobody: what they set ends with them, and so does the removal of a trap. They answer the shell on
# descriptor 3, in octal. The scratch file holds the shell's DEBUG trap.
__vsay_undisturbed() {
    set +eETuxv
    trap - DEBUG ERR
    trap '' INT QUIT TSTP # never print half a mark
}

# Succeeds if the shell has a DEBUG trap, which would see what __vsay_repair does.
__vsay_traced() {
    [[ $__vsay_scratch && -s $__vsay_scratch ]]
}

# Called in PS0, when a command is about to run. It is the last entry of the history, unless it was kept out of that.
# Answers the shell with a sum of: 1 PROMPT_COMMAND is writable, 2 the entry repeats the previous one, 4 it has
# complained, 8 __vsay_repair can put PS1 right unseen.
__vsay_start() {
    __vsay_undisturbed
    local todo=0 traced='' REPLY=''
    ! __vsay_traced || traced=yes # before the scratch file has other uses
    if __vsay_obstacle; then
        __vsay_complain "$REPLY"
        todo=4 REPLY=''
    elif ((__vsay_new > 0)); then
        __vsay_history 1
    fi
    builtin printf '\e]633;C;%s;%s;%s;%s\a' "$__vsay_nonce" "$__vsay_was" "$REPLY" "$__vsay_nonce" >/dev/tty
    if [[ ${PROMPT_COMMAND@a} != *r* ]]; then
        ((todo |= 1))
        [[ $traced || ${PS1@a} == *r* ]] || ((todo |= 8))
        if [[ $REPLY && $__vsay_dups && ! $traced ]] && __vsay_repeats; then
            ((todo |= 2))
        fi
    fi
    builtin printf '%o' "$todo" >&3
}

# Succeeds if the last two entries of the history are the same.
__vsay_repeats() {
    local last
    __vsay_history 1
    last=$REPLY
    __vsay_history 2
    REPLY=${REPLY%"$last"}
    REPLY=${REPLY%$'\n'}
    [[ ${REPLY#*[0-9][* ] } == "${last#*[0-9][* ] }" ]]
}

# Called in PROMPT_COMMAND when something is wrong: marks the end in place of PS1, and answers whether the shell should
# repair. A repair that a trap would see happens only if nothing would be recorded without it.
__vsay_end() {
    __vsay_undisturbed
    local todo=1
    __vsay_mark D "$__vsay_status"
    if [[ ${PROMPT_COMMAND@a} == *r* ]]; then
        todo=0
    elif [[ ${PS0-} == *"$__vsay_ps0"* || ${PS0@a} == *r* ]] && builtin shopt -q promptvars; then
        [[ ${PS1@a} != *r* ]] && ! __vsay_traced || todo=0
    fi
    builtin printf '%d' "$todo" >&3
}

# --- in the shell itself --------------------------------------------------------------

# Takes over HISTCONTROL's ignoredups and erasedups. bash must not leave repeated commands out of the history: only then
# was a command that is missing there kept out on purpose, by a leading space.
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

# Removes the last entry of the history if it repeats the previous one, as ignoredups would have done.
__vsay_drop_dup() {
    if ((__vsay_dup && HISTCMD - 1 == __vsay_dup)); then
        builtin history -d "$__vsay_dup"
    fi
    __vsay_dup=0
}

# Puts the marks into PS0 and PS1, or removes them if promptvars is off, when bash would print them literally.
__vsay_put_marks() {
    if ! builtin shopt -q promptvars; then
        [[ ${PS0@a} == *r* ]] || PS0=${PS0//"$__vsay_ps0"/}
        [[ ${PS1@a} == *r* ]] || PS1=${PS1//"$__vsay_ps1"/}
        return
    fi
    [[ ${PS0-} == *"$__vsay_ps0"* || ${PS0@a} == *r* ]] || PS0=$__vsay_ps0${PS0-}
    [[ ${PS1-} == *"$__vsay_ps1"* || ${PS1@a} == *r* ]] || PS1=$__vsay_ps1${PS1-}
}

# Reports a command that PS0 could only mark, without a subshell. A command that was kept out of the history is
# reported as a space. There is no entry if the history has been cleared since.
__vsay_report() {
    local HISTTIMEFORMAT='' REPLY
    {
        builtin printf '\e]633;C;%s;%s;' "$__vsay_nonce" "$__vsay_was"
        if __vsay_obstacle || ((__vsay_new <= 0)); then
            builtin printf '0   ' # two characters follow an entry's number
        else
            builtin history 1
        fi
        builtin printf ';%s\a' "$__vsay_nonce"
    } >/dev/tty
    __vsay_late=0
}

# Does what needs the shell itself: it changes the shell's variables and history. A DEBUG trap sees the call, but not
# what the function does.
__vsay_repair() {
    local - REPLY
    set +eETuxv
    ((!__vsay_late)) || __vsay_report
    __vsay_drop_dup
    __vsay_take_dups
    __vsay_put_marks
    if __vsay_obstacle; then
        __vsay_complain "$REPLY"
        __vsay_told=1
    fi
}

# readline runs commands from an editor without expanding PS0. So we only edit the line here, and the key binding below
# enters it as usual.
__vsay_edit() {
    local file text=''
    file=$(mktemp "${TMPDIR:-/tmp}/bash-vsay.XXXXXX") || return
    builtin printf '%s\n' "$READLINE_LINE" >|"$file"
    if builtin eval "${VISUAL:-${EDITOR:-$1}} \"\$file\""; then
        IFS='' builtin read -r -d '' text <"$file" || :
    fi
    command rm -f "$file"
    READLINE_LINE=${text%$'\n'}
    READLINE_POINT=${#READLINE_LINE}
}

# KEYMAP FUNCTION EDITOR: binds the keys of readline's FUNCTION to __vsay_edit followed by accept-line.
__vsay_bind() {
    local keys
    keys=$(builtin bind -m "$1" -q "$2") || return
    while [[ $keys =~ \"(([^\"\\]|\\.)*)\"(.*) ]]; do
        keys=${BASH_REMATCH[3]}
        builtin bind -m "$1" "\"${BASH_REMATCH[1]}\": \"\\C-x\\C-_e\\C-x\\C-_a\""
        builtin bind -m "$1" -x "\"\\C-x\\C-_e\": __vsay_edit $3"
        builtin bind -m "$1" '"\C-x\C-_a": accept-line'
    done
}

# --- what readline and bash expand ---------------------------------------------------

# Prompts can only expand, so the code below is made of expansions with side effects. To read it:
#   ${__vsay_empty[a=1,b=2,0]}        assigns. A subscript is arithmetic, and element 0 is empty: nothing is printed.
#   ${__vsay_if[CONDITION]:+TEXT}     TEXT if the condition is 1, otherwise nothing
#   ${__vsay_fd[TEXT]:+MORE}          MORE if TEXT is "yy", otherwise nothing
#   ${__vsay_fd[${NAME:=VALUE}]-}     sets NAME if it is empty, and prints nothing, as no key is like the value
#   y${NAME+${NAME@a}}y               "yy" if the variable has no attributes, so that it can be set
#   ${__vsay_nonce:+...}              a shell that only inherited the prompt, by export, has no nonce and prints nothing
# bash must not fork for any of it. $(...) always does, and so does $(<file) before bash 5.2.

__vsay_empty=('')            # expands to nothing; its subscript calculates
__vsay_if=('' 1)             # a condition: expands to 1 for the subscript 1
declare -A __vsay_fd=([yy]=0) # a condition on a text; an unknown key expands to nothing
__vsay_number=1              # HISTCMD when the prompt was shown
__vsay_status=-1             # $? at the prompt, before other code in PROMPT_COMMAND and PS1; -1: not known
__vsay_new=0                 # history entries since the prompt
__vsay_was=0                 # $? when the command began
__vsay_unseen=0              # 1 if no trap sees what we do at the prompt; 0: not known
__vsay_do=0 __vsay_told=0 __vsay_dup=0 __vsay_dups=''
__vsay_late=0                # 1 if PS0 did not fork, and the command must still be reported
__vsay_forking=0             # 1 while PS0 forks; it stays 1 if that fails, since bash then stops expanding
__vsay_until=0               # SECONDS until which PS0 does not fork, after a failure

# The status is that which PROMPT_COMMAND has kept; $? may be that of other code in PS1.
__vsay_ps1='${__vsay_nonce:+\[\e]633;D;$((__vsay_number=HISTCMD,__vsay_status<0?$?:__vsay_status));$__vsay_nonce\a\]}'
# Each of the three puts another one back: PS0 restores PROMPT_COMMAND, which restores PS0 and PS1. PS1 restores the
# other two if both are gone.
__vsay_ps1+='${__vsay_nonce:+${__vsay_fd[y${PS0+${PS0@a}}y]:+${__vsay_fd[${PS0:=$__vsay_ps0}]-}}'
if ((__vsay_version >= 501)); then
    __vsay_ps1+='${__vsay_fd[y${PROMPT_COMMAND+${PROMPT_COMMAND@a}}y]:+'
    __vsay_ps1+='${__vsay_fd[${PROMPT_COMMAND[633]:=$__vsay_check}]-}}'
fi
__vsay_ps1+='}'

# 1 if no process can be started. Before bash 5.2 reading the file would fork, so there only a failure shows it.
__vsay_full=0
if ((__vsay_version >= 502)) && [[ $__vsay_limit && -r $__vsay_limit ]]; then
    __vsay_full='0$(<"$__vsay_limit")'
fi

# The redirections of each subshell. Its answer goes to descriptor 3; its trace (set -x) and the output of a DEBUG trap
# go nowhere. {BASH_XTRACEFD} opens a descriptor and makes it that of the trace, in one step.
__vsay_apart='3>&1 >/dev/null 2>&1 {BASH_XTRACEFD}>/dev/null'

# In this order: take $? and HISTCMD; print B, if PS0 may not fork; fork the subshell that prints C; put PROMPT_COMMAND
# back.
__vsay_ps0='${__vsay_nonce:+${__vsay_empty[__vsay_was=$?,__vsay_new=HISTCMD-__vsay_number,__vsay_number=HISTCMD,
__vsay_status=-1,__vsay_until=__vsay_forking?${SECONDS-0}+60:__vsay_until,
__vsay_late=${SECONDS-0}<__vsay_until||'$__vsay_full',__vsay_forking=1-__vsay_late,0]}'
__vsay_ps0+='${__vsay_if[__vsay_late]:+\e]633;B;$__vsay_was;$__vsay_nonce\a}'
__vsay_ps0+='${__vsay_empty[__vsay_do=0${__vsay_if[__vsay_forking]:+$({ trap -p DEBUG >|"$__vsay_scratch"
__vsay_start; } '$__vsay_apart')},__vsay_forking=0,
__vsay_dup=__vsay_do&2?HISTCMD-1:0,__vsay_told|=__vsay_do>>2&1,__vsay_unseen=__vsay_do>>3,0]}'
if ((__vsay_version >= 501)); then
    __vsay_ps0+='${__vsay_if[__vsay_do&1]:+${__vsay_fd[${PROMPT_COMMAND[633]:=$__vsay_check}]-}}'
fi
__vsay_ps0+='}'

# Our element of PROMPT_COMMAND. A group that only defines a function is no simple command, so no trap sees it; but bash
# expands its redirections, and these do the work:
#   1. keep $?, which bash gives to each element anew
#   2. if PS0 or PS1 lacks its mark, or promptvars is off, decide whether to repair that: yes if no trap would see it, or
#      if a fork might fail; otherwise __vsay_end decides, in a subshell
#   3. fail if there is something to repair: there is no descriptor 99999
__vsay_check='{ { __vsay_none() { :; }; } <&$((__vsay_status=$?,__vsay_do=__vsay_dup|__vsay_late,0)) '
__vsay_check+='<&${__vsay_fd[${PS0:+y}${PS1:+y}${PS0##*"$__vsay_ps0"*}${PS1##*"$__vsay_ps1"*}'
__vsay_check+='${BASHOPTS##*promptvars*}]:-$((__vsay_do|=${__vsay_if[__vsay_unseen|__vsay_late|__vsay_forking|'$__vsay_full']:-'
__vsay_check+='0${__vsay_empty[__vsay_forking=1,0]}$({ trap -p DEBUG >|"$__vsay_scratch"; __vsay_end; } '
__vsay_check+=$__vsay_apart')${__vsay_empty[__vsay_forking=0,0]}},0))} <&$((__vsay_do?99999:0)); } 2>/dev/null || { __vsay_repair; } 2>/dev/null'

# --- beginning ------------------------------------------------------------------------

# Ctrl-C in the user's startup files ends this file, too. PS0 then does the rest: it puts our element of PROMPT_COMMAND
# into place, which calls __vsay_repair.
((__vsay_version < 404)) || [[ ! $__vsay_nonce ]] || PS0=$__vsay_ps0

# A login shell would not have read this file, so bash was started as an ordinary one and must behave as a login shell.
if [[ $__vsay_login ]]; then
    logout() { exit "$@"; }
fi
__vsay_files=()
if [[ -o posix ]]; then
    [[ ! ${ENV-} ]] || __vsay_files=("${ENV@P}")
elif [[ $__vsay_login == profile ]]; then
    __vsay_files=(/etc/profile)
    for __vsay_file in ~/.bash_profile ~/.bash_login ~/.profile; do
        if [[ -r $__vsay_file ]]; then
            __vsay_files+=("$__vsay_file")
            break
        fi
    done
elif [[ ! $__vsay_login ]]; then
    __vsay_files=("$__vsay_rcfile") # bash itself has read the system's file
fi
# At the top level, not in a function: `declare` in the user's files must make global variables.
for __vsay_file in "${__vsay_files[@]}"; do
    if [[ -r $__vsay_file ]]; then
        { set "-$__vsay_options"; } 2>/dev/null
        . "$__vsay_file"
        { __vsay_options=${-//[!euvx]/}; set +euvx; } 2>/dev/null
    fi
done
# bash itself reads this file only as a login shell.
if [[ $__vsay_login && ! -o posix && -z $(trap -p EXIT) ]]; then
    trap '[[ ! -r ~/.bash_logout ]] || . ~/.bash_logout' EXIT
fi
unset __vsay_login __vsay_rcfile __vsay_files __vsay_file

__vsay_set_up() {
    local REPLY
    if [[ ${PROMPT_COMMAND@a} == *r* ]]; then
        __vsay_complain 'PROMPT_COMMAND is readonly'
        __vsay_told=1
        PS0=${PS0//"$__vsay_ps0"/}
        return
    fi
    export -n PROMPT_COMMAND PS0 # nested shells do not have our functions
    __vsay_repair
    if ((__vsay_version >= 501)); then
        PROMPT_COMMAND[633]=$__vsay_check # an index that `PROMPT_COMMAND=...` and `+=(...)` leave alone
    else
        PROMPT_COMMAND=${PROMPT_COMMAND-}$'\n{ __vsay_repair; } 2>/dev/null'
    fi
    __vsay_bind emacs edit-and-execute-command emacs
    __vsay_bind vi-command vi-edit-and-execute-command vi
}
if [[ $__vsay_nonce ]]; then
    if ((__vsay_version >= 404)); then
        __vsay_set_up
    else
        __vsay_complain 'bash is older than 4.4' # and has no PS0
    fi
fi
{ set "-$__vsay_options"; unset __vsay_options; } 2>/dev/null
