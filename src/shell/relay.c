/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "shell/integration.h"

enum {
    CHUNK = 64 * 1024,
    REST_MAX = 1 << 20, /* bytes to relay after the shell's exit; others may write for ever */
    SILENCE_MS = 100,   /* without output, until a held beginning of a mark is passed */
    REOPEN_MS = 100,    /* between checks whether a process has opened a closed PTY again */
    FLUSH_MS = 1000     /* to wait for a terminal that does not take the last output */
};

void relay_init(struct relay *relay)
{
    *relay = (struct relay){.in = -1, .out = -1, .pty = -1, .limit = -1};
}

void relay_free(struct relay *relay)
{
    relay_close(relay);
    osc633_free(relay->osc633);
    buffer_free(&relay->to_shell);
    buffer_free(&relay->to_user);
}

/* --- the user's terminal ------------------------------------------------- */

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

bool relay_open(struct relay *relay)
{
    if (tcgetattr(STDIN_FILENO, &relay->saved) < 0)
        return false;
    relay->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    relay->out = open_output();
    return relay->in >= 0 && relay->out >= 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Closing the PTY makes the kernel hang up the shell's terminal: all its programs get SIGHUP or an
 * end of file, as if the user's terminal were theirs. */
void relay_close(struct relay *relay)
{
    close_fd(&relay->in);
    close_fd(&relay->out);
    close_fd(&relay->pty);
    relay->to_user.length = 0;
}

/* Changes the terminal's settings, unless we are in the background and another job uses it. */
static void set(const struct termios *settings)
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);

    if (foreground < 0 || foreground == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, settings);
}

void relay_raw(const struct relay *relay)
{
    struct termios raw = relay->saved;

    cfmakeraw(&raw);
    if (relay->in >= 0)
        set(&raw);
}

void relay_restore(const struct relay *relay)
{
    set(&relay->saved);
}

bool relay_size(const struct relay *relay, struct winsize *out)
{
    return relay->in >= 0 && ioctl(relay->in, TIOCGWINSZ, out) == 0;
}

void relay_resize(const struct relay *relay)
{
    struct winsize size;

    if (relay_size(relay, &size))
        ioctl(relay->pty, TIOCSWINSZ, &size);
}

/* --- what to wait for ---------------------------------------------------- */

/* Does not poll a source while its last bytes are not written yet, so neither buffer grows.
 *
 * A PTY whose last program has closed it reads as an error, and would wake poll at once for ever.
 * But another program may open it again, so it is polled again after REOPEN_MS. */
void relay_poll(const struct relay *relay, struct pollfd fds[RELAY_FDS])
{
    bool open = clock_ms() >= relay->reopen_at;

    fds[RELAY_USER_IN] = (struct pollfd){relay->to_shell.length ? -1 : relay->in, POLLIN, 0};
    fds[RELAY_USER_OUT] = (struct pollfd){relay->out, relay->to_user.length ? POLLOUT : 0, 0};
    fds[RELAY_PTY] = (struct pollfd){open ? relay->pty : -1, 0, 0};
    if (relay->to_shell.length)
        fds[RELAY_PTY].events |= POLLOUT;
    if (!relay->to_user.length)
        fds[RELAY_PTY].events |= POLLIN;
}

/* Returns whether a shell that has exited may have left output in the PTY. The end of its output is
 * not that of the file: background jobs keep the terminal open and may write for ever. */
static bool draining(const struct relay *relay)
{
    return relay->exited && !relay->drained && relay->pty >= 0;
}

int relay_timeout(const struct relay *relay)
{
    if (relay->pty < 0)
        return -1;
    if (draining(relay) && relay->to_user.length == 0)
        return 0;
    if (osc633_holds(relay->osc633))
        return SILENCE_MS;
    return relay->reopen_at ? REOPEN_MS : -1;
}

bool relay_done(const struct relay *relay)
{
    return relay->exited && !draining(relay) && relay->to_user.length == 0;
}

