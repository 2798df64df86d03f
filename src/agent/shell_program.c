/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shell_program.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static bool is_myself(const char *path)
{
    struct stat mine, other;

    return stat("/proc/self/exe", &mine) == 0 && stat(path, &other) == 0 &&
           mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}

static const char *find_shell(const char *configured)
{
    const struct passwd *user = getpwuid(getuid());
    const char *const candidates[] = {configured, user ? user->pw_shell : "", "/bin/bash"};

    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *path = candidates[i];
        if (*path && access(path, X_OK) == 0 && !is_myself(path))
            return path;
    }
    return "/bin/sh";
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void program_init(struct program *program, const char *configured, bool login)
{
    *program = (struct program){.path = xstrdup(find_shell(configured)), .nonce = -1};
    program->name = xasprintf("%s%s", login ? "-" : "", base_name(program->path));
    program_add(program, program->name);
}

void program_free(struct program *program)
{
    free(program->path);
    free(program->name);
    free(program->rcfile);
    free(program->argv);
}

void program_add(struct program *program, char *argument)
{
    program->argv = xrealloc(program->argv, (program->count + 2) * sizeof *program->argv);
    program->argv[program->count++] = argument;
    program->argv[program->count] = NULL;
}

/* A pipe with the nonce, which the shell inherits and the integration reads to its end and closes:
 * the environment and the arguments of a process can be read as long as it lives. -1: none. */
static int hand_over(const char *nonce)
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

/* A file in memory where the integration has commands write what it reads: a subshell for that
 * would be a process more with each command. It is ours, since a descriptor of the shell's would be
 * its children's too. */
static void lend_scratch(void)
{
    int fd = memfd_create("vsay", MFD_CLOEXEC);

    unsetenv("VSAY_SCRATCH");
    if (fd < 0)
        return;
    char *path = xasprintf("/proc/%ld/fd/%d", (long)getpid(), fd);
    setenv("VSAY_SCRATCH", path, 1);
    free(path);
}

static void keep_variable(const char *name, const char *kept)
{
    const char *value = getenv(name);

    if (value)
        setenv(kept, value, 1);
    else
        unsetenv(kept);
}

/* In POSIX mode (POSIXLY_CORRECT, SHELLOPTS) bash reads $ENV, and no rcfile. */
static bool posix_mode(void)
{
    const char *options = getenv("SHELLOPTS");

    return getenv("POSIXLY_CORRECT") || (options && strstr(options, "posix"));
}

/* A login shell of bash's would not read its rcfile; ours does what a login shell does. */
static void integrate_bash(struct program *program, const char *share, bool login)
{
    static char option[] = "--rcfile";

    program->rcfile = xasprintf("%s/vsay.bash", share);
    free(program->name);
    program->name = program->argv[0] = xstrdup(base_name(program->path));
    program_add(program, option);
    program_add(program, program->rcfile);
    lend_scratch();
    if (login)
        setenv("VSAY_LOGIN", "1", 1);
    else
        unsetenv("VSAY_LOGIN");
    if (!posix_mode())
        return;
    keep_variable("ENV", "VSAY_ENV");
    setenv("ENV", program->rcfile, 1);
}

static void integrate_zsh(struct program *program, const char *share, bool login)
{
    char *ours = xasprintf("%s/zsh", share);

    (void)program;
    (void)login;
    keep_variable("ZDOTDIR", "VSAY_ZDOTDIR");
    setenv("ZDOTDIR", ours, 1);
    free(ours);
}

static const struct {
    const char *shell, *file;
    void (*integrate)(struct program *program, const char *share, bool login);
} integrations[] = {
    {"bash", "vsay.bash", integrate_bash},
    {"zsh", "zsh/.zshenv", integrate_zsh},
};

char *program_integrate(struct program *program, const char *share, const char *nonce, bool login)
{
    for (size_t i = 0; i < sizeof integrations / sizeof *integrations; i++) {
        if (strcmp(integrations[i].shell, base_name(program->path)) != 0)
            continue;
        char *file = xasprintf("%s/%s", share, integrations[i].file);
        bool there = access(file, R_OK) == 0;
        char *why = there ? NULL : xasprintf("%s cannot be read", file);
        free(file);
        if (why)
            return why;
        program->nonce = hand_over(nonce);
        if (program->nonce < 0)
            return xasprintf("the shell cannot be given its nonce: %s", strerror(errno));
        char *number = xasprintf("%d", program->nonce);
        setenv("VSAY_NONCE_FD", number, 1);
        free(number);
        integrations[i].integrate(program, share, login);
        return NULL;
    }
    return xasprintf("%s is neither bash nor zsh", base_name(program->path));
}

int program_exec(const struct program *program)
{
    execv(program->path, program->argv);
    int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    log_say("vsay-shell: cannot run %s: %s", program->path, strerror(errno));
    return status;
}
