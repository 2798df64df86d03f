/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/relay.h"

#include <errno.h>
#include <json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol.h"
#include "base/clock.h"
#include "shell/terminator.h"
#include "shell/agent_client.h"
#include "shell/marks.h"
#include "shell/osc633.h"
#include "shell/recorder.h"
#include "shell/spawn.h"
#include "shell/terminal.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"

enum {
    CHUNK = 64 * 1024,
    REST_MAX = 1 << 20, /* bytes to relay after the shell's exit; others may write for ever */
    SILENCE_MS = 100,   /* without output, until a held beginning of a mark is passed */
    REOPEN_MS = 100,    /* between checks whether a process has opened a closed PTY again */
    FLUSH_MS = 1000,    /* to wait for a terminal that does not take the last output */
    MESSAGE_MAX = 2000, /* bytes of a message to the user */
    OPENING_MS = 5000   /* to wait for an agent that is required */
};

struct run {
    const struct agent_options *options;
    struct terminal terminal;
    bool on_pty;
    struct spawned shell;
    int limit; /* the file of spawn_write_limit, or -1 */
    int signals;
    int status;               /* of wait(2), once `exited` */
    size_t rest;              /* output read after that */
    bool exited;              /* the shell has */
    bool childless;           /* no process of the session is left */
    bool drained;             /* the shell has exited and its output was read */
    bool unrecorded;          /* the agent has refused the session */
    bool unrecorded_reported; /* the reason was reported why commands are not recorded */
    struct marks marks;
    int64_t reopen_at; /* clock_ms to poll the closed PTY again; 0: it is open */
    int64_t read_at;   /* clock_ms of the last output */
    struct buffer to_shell, to_user;
    struct osc633 *osc633;
    struct redact *redact;
    struct recorder recorder;
    struct agent_client *client;
    struct terminator terminator;
};

enum { SIGNALS, USER_IN, USER_OUT, PTY, AGENT, FDS };

/* --- messages ------------------------------------------------------------ */

/* Shows a message to the user, within the terminal's output if we relay that. The texts come from
 * others, so control characters are escaped. */
static void say(struct run *run, const char *what, const char *why)
{
    char *raw = xasprintf("vsay: %s%s", what, why), text[MESSAGE_MAX];

    utf8_escape(text, sizeof text, raw, "");
    free(raw);
    if (run->on_pty) {
        osc633_release(run->osc633, &run->to_user);
        buffer_add(&run->to_user, "\r\n", 2);
        buffer_add(&run->to_user, text, strlen(text));
        buffer_add(&run->to_user, "\r\n", 2);
    } else {
        fprintf(stderr, "%s\n", text);
    }
}

/* Reports to vsay why commands are not recorded, from now on or at all. With `tell` also shows it
 * to the user; otherwise the shell's integration has done that. Only the first reason counts. */
static void not_recorded(struct run *run, const char *why, size_t length, bool tell)
{
    if (run->unrecorded_reported)
        return;
    char *raw = xstrndup(why, length), text[MEMBER_WHY + 1];
    utf8_escape(text, sizeof text, raw, "");
    free(raw);
    run->unrecorded_reported = true;
    run->marks.expected = false;
    agent_client_not_recorded(run->client, text);
    if (tell)
        say(run, "commands are not recorded: ", text);
}

static void look_at_shell(struct run *run)
{
    char *why = marks_look(&run->marks, clock_ms());

    if (why)
        not_recorded(run, why, strlen(why), true);
    free(why);
}

static void on_mark(void *context, char mark, const char *text, size_t length)
{
    struct run *run = context;

    marks_mark(&run->marks, mark, text, length);
    if (mark == 'U')
        not_recorded(run, text, length, false);
    else
        recorder_mark(&run->recorder, mark, text, length);
}

/* --- relaying bytes ------------------------------------------------------ */

