/* SPDX-License-Identifier: MIT */
/* vsay-agent: reads arguments and configuration, opens the state on disk, and runs three threads:
 * the main thread with the UNIX socket and the sessions, the sender, and the poller. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/handoff.h"
#include "agent/http.h"
#include "agent/poller.h"
#include "agent/sender.h"
#include "agent/server.h"
#include "agent/session_manager.h"
#include "base/arguments.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { CONFIG, CHECK_CONFIG };

static const struct arguments_syntax syntax = {
    .program = "vsay-agent",
    .usage = {"[--config FILE] [--check-config]"},
    .about = "Reports this machine's terminal sessions, their commands and the machine's load\n"
             "to vsay, and ends the sessions that vsay asks it to end.",
    .options =
        {
            [CONFIG] = {"config", "FILE",
                        .help = "configuration (default: $VSAY_AGENT_CONF, then " SYSCONFDIR
                                "/vsay/agent.conf)",
                        .letter = 'c'},
            [CHECK_CONFIG] = {"check-config",
                              .help = "check the configuration, print its first error, and exit"},
        },
};

/* --- preparations ---------------------------------------------------------------------------- */

/* Blocks the signals that server.c reads from a signalfd. Ignores SIGXFSZ, so that a file that may
 * not grow is an ordinary write error. */
static void prepare_process(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* Refuses to start when /proc hides other users' processes: a hidden process looks dead, and the
 * agent would report the end of a session that lives. */
static enum err check_proc(struct error *e)
{
    struct process first;

    if (process_find(1, &first))
        return ERR_OK;
    return error_set(e, ERR_CONFIG,
                     "cannot see other users' processes in /proc, which has hidepid: "
                     "give vsay-agent the group of its gid, or CAP_SYS_PTRACE");
}

/* Creates the state directory and locks it against a second agent; the lock ends with the process.
 * Mode 0711: other users pass through the directory to drop/, and see nothing else. */
static enum err lock_state(const char *directory, int *fd, struct error *e)
{
    if (mkdir(directory, 0711) && errno != EEXIST)
        return error_set(e, ERR_IO, "cannot make %s: %s", directory, strerror(errno));
    int state = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* never chmod a device */
    bool set = state >= 0 && fchmod(state, 0711) == 0;
    if (!set)
        error_set(e, ERR_IO, "cannot chmod %s: %s", directory, strerror(errno));
    if (state >= 0)
        close(state);
    if (!set)
        return ERR_IO;
    char *path = xasprintf("%s/lock", directory);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool locked = *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0;
    free(path);
    if (!locked && *fd >= 0 && errno == EWOULDBLOCK)
        return error_set(e, ERR_IO, "another vsay-agent uses %s", directory);
    return locked ? ERR_OK : error_set(e, ERR_IO, "cannot lock %s: %s", directory, strerror(errno));
}

/* Opens what outlives the agent. The order matters: the sessions' ends in the spool are marked
 * last, when both sessions and spool are known. */
static enum err open_state(struct agent *agent, struct error *e)
{
    const char *directory = agent->options->agent.state_dir;
    char *sessions = xasprintf("%s/sessions", directory);
    char *spool = xasprintf("%s/spool", directory);
    enum err err = ERR_OK;

    if (mkdir(sessions, 0700) && errno != EEXIST)
        err = error_set(e, ERR_IO, "cannot make %s: %s", sessions, strerror(errno));
    if (!err)
        err = identity_open(directory, agent->options->agent.socket, &agent->identity, e);
    if (!err)
        err = session_table_open(sessions, &agent->sessions, e);
    if (!err)
        err = spool_open(spool, (size_t)agent->options->agent.spool_max * 1024, &agent->spool, e);
    if (!err)
        err = handoff_open(agent, &agent->handoff, e);
    if (!err)
        session_manager_begin(agent);
    free(spool);
    free(sessions);
    return err;
}

/* --- running --------------------------------------------------------------------------------- */

/* The main thread serves the socket until a signal stops it. The sessions do not end with the
 * agent, and their vsay-shells keep what they have to report until it is back. */
static enum err run_threads(struct agent *agent, struct server *server, struct error *e)
{
    pthread_t sender, poller;

    if (pthread_create(&sender, NULL, sender_run, agent))
        return error_set(e, ERR_INTERNAL, "cannot start a thread");
    if (pthread_create(&poller, NULL, poller_run, agent)) {
        event_flag_set(agent->sender, EVENT_STOP);
        pthread_join(sender, NULL);
        return error_set(e, ERR_INTERNAL, "cannot start a thread");
    }
    if (agent_options_exposes_token(agent->options))
        log_event(LEVEL_WARNING, "token_exposed",
                  "detail=\"the token goes to %s by plain http, where others on the network can "
                  "read it; use https\"",
                  agent->options->agent.server);
    log_event(LEVEL_INFO, "start", "server=%s instance=%s", agent->options->agent.server,
              identity_instance(agent->identity));
    enum err err = server_run(server, e);
    event_flag_set(agent->sender, EVENT_STOP);
    event_flag_set(agent->poller, EVENT_STOP);
    pthread_join(sender, NULL);
    pthread_join(poller, NULL);
    if (!err)
        log_event(LEVEL_INFO, "stop", "detail=\"sessions go on\"");
    return err;
}

static enum err run(const struct agent_options *options, struct error *e)
{
    struct agent agent = {
        .options = options, .sender = event_flag_new(), .poller = event_flag_new()};
    struct server *server = NULL;
    int lock = -1;

    prepare_process();
    enum err err = http_library_init(e);
    if (!err)
        err = check_proc(e);
    if (!err)
        err = lock_state(options->agent.state_dir, &lock, e);
    if (!err)
        err = open_state(&agent, e);
    if (!err)
        err = server_open(&agent, &server, e);
    if (!err)
        err = run_threads(&agent, server, e);
    server_close(server);
    handoff_close(agent.handoff);
    spool_close(agent.spool);
    session_table_close(agent.sessions);
    identity_close(agent.identity);
    quota_rates_free(&agent.rates);
    if (lock >= 0)
        close(lock);
    event_flag_free(agent.poller);
    event_flag_free(agent.sender);
    http_library_end();
    return err;
}

/* A start logs what is wrong, for the service's journal; --check-config says it to the person who
 * runs it. */
int main(int argc, char **argv)
{
    struct arguments_given given = {0};
    struct agent_options options;
    struct error e = {0};

    int status = arguments_parse(&syntax, argc, argv, &given);
    if (status >= 0)
        return status;
    const char *config = given.values[CONFIG];
    bool check = given.values[CHECK_CONFIG];
    unsigned use = OPTIONS_AGENT | (check ? OPTIONS_COMPLETE : 0);
    enum err err = agent_options_load("vsay-agent", config, true, use, &options, &e);
    if (!err && check && agent_options_exposes_token(&options))
        fputs("vsay-agent: warning: the token is sent by plain http; use https\n", stderr);
    if (!err && check)
        puts("vsay-agent: the configuration is good");
    else if (!err)
        err = run(&options, &e);
    if (err && check)
        log_say("vsay-agent: %s", e.detail);
    else if (err)
        log_event(LEVEL_ERROR, "start", "detail=\"%s\"", e.detail);
    agent_options_free(&options);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
