/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/session.h"

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
#include "shell/agent_client.h"
#include "shell/mark_monitor.h"
#include "shell/osc633.h"
#include "shell/recorder.h"
#include "shell/relay.h"
#include "shell/terminator.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"

/* The shell is started first but waits, because the open report names its pid, and the agent may
 * have to accept the session before anything runs. At the end the user's terminal is restored
 * first, because the last reports may take three seconds. */

enum {
    MESSAGE_MAX = 2000, /* bytes of a message to the user */
    OPENING_MS = 5000   /* to wait for an agent that is required */
};

struct session {
    const struct session_request *request;
    struct relay relay;
    struct mark_monitor monitor;
    struct program_child shell;
    int signals;
    int status;               /* of wait(2), once relay.exited */
    bool childless;           /* no process of the session is left */
    bool unrecorded;          /* the agent has refused the session */
    bool unrecorded_reported; /* the reason was reported why commands are not recorded */
    struct redact *redact;
    struct recorder recorder;
    struct agent_client *client;
    struct terminator terminator;
};

enum { SIGNALS, AGENT, RELAY, FDS = RELAY + RELAY_FDS };

/* --- messages ------------------------------------------------------------ */

/* Shows a message to the user, within the terminal's output if we relay that. The texts come from
 * others, so control characters are escaped. */
static void say(struct session *session, const char *what, const char *why)
{
    char *raw = xasprintf("vsay: %s%s", what, why), text[MESSAGE_MAX];

    utf8_escape(text, sizeof text, raw, "");
    free(raw);
    if (session->request->on_pty)
        relay_say(&session->relay, text);
    else
        fprintf(stderr, "%s\n", text);
}

/* Reports to vsay why commands are not recorded, from now on or at all. With `tell` also shows it
 * to the user; otherwise the shell's integration has done that. Only the first reason counts. */
static void not_recorded(struct session *session, const char *why, size_t length, bool tell)
{
    if (session->unrecorded_reported)
        return;
    char *raw = xstrndup(why, length), text[MEMBER_WHY + 1];
    utf8_escape(text, sizeof text, raw, "");
    free(raw);
    session->unrecorded_reported = true;
    mark_monitor_stop(&session->monitor);
    agent_client_not_recorded(session->client, text);
    if (tell)
        say(session, "commands are not recorded: ", text);
}

static void check_marks(struct session *session)
{
    char *why = mark_monitor_check(&session->monitor, clock_ms());

    if (why)
        not_recorded(session, why, strlen(why), true);
    free(why);
}

static void on_mark(void *context, char mark, const char *text, size_t length)
{
    struct session *session = context;

    mark_monitor_mark(&session->monitor, mark, text, length);
    if (mark == 'U')
        not_recorded(session, text, length, false);
    else
        recorder_mark(&session->recorder, mark, text, length);
}

/* --- signals ------------------------------------------------------------- */

/* Gives up the terminal, which is gone, and hangs up the shell. SIGTERM does the same, since
 * interactive shells ignore it: closing their terminal makes them exit all the same. */
static void hang_up(struct session *session, int number)
{
    relay_close(&session->relay);
    mark_monitor_stop(&session->monitor);
    terminator_hang_up(&session->terminator, number);
}

/* Collects exited children. All processes of the session descend from this one, a subreaper, so
 * when no child is left the session is over. */
static void reap(struct session *session)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != session->shell.pid)
            continue;
        session->relay.exited = true;
        mark_monitor_stop(&session->monitor);
        session->status = status;
    }
    session->childless = pid < 0;
}

static void on_signal(struct session *session, int number)
{
    switch (number) {
    case SIGCHLD:
        reap(session);
        return;
    case SIGHUP:
    case SIGTERM:
        hang_up(session, number);
        return;
    case SIGCONT: /* another process may have changed the terminal's settings */
        relay_raw(&session->relay);
        break;
    }
    relay_resize(&session->relay);
}

static void take_signals(struct session *session)
{
    struct signalfd_siginfo info;

    while (read(session->signals, &info, sizeof info) == sizeof info)
        on_signal(session, (int)info.ssi_signo);
}

/* --- the loop ------------------------------------------------------------ */