/* Gives up the terminal, which is gone, and hangs up the shell. */
static void hang_up(struct run *run, int number)
{
    terminal_leave(&run->terminal);
    run->to_user.length = 0;
    if (run->shell.pty >= 0)
        close(run->shell.pty);
    run->shell.pty = -1;
    run->marks.expected = false;
    terminator_hang_up(&run->terminator, number);
}

/* Writes as much as possible; returns false when the reader is gone. */
static bool flush(int fd, struct buffer *buffer)
{
    ssize_t n = write(fd, buffer->bytes, buffer->length < CHUNK ? buffer->length : CHUNK);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_drop(buffer, (size_t)n);
    return true;
}

static void read_user(struct run *run)
{
    char chunk[CHUNK];
    ssize_t n = read(run->terminal.in, chunk, sizeof chunk);

    if (n > 0) {
        agent_client_active(run->client);
        marks_input(&run->marks, chunk, (size_t)n);
        if (run->limit >= 0)
            spawn_write_limit(run->limit, run->shell.pid, chunk, (size_t)n);
        buffer_add(&run->to_shell, chunk, (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        hang_up(run, SIGHUP);
    }
}

static void read_pty(struct run *run)
{
    char chunk[CHUNK];
    ssize_t n = read(run->shell.pty, chunk, sizeof chunk);

    run->reopen_at = 0;
    run->read_at = clock_ms();
    if (n > 0) {
        marks_output(&run->marks, run->read_at);
        osc633_feed(run->osc633, chunk, (size_t)n, &run->to_user);
        run->rest += run->exited ? (size_t)n : 0;
        run->drained = run->rest > REST_MAX;
    } else if (n == 0 || errno != EINTR) {
        run->drained = run->exited;
        if (n == 0 || errno != EAGAIN)
            run->reopen_at = clock_ms() + REOPEN_MS;
    }
}

static void pass_bytes(struct run *run, const struct pollfd *fds)
{
    if (fds[USER_OUT].revents && run->to_user.length == 0)
        hang_up(run, SIGHUP);
    else if (fds[USER_OUT].revents && !flush(run->terminal.out, &run->to_user))
        hang_up(run, SIGHUP);
    if (fds[USER_IN].revents && run->terminal.in >= 0)
        read_user(run);
    if (fds[PTY].revents & POLLOUT && run->shell.pty >= 0)
        flush(run->shell.pty, &run->to_shell);
    if ((fds[PTY].revents & ~POLLOUT || run->exited) && run->shell.pty >= 0 &&
        run->to_user.length == 0)
        read_pty(run);
}

/* --- signals ------------------------------------------------------------- */

/* Collects exited children. All processes of the session descend from this one, a subreaper, so
 * when no child is left the session is over. */
static void reap(struct run *run)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != run->shell.pid)
            continue;
        run->exited = true;
        run->marks.expected = false;
        run->status = status;
    }
    run->childless = pid < 0;
}

static void on_signal(struct run *run, int number)
{
    switch (number) {
    case SIGCHLD:
        reap(run);
        return;
    case SIGHUP:
    case SIGTERM:
        hang_up(run, number);
        return;
    case SIGCONT:
        if (run->terminal.in >= 0)
            terminal_raw(&run->terminal);
        break;
    }
    if (run->terminal.in >= 0)
        terminal_resize(&run->terminal, run->shell.pty);
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signals, &info, sizeof info) == sizeof info)
        on_signal(run, (int)info.ssi_signo);
}

/* --- the loop ------------------------------------------------------------ */

static void choose_fds(const struct run *run, struct pollfd *fds)
{
    bool looks = clock_ms() >= run->reopen_at;

    fds[SIGNALS] = (struct pollfd){run->signals, POLLIN, 0};
    fds[USER_IN] = (struct pollfd){run->to_shell.length ? -1 : run->terminal.in, POLLIN, 0};
    fds[USER_OUT] = (struct pollfd){run->terminal.out, run->to_user.length ? POLLOUT : 0, 0};
    fds[PTY] = (struct pollfd){looks ? run->shell.pty : -1, 0, 0};
    if (run->to_shell.length)
        fds[PTY].events |= POLLOUT;
    if (!run->to_user.length)
        fds[PTY].events |= POLLIN;
    agent_client_poll(run->client, &fds[AGENT]);
}

