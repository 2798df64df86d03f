/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/program.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

/* as shells exit when a command cannot be run */
enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* Compares files, not names: vsay-shell may have links, and be a login shell under any name. */
bool program_is_myself(const char *path)
{
    struct stat mine, other;

    return stat("/proc/self/exe", &mine) == 0 && stat(path, &other) == 0 &&
           mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}

/* vsay-shell may itself be the user's login shell; to run that would never end. */
char *program_find(const char *configured)
{
    const struct passwd *user = getpwuid(getuid());
    const char *const candidates[] = {configured, user ? user->pw_shell : "", "/bin/bash"};

    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *path = candidates[i];
        if (*path && access(path, X_OK) == 0 && !program_is_myself(path))
            return xstrdup(path);
    }
    return xstrdup("/bin/sh");
}

const char *program_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void program_add(struct program *program, char *argument)
{
    program->argv = xrealloc(program->argv, (program->count + 2) * sizeof *program->argv);
    program->argv[program->count++] = argument;
    program->argv[program->count] = NULL;
}

/* A dash before the name in argv[0] has made a login shell since Version 7. It works in all shells;
 * --login does not. */
void program_init(struct program *program, char *path, bool login)
{
    *program = (struct program){.path = path, .nonce = -1, .limit = -1};
    program->name = xasprintf("%s%s", login ? "-" : "", program_base_name(path));
    program_add(program, program->name);
}

void program_free(struct program *program)
{
    free(program->path);
    free(program->name);
    free(program->rcfile);
    free(program->argv);
}

void program_add_all(struct program *program, char **arguments)
{
    while (*arguments)
        program_add(program, *arguments++);
}

int program_exec(const struct program *program)
{
    execv(program->path, program->argv);
    int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    log_say("vsay-shell: cannot run %s: %s", program->path, strerror(errno));
    return status;
}

/* --- starting the program ------------------------------------------------ */

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

bool program_start(const struct program *program, const struct termios *settings,
                   const struct winsize *size, struct program_child *out)
{
    sigset_t mask;
    int gate[2];

    *out = (struct program_child){.pty = -1};
    if (pipe2(gate, O_CLOEXEC) < 0)
        return false;
    signal(SIGCHLD, SIG_DFL); /* if it is ignored, waitpid returns no status */
    block_signals(settings != NULL, &mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* before the first process that may lose its parent */
    out->pid = settings ? fork_on_pty(settings, size, &out->pty) : fork();
    if (out->pid == 0)
        wait_and_exec(program, gate, &mask);
    close(gate[0]);
    /* away from the standard streams, which close_streams replaces; we may have been started
     * without them */
    out->gate = fcntl(gate[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(gate[1]);
    if (program->nonce >= 0)
        close(program->nonce);
    if (!settings)
        close_streams();
    return out->pid > 0;
}

void program_release(struct program_child *child, bool run)
{
    ssize_t written = run ? write(child->gate, "", 1) : 0;

    (void)written; /* a dead child is noticed by waitpid */
    close(child->gate);
}