/* --- bytes --------------------------------------------------------------- */

/* Writes as much as possible; returns false when the reader is gone. */
static bool flush(int fd, struct buffer *buffer)
{
    ssize_t n = write(fd, buffer->bytes, buffer->length < CHUNK ? buffer->length : CHUNK);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_drop(buffer, (size_t)n);
    return true;
}

/* The shell must not have the input before the monitor and the limit's file know of it: it may act
 * on a line at once. */
static unsigned read_user(struct relay *relay)
{
    char chunk[CHUNK];
    ssize_t n = read(relay->in, chunk, sizeof chunk);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return RELAY_GONE;
    mark_monitor_input(relay->monitor, chunk, (size_t)n);
    if (relay->limit >= 0)
        integration_write_limit(relay->limit, relay->shell, chunk, (size_t)n);
    buffer_add(&relay->to_shell, chunk, (size_t)n);
    return RELAY_TYPED;
}

/* On Linux a PTY that no program has open reads as EIO. */
static void read_pty(struct relay *relay)
{
    char chunk[CHUNK];
    ssize_t n = read(relay->pty, chunk, sizeof chunk);

    relay->reopen_at = 0;
    relay->read_at = clock_ms();
    if (n > 0) {
        mark_monitor_output(relay->monitor, relay->read_at);
        osc633_feed(relay->osc633, chunk, (size_t)n, &relay->to_user);
        relay->rest += relay->exited ? (size_t)n : 0;
        relay->drained = relay->rest > REST_MAX;
    } else if (n == 0 || errno != EINTR) {
        relay->drained = relay->exited;
        if (n == 0 || errno != EAGAIN)
            relay->reopen_at = clock_ms() + REOPEN_MS;
    }
}

/* Writes to the user. An event without anything to write is an error or a hangup. */
static unsigned write_user(struct relay *relay)
{
    bool gone = relay->to_user.length == 0 || !flush(relay->out, &relay->to_user);

    return gone ? RELAY_GONE : 0;
}

/* After the shell's exit the PTY is read without an event of its own: poll does not say when it is
 * empty, only read does. */
static void pass_pty(struct relay *relay, const struct pollfd *fd)
{
    if (fd->revents & POLLOUT)
        flush(relay->pty, &relay->to_shell);
    if ((fd->revents & ~POLLOUT || relay->exited) && relay->to_user.length == 0)
        read_pty(relay);
    if (osc633_holds(relay->osc633) && clock_ms() >= relay->read_at + SILENCE_MS)
        osc633_release(relay->osc633, &relay->to_user);
}

unsigned relay_step(struct relay *relay, const struct pollfd fds[RELAY_FDS])
{
    unsigned seen = 0;

    if (fds[RELAY_USER_OUT].revents && relay->out >= 0)
        seen |= write_user(relay);
    if (fds[RELAY_USER_IN].revents && relay->in >= 0 && !(seen & RELAY_GONE))
        seen |= read_user(relay);
    if (seen & RELAY_GONE)
        relay_close(relay);
    if (relay->pty >= 0)
        pass_pty(relay, &fds[RELAY_PTY]);
    return seen;
}

/* A held beginning of a mark is released first: the message must not come into the middle of an
 * escape sequence. */
void relay_say(struct relay *relay, const char *line)
{
    if (relay->out < 0)
        return;
    osc633_release(relay->osc633, &relay->to_user);
    buffer_add(&relay->to_user, "\r\n", 2);
    buffer_add(&relay->to_user, line, strlen(line));
    buffer_add(&relay->to_user, "\r\n", 2);
}

void relay_flush(struct relay *relay)
{
    struct pollfd out = {relay->out, POLLOUT, 0};

    osc633_release(relay->osc633, &relay->to_user);
    while (relay->out >= 0 && relay->to_user.length && poll(&out, 1, FLUSH_MS) == 1 &&
           flush(relay->out, &relay->to_user))
        ;
}