static void lower_timeout(int *timeout, int other)
{
    if (other >= 0 && (*timeout < 0 || other < *timeout))
        *timeout = other;
}

/* Returns whether a shell that has exited may have left output in the PTY. */
static bool draining(const struct run *run)
{
    return run->exited && !run->drained && run->shell.pty >= 0;
}

static int choose_timeout(const struct run *run)
{
    int timeout = agent_client_timeout(run->client);

    lower_timeout(&timeout, terminator_timeout(&run->terminator));
    lower_timeout(&timeout, osc633_holds(run->osc633) ? SILENCE_MS : -1);
    lower_timeout(&timeout, run->reopen_at ? REOPEN_MS : -1);
    lower_timeout(&timeout, marks_timeout(&run->marks));
    lower_timeout(&timeout, draining(run) && run->to_user.length == 0 ? 0 : -1);
    return timeout;
}

/* Acts on what the agent has answered: a refusal, an acceptance, a request to terminate. */
static void apply_agent_state(struct run *run)
{
    const struct agent_client_state *state = agent_client_state(run->client);

    if (state->refused && !run->unrecorded)
        say(run, "this session is not recorded: ", state->refused);
    else if (state->opened && run->unrecorded)
        say(run, "this session is recorded from now on", "");
    run->unrecorded = state->refused != NULL;
    if (state->terminate && run->terminator.state < TERMINATOR_TERMINATE) {
        say(run, "this session was ", state->terminate);
        terminator_terminate(&run->terminator);
    }
}

/* One turn of the event loop. */
static void step(struct run *run)
{
    struct pollfd fds[FDS];

    choose_fds(run, fds);
    int ready = poll(fds, FDS, choose_timeout(run));
    if (ready < 0)
        return;
    if (fds[SIGNALS].revents)
        take_signals(run);
    pass_bytes(run, fds);
    if (osc633_holds(run->osc633) && clock_ms() >= run->read_at + SILENCE_MS)
        osc633_release(run->osc633, &run->to_user);
    agent_client_step(run->client, fds[AGENT].revents);
    apply_agent_state(run);
    look_at_shell(run);
}

static bool shell_done(const struct run *run)
{
    return run->exited && !draining(run) && run->to_user.length == 0;
}

static void loop(struct run *run)
{
    bool done = false;

    while (!done) {
        step(run);
        done = terminator_step(&run->terminator, run->childless) ||
               (run->terminator.state < TERMINATOR_TERMINATE && shell_done(run));
    }
}

/* Writes the remaining output, unless the terminal blocks. */
static void flush_output(struct run *run)
{
    struct pollfd out = {run->terminal.out, POLLOUT, 0};

    osc633_release(run->osc633, &run->to_user);
    while (run->terminal.out >= 0 && run->to_user.length && poll(&out, 1, FLUSH_MS) == 1 &&
           flush(run->terminal.out, &run->to_user))
        ;
}

/* --- beginning and end --------------------------------------------------- */

/* The shell's exit status. It is also that of the last command: `exit`, `exec`, or the session's
 * only one. */
static int exit_status(const struct run *run)
{
    if (!run->exited)
        return 128 + SIGHUP;
    return WIFSIGNALED(run->status) ? 128 + WTERMSIG(run->status) : WEXITSTATUS(run->status);
}

static void open_client(struct run *run, const struct relay_request *request)
{
    const struct agent_options *options = request->options;

    json_object_object_add(request->open, "leader", json_object_new_int64(run->shell.pid));
    run->client = agent_client_new(options->agent.socket, options->agent.state_dir, request->open);
    run->redact = redact_new(&options->shell.mask);
    run->recorder = (struct recorder){.redact = run->redact, .client = run->client};
    run->osc633 = osc633_new(request->nonce, on_mark, run);
    run->terminator.kill_after = options->shell.kill_after * 1000;
    process_find(getpid(), &run->terminator.tree.shell);
    process_find(run->shell.pid, &run->terminator.tree.leader);
    if (request->on_pty && !request->not_recorded)
        marks_expect(&run->marks, request->program->path, &run->terminator.tree.leader,
                     run->shell.pty);
}