static void lower_timeout(int *timeout, int other)
{
    if (other >= 0 && (*timeout < 0 || other < *timeout))
        *timeout = other;
}

static int choose_timeout(const struct session *session)
{
    int timeout = agent_client_timeout(session->client);

    lower_timeout(&timeout, terminator_timeout(&session->terminator));
    lower_timeout(&timeout, relay_timeout(&session->relay));
    lower_timeout(&timeout, mark_monitor_timeout(&session->monitor));
    return timeout;
}

/* vsay is told when the user was active, never what was typed. */
static void pass_bytes(struct session *session, const struct pollfd fds[RELAY_FDS])
{
    unsigned seen = relay_step(&session->relay, fds);

    if (seen & RELAY_TYPED)
        agent_client_active(session->client);
    if (seen & RELAY_GONE)
        hang_up(session, SIGHUP);
}

/* Acts on what the agent has answered: a refusal, an acceptance, a request to terminate. The user
 * is told of each: recording is no secret, and a terminal must not close without a reason. */
static void apply_agent_state(struct session *session)
{
    const struct agent_client_state *state = agent_client_state(session->client);

    if (state->refused && !session->unrecorded)
        say(session, "this session is not recorded: ", state->refused);
    else if (state->opened && session->unrecorded)
        say(session, "this session is recorded from now on", "");
    session->unrecorded = state->refused != NULL;
    if (state->terminate && session->terminator.state < TERMINATOR_TERMINATE) {
        say(session, "this session was ", state->terminate);
        terminator_terminate(&session->terminator);
    }
}

/* One turn of the event loop. Signals come first, so that the relay knows of the shell's exit. */
static void step(struct session *session)
{
    struct pollfd fds[FDS];

    fds[SIGNALS] = (struct pollfd){session->signals, POLLIN, 0};
    agent_client_poll(session->client, &fds[AGENT]);
    relay_poll(&session->relay, fds + RELAY);
    if (poll(fds, FDS, choose_timeout(session)) < 0)
        return;
    if (fds[SIGNALS].revents)
        take_signals(session);
    pass_bytes(session, fds + RELAY);
    agent_client_step(session->client, fds[AGENT].revents);
    apply_agent_state(session);
    check_marks(session);
}

/* A session that nobody has asked to terminate ends with its shell, whatever that left running in
 * the background. One that is being terminated ends when no process is left. */
static void loop(struct session *session)
{
    bool done = false;

    while (!done) {
        step(session);
        done = terminator_step(&session->terminator, session->childless) ||
               (session->terminator.state < TERMINATOR_TERMINATE && relay_done(&session->relay));
    }
}

/* --- the beginning ------------------------------------------------------- */

/* Returns a descriptor for the signals that on_signal handles; all of them are blocked. */
static int open_signals(void)
{
    static const int handled[] = {SIGCHLD, SIGWINCH, SIGCONT, SIGHUP, SIGTERM};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&set, handled[i]);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Starts the shell, which waits for program_release. Returns false, with errno, on failure. */
static bool start_shell(struct session *session)
{
    const struct session_request *request = session->request;
    struct relay *relay = &session->relay;
    struct winsize size = {0};

    if (request->on_pty && !relay_open(relay))
        return false;
    relay_size(relay, &size);
    if (!program_start(request->program, request->on_pty ? &relay->saved : NULL, &size,
                       &session->shell))
        return false;
    relay->pty = session->shell.pty;
    relay->shell = session->shell.pid;
    relay->limit = request->program->limit;
    session->signals = open_signals();
    return true;
}

/* Makes what observes the shell, before it runs. */
static void prepare(struct session *session)
{
    const struct session_request *request = session->request;
    const struct agent_options *options = request->options;
    struct proctree *tree = &session->terminator.tree;

    json_object_object_add(request->open, "leader", json_object_new_int64(session->shell.pid));
    session->client =
        agent_client_new(options->agent.socket, options->agent.state_dir, request->open);
    session->redact = redact_new(&options->shell.mask);
    session->recorder = (struct recorder){.redact = session->redact, .client = session->client};
    session->relay.osc633 = osc633_new(request->nonce, on_mark, session);
    session->relay.monitor = &session->monitor;
    session->terminator.kill_after = options->shell.kill_after * 1000;
    process_find(getpid(), &tree->shell);
    process_find(session->shell.pid, &tree->leader);
    if (request->on_pty && !request->not_recorded)
        mark_monitor_start(&session->monitor, request->program->path, &tree->leader,
                           session->shell.pty);
}

