/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/integration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"

/* Makes a pipe that contains the nonce. The shell inherits it; the integration reads it to the end
 * and closes it. Unlike that, arguments and environment of a process can be read in /proc as long
 * as it lives. Returns -1 on failure. */
static int make_nonce_pipe(const char *nonce)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    size_t length = strlen(nonce);
    bool whole = write(ends[1], nonce, length) == (ssize_t)length;
    close(ends[1]);
    if (whole && fcntl(ends[0], F_SETFD, 0) == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* Makes a file in memory and puts its path into `variable` for the integration. The descriptor
 * stays in this process, because the shell's children would inherit one of the shell. Returns -1
 * on failure. */
static int make_memory_file(const char *variable)
{
    int fd = memfd_create("vsay", MFD_CLOEXEC);

    unsetenv(variable);
    if (fd < 0)
        return -1;
    char *path = xasprintf("/proc/%ld/fd/%d", (long)getpid(), fd);
    setenv(variable, path, 1);
    free(path);
    return fd;
}

static void set_variable(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void keep_variable(const char *name, const char *kept)
{
    set_variable(kept, getenv(name));
}

/* Returns whether bash starts in POSIX mode. It then reads $ENV instead of an rcfile. Each of the
 * three ways into that mode counts, as bash decides before it reads any file of ours. */
static bool posix_mode(const struct shell_arguments *arguments)
{
    const char *options = getenv("SHELLOPTS");

    return arguments->posix || getenv("POSIXLY_CORRECT") || (options && strstr(options, "posix"));
}

/* Starts bash with our integration as its rcfile. As a login shell bash would not read an rcfile,
 * so it is started as an ordinary one, and the integration does what a login shell does. It also
 * reads the startup files that the arguments ask for. */
static void integrate_bash(struct program *program, const char *share,
                           const struct shell_arguments *arguments)
{
    static char option[] = "--rcfile";
    bool login = *program->name == '-' || arguments->login;

    program->rcfile = xasprintf("%s/vsay.bash", share);
    free(program->name);
    program->name = program->argv[0] = xstrdup(program_base_name(program->path));
    program_add(program, option);
    program_add(program, program->rcfile);
    program_add_all(program, arguments->kept);
    /* the integration captures output there; $(...) would cost another fork with each command */
    make_memory_file("VSAY_SCRATCH");
    program->limit = make_memory_file("VSAY_LIMIT");
    set_variable("VSAY_LOGIN", !login ? NULL : arguments->no_profile ? "no profile" : "profile");
    set_variable("VSAY_RCFILE", arguments->rcfile);
    if (!posix_mode(arguments))
        return;
    keep_variable("ENV", "VSAY_ENV");
    setenv("ENV", program->rcfile, 1);
}

/* zsh reads $ZDOTDIR/.zshenv before all other files of the user, in every kind of shell. Ours puts
 * ZDOTDIR back, so zsh itself finds the rest. The arguments stay as they are. */
static void integrate_zsh(struct program *program, const char *share,
                          const struct shell_arguments *arguments)
{
    char *ours = xasprintf("%s/zsh", share);

    program_add_all(program, arguments->given);
    keep_variable("ZDOTDIR", "VSAY_ZDOTDIR");
    setenv("ZDOTDIR", ours, 1);
    free(ours);
}

/* The scripts unset the variables that they get from here, so that these reach no command of the
 * user: a bash within bash must not believe that it is recorded. */
static const struct {
    const char *shell, *file;
    void (*integrate)(struct program *program, const char *share,
                      const struct shell_arguments *arguments);
} integrations[] = {
    {"bash", "vsay.bash", integrate_bash},
    {"zsh", "zsh/.zshenv", integrate_zsh},
};

/* Applies one integration. Returns NULL, or why it cannot be used. */
static char *integrate(struct program *program, size_t which, const char *share, const char *nonce,
                       const struct shell_arguments *arguments)
{
    char *file = xasprintf("%s/%s", share, integrations[which].file);
    bool there = access(file, R_OK) == 0;
    char *why = there ? NULL : xasprintf("%s cannot be read", file);

    free(file);
    if (why)
        return why;
    if (arguments->unmarked)
        return xstrdup(arguments->unmarked);
    program->nonce = make_nonce_pipe(nonce);
    if (program->nonce < 0)
        return xasprintf("cannot pass the nonce to the shell: %s", strerror(errno));
    char *number = xasprintf("%d", program->nonce);
    setenv("VSAY_NONCE_FD", number, 1);
    free(number);
    integrations[which].integrate(program, share, arguments);
    return NULL;
}

char *integration_set_up(struct program *program, const char *share, const char *nonce,
                         const struct shell_arguments *arguments)
{
    const char *shell = program_base_name(program->path);
    char *why = NULL;
    size_t which = 0, count = sizeof integrations / sizeof *integrations;

    while (which < count && strcmp(integrations[which].shell, shell) != 0)
        which++;
    if (which < count)
        why = integrate(program, which, share, nonce, arguments);
    else
        why = xasprintf("%s is neither bash nor zsh", shell);
    if (why)
        program_add_all(program, arguments->given);
    return why;
}

/* --- the limit of processes ---------------------------------------------- */

/* vfork, because it copies no page tables: this happens at each Return. */
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

void integration_write_limit(int fd, pid_t shell, const char *bytes, size_t length)
{
    if (!memchr(bytes, '\r', length) && !memchr(bytes, '\n', length))
        return;
    int failed = can_fork_as(shell) ? ftruncate(fd, 0) : pwrite(fd, "1", 1, 0) != 1;

    (void)failed; /* then the shell finds out by itself */
}