/* Returns whether the session may start: always, unless an agent is required. */
static bool may_begin(struct run *run)
{
    const struct agent_client_state *state = agent_client_state(run->client);

    if (!run->options->shell.require_agent)
        return true;
    agent_client_await_opening(run->client, OPENING_MS);
    if (!state->opened)
        log_say("vsay-shell: no session without vsay-agent: %s",
                state->refused ? state->refused : "it cannot be reached");
    return state->opened;
}

static enum err report_end(struct run *run, int status, struct error *e)
{
    if (run->childless)
        agent_client_all_gone(run->client);
    agent_client_end(run->client, terminator_reason(&run->terminator), status);
    return agent_client_finish(run->client, e);
}

/* Ends the processes that the shell has left behind. The agent asked for the session's termination
 * while its end was being reported. */
static void end_rest(struct run *run)
{
    apply_agent_state(run);
    flush_output(run);
    hang_up(run, SIGHUP);
    loop(run);
}

/* Reports the last command's result. The status of a shell that was hung up or terminated says
 * nothing about the command that ran in it. */
static void finish_last_command(struct run *run, const struct relay_request *request, int status)
{
    enum terminator_state state = run->terminator.state;
    bool known =
        run->exited && state < (request->command ? TERMINATOR_TERMINATE : TERMINATOR_HANGUP);

    recorder_finish(&run->recorder, status == 0 && state < TERMINATOR_TERMINATE,
                    known ? status : -1);
}

static int run_session(struct run *run, const struct relay_request *request)
{
    static const char unnamed[] =
        "the last command could not be named: no process could be started";
    struct error e = {0};

    if (request->command)
        recorder_start(&run->recorder, request->command, strlen(request->command));
    if (run->on_pty)
        terminal_raw(&run->terminal);
    if (request->not_recorded)
        not_recorded(run, request->not_recorded, strlen(request->not_recorded), true);
    spawn_release(&run->shell, true);
    loop(run);
    flush_output(run);
    reap(run);
    if (run->on_pty)
        terminal_restore(&run->terminal);
    int status = exit_status(run);
    finish_last_command(run, request, status);
    if (run->recorder.begun)
        not_recorded(run, unnamed, strlen(unnamed), false);
    enum err err = report_end(run, status, &e);
    if (err == ERR_BUSY) {
        end_rest(run);
        err = report_end(run, status, &e);
    }
    if (err)
        log_say("vsay-shell: this session could not be reported: %s", e.detail);
    return status;
}

static void release(struct run *run)
{
    recorder_end(&run->recorder);
    osc633_free(run->osc633);
    redact_free(run->redact);
    agent_client_free(run->client);
    buffer_free(&run->to_shell);
    buffer_free(&run->to_user);
    terminal_leave(&run->terminal);
}

int relay_run(const struct relay_request *request)
{
    struct run run = {.options = request->options,
                      .on_pty = request->on_pty,
                      .limit = request->program->limit,
                      .terminal = {.in = -1, .out = -1}};
    int status = EXIT_FAILURE;

    if ((run.on_pty && !terminal_open(&run.terminal)) ||
        !spawn_program(request->program, run.on_pty ? &run.terminal : NULL, &run.shell)) {
        log_say("vsay-shell: cannot start a shell: %s", strerror(errno));
        json_object_put(request->open);
        return status;
    }
    run.signals = spawn_signals();
    open_client(&run, request);
    if (may_begin(&run))
        status = run_session(&run, request);
    else
        spawn_release(&run.shell, false);
    release(&run);
    return status;
}