/* Returns whether the session may start: always, unless an agent is required. */
static bool may_begin(struct session *session)
{
    const struct agent_client_state *state = agent_client_state(session->client);

    if (!session->request->options->shell.require_agent)
        return true;
    agent_client_await_opening(session->client, OPENING_MS);
    if (!state->opened)
        log_say("vsay-shell: no session without vsay-agent: %s",
                state->refused ? state->refused : "it cannot be reached");
    return state->opened;
}

/* Lets the shell run, and relays it until the session ends. */
static void run_shell(struct session *session)
{
    const struct session_request *request = session->request;

    if (request->command)
        recorder_start(&session->recorder, request->command, strlen(request->command));
    if (request->on_pty)
        relay_raw(&session->relay);
    if (request->not_recorded)
        not_recorded(session, request->not_recorded, strlen(request->not_recorded), true);
    program_release(&session->shell, true);
    loop(session);
    relay_flush(&session->relay);
    reap(session);
    if (request->on_pty)
        relay_restore(&session->relay);
}

/* --- the end ------------------------------------------------------------- */

/* The shell's exit status. It is also that of the last command: `exit`, `exec`, or the session's
 * only one. */
static int exit_status(const struct session *session)
{
    int status = session->status;

    if (!session->relay.exited)
        return 128 + SIGHUP;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reports the last command's result: `exit` and `exec` leave no prompt behind that could mark it.
 * The status of a shell that was hung up or terminated says nothing about the command that ran in
 * it. */
static void finish_last_command(struct session *session, int status)
{
    static const char unnamed[] =
        "the last command could not be named: no process could be started";
    enum terminator_state state = session->terminator.state, limit = TERMINATOR_HANGUP;

    if (session->request->command)
        limit = TERMINATOR_TERMINATE;
    bool known = session->relay.exited && state < limit;
    recorder_finish(&session->recorder, status == 0 && state < TERMINATOR_TERMINATE,
                    known ? status : -1);
    if (session->recorder.begun)
        not_recorded(session, unnamed, strlen(unnamed), false);
}

static enum err report_end(struct session *session, int status, struct error *e)
{
    if (session->childless)
        agent_client_all_gone(session->client);
    agent_client_end(session->client, terminator_reason(&session->terminator), status);
    return agent_client_finish(session->client, e);
}

/* Ends the processes that the shell has left behind. The agent asked for the session's termination
 * while its end was being reported. If vsay-shell left now, nobody could say any more whether a
 * process belongs to the session, and the termination would stay unconfirmed. */
static void end_rest(struct session *session)
{
    apply_agent_state(session);
    relay_flush(&session->relay);
    hang_up(session, SIGHUP);
    loop(session);
}

/* Reports how the session has ended. Returns its exit status. */
static int finish(struct session *session)
{
    int status = exit_status(session);
    struct error e = {0};

    finish_last_command(session, status);
    enum err err = report_end(session, status, &e);
    if (err == ERR_BUSY) {
        end_rest(session);
        err = report_end(session, status, &e);
    }
    if (err)
        log_say("vsay-shell: this session could not be reported: %s", e.detail);
    return status;
}

static void release(struct session *session)
{
    recorder_end(&session->recorder);
    relay_free(&session->relay);
    redact_free(session->redact);
    agent_client_free(session->client);
}

int session_run(const struct session_request *request)
{
    struct session session = {.request = request};
    int status = EXIT_FAILURE;

    relay_init(&session.relay);
    if (!start_shell(&session)) {
        log_say("vsay-shell: cannot start a shell: %s", strerror(errno));
        json_object_put(request->open);
        return status;
    }
    prepare(&session);
    if (may_begin(&session)) {
        run_shell(&session);
        status = finish(&session);
    } else {
        program_release(&session.shell, false);
    }
    release(&session);
    return status;
}
