/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens standard output anew, non-blocking, if it is a terminal or pipe. O_NONBLOCK on the existing
 * descriptor would affect the other processes that share it. */
static int open_output(void)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

bool terminal_open(struct terminal *terminal)
{
    if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
        return false;
    terminal->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    terminal->out = open_output();
    return terminal->in >= 0 && terminal->out >= 0;
}

/* Changes the terminal's settings, unless we are in the background and another job uses it. */
static void set(const struct termios *settings)
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);

    if (foreground < 0 || foreground == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, settings);
}

void terminal_raw(const struct terminal *terminal)
{
    struct termios raw = terminal->saved;

    cfmakeraw(&raw);
    set(&raw);
}

void terminal_restore(const struct terminal *terminal)
{
    set(&terminal->saved);
}

struct winsize terminal_size(const struct terminal *terminal)
{
    struct winsize size = {0};

    ioctl(terminal->in, TIOCGWINSZ, &size);
    return size;
}

void terminal_resize(const struct terminal *terminal, int pty)
{
    struct winsize size;

    if (ioctl(terminal->in, TIOCGWINSZ, &size) == 0)
        ioctl(pty, TIOCSWINSZ, &size);
}

void terminal_leave(struct terminal *terminal)
{
    if (terminal->in >= 0)
        close(terminal->in);
    if (terminal->out >= 0)
        close(terminal->out);
    terminal->in = terminal->out = -1;
}
