/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int taken[] = {SIGCHLD, SIGWINCH, SIGCONT, SIGHUP, SIGTERM};

int spawn_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&set, taken[i]);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* In the child: waits for a byte and runs the program; exits at end of file. */
static void wait_and_exec(const struct program *program, const int gate[2], const sigset_t *mask)
{
    char byte;
    ssize_t n;

    close(gate[1]);
    do
        n = read(gate[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, mask, NULL);
    _exit(program_exec(program));
}

/* Blocks all signals, since no signal may end us while the terminal is raw, and those of the
 * terminal's keys are for the child. Without a PTY of its own the program shares our terminal, so
 * the stop signals must stop us as well. */
static void block_signals(bool own_pty, sigset_t *old)
{
    sigset_t set;

    sigfillset(&set);
    if (!own_pty) {
        sigdelset(&set, SIGTSTP);
        sigdelset(&set, SIGTTIN);
        sigdelset(&set, SIGTTOU);
    }
    sigprocmask(SIG_BLOCK, &set, old);
}

/* Closes our copies of the program's streams, so that they end when the program closes them. */
static void close_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (null > STDOUT_FILENO)
        close(null);
}

static pid_t fork_on_pty(const struct termios *settings, const struct winsize *size, int *pty)
{
    pid_t pid = forkpty(pty, NULL, settings, size);

    if (pid == 0)
        signal(SIGHUP, SIG_DFL); /* a new terminal can be hung up, even if ours cannot (nohup) */
    if (pid > 0) {
        fcntl(*pty, F_SETFL, O_NONBLOCK);
        fcntl(*pty, F_SETFD, FD_CLOEXEC);
    }
    return pid;
}

bool spawn_program(const struct program *program, const struct termios *settings,
                   const struct winsize *size, struct spawned *out)
{
    sigset_t mask;
    int gate[2];

    *out = (struct spawned){.pty = -1};
    if (pipe2(gate, O_CLOEXEC) < 0)
        return false;
    signal(SIGCHLD, SIG_DFL); /* if it is ignored, waitpid returns no status */
    block_signals(settings != NULL, &mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    out->pid = settings ? fork_on_pty(settings, size, &out->pty) : fork();
    if (out->pid == 0)
        wait_and_exec(program, gate, &mask);
    close(gate[0]);
    out->gate = fcntl(gate[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(gate[1]);
    if (program->nonce >= 0)
        close(program->nonce);
    if (!settings)
        close_streams();
    return out->pid > 0;
}

void spawn_release(struct spawned *spawned, bool run)
{
    ssize_t written = run ? write(spawned->gate, "", 1) : 0;

    (void)written; /* a dead child is noticed by waitpid */
    close(spawned->gate);
}

/* --- the limit of processes ---------------------------------------------- */

static bool can_fork(void)
{
    pid_t pid = vfork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* Tests with the shell's limit: each process has its own, and users lower that of their shell. */
static bool can_fork_as(pid_t shell)
{
    struct rlimit own, shells;

    if (prlimit(shell, RLIMIT_NPROC, NULL, &shells) < 0 || getrlimit(RLIMIT_NPROC, &own) < 0)
        return can_fork();
    shells.rlim_max = own.rlim_max;
    if (shells.rlim_cur > own.rlim_max)
        shells.rlim_cur = own.rlim_max;
    setrlimit(RLIMIT_NPROC, &shells);
    bool can = can_fork();
    setrlimit(RLIMIT_NPROC, &own);
    return can;
}

void spawn_write_limit(int fd, pid_t shell, const char *bytes, size_t length)
{
    if (!memchr(bytes, '\r', length) && !memchr(bytes, '\n', length))
        return;
    int failed = can_fork_as(shell) ? ftruncate(fd, 0) : pwrite(fd, "1", 1, 0) != 1;

    (void)failed; /* then the shell finds out by itself */
}
