/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/program.h"

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

char *program_find(const char *configured)
{
    const struct passwd *user = getpwuid(getuid());
    const char *const candidates[] = {configured, user ? user->pw_shell : "", "/bin/bash"};

    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *path = candidates[i];
        if (*path && access(path, X_OK) == 0 && !is_myself(path))
            return xstrdup(path);
    }
    return xstrdup("/bin/sh");
}

const char *program_shell(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void add(struct program *program, char *argument)
{
    program->argv = xrealloc(program->argv, (program->count + 2) * sizeof *program->argv);
    program->argv[program->count++] = argument;
    program->argv[program->count] = NULL;
}

void program_init(struct program *program, char *path, bool login)
{
    *program = (struct program){.path = path, .nonce = -1, .limit = -1};
    program->name = xasprintf("%s%s", login ? "-" : "", program_shell(path));
    add(program, program->name);
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
        add(program, *arguments++);
}

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

/* Returns whether bash starts in POSIX mode. It then reads $ENV instead of an rcfile. */
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
    program->name = program->argv[0] = xstrdup(program_shell(program->path));
    add(program, option);
    add(program, program->rcfile);
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

static void integrate_zsh(struct program *program, const char *share,
                          const struct shell_arguments *arguments)
{
    char *ours = xasprintf("%s/zsh", share);

    program_add_all(program, arguments->given);
    keep_variable("ZDOTDIR", "VSAY_ZDOTDIR");
    setenv("ZDOTDIR", ours, 1);
    free(ours);
}

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

char *program_integrate(struct program *program, const char *share, const char *nonce,
                        const struct shell_arguments *arguments)
{
    const char *shell = program_shell(program->path);
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

int program_exec(const struct program *program)
{
    execv(program->path, program->argv);
    int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    log_say("vsay-shell: cannot run %s: %s", program->path, strerror(errno));
    return status;
}
