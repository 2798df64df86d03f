/* SPDX-License-Identifier: MIT */
/* Reports one session to vsay-agent, without ever blocking the session's event loop.
 *
 * A message is kept until the agent acknowledges it, that is, until it is on the agent's disk. The
 * agent may be restarted at any time: the client reconnects, repeats the open report, and sends
 * again what was not acknowledged. What is left when vsay-shell must exit goes into a file
 * (report_queue.h). At most 3 MiB are kept; beyond that the oldest commands are dropped, and the
 * next message says how many. */
#ifndef SHELL_AGENT_CLIENT_H
#define SHELL_AGENT_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct json_object;
struct agent_client;

enum success { SUCCESS_UNKNOWN, SUCCESS_NO, SUCCESS_YES };

/* The agent's replies so far. A refused session is not recorded; the client offers it to
 * the agent again once a minute. */
struct agent_client_state {
    bool opened;
    const char *refused, *terminate; /* the reasons, or NULL; valid until agent_client_free */
};

/* `socket` and `state_dir` are the agent's, and borrowed. `open` is the session's open report with
 * `session_id` and `drop_key`; the client takes ownership of it. */
struct agent_client *agent_client_new(const char *socket, const char *state_dir,
                                      struct json_object *open);
void agent_client_free(struct agent_client *client);

/* Reports why the session's commands are not recorded, from now on or at all. */
void agent_client_not_recorded(struct agent_client *client, const char *why);

/* Reports a command, or the result of one reported before under the same `seq`. `exit_code` is -1
 * when it is not known. */
void agent_client_command(struct agent_client *client, long seq, const char *command,
                          const char *timestamp, enum success success, int exit_code);
/* Counts a command that will never be reported. The next command carries the count. */
void agent_client_count_lost(struct agent_client *client);
/* Notes that the user has typed something just now. Reported at most every five seconds, and only
 * to agents that ask for it. */
void agent_client_active(struct agent_client *client);
/* Notes that no process of the session is left. Call it before agent_client_end, which reports
 * it. */
void agent_client_all_gone(struct agent_client *client);
void agent_client_end(struct agent_client *client, const char *reason, int exit_code);

/* Tells the event loop what to poll for, and for how long at most (ms; -1: no limit). */
void agent_client_poll(const struct agent_client *client, struct pollfd *out);
int agent_client_timeout(const struct agent_client *client);

/* Connects, receives if `readable`, and sends, as far as possible without blocking. */
void agent_client_step(struct agent_client *client, bool readable);
const struct agent_client_state *agent_client_state(const struct agent_client *client);

/* Waits at most `ms` until the agent has accepted or refused the session. */
void agent_client_await_opening(struct agent_client *client, int ms);

/* Call after agent_client_end. Waits up to three seconds until the agent has acknowledged
 * everything; what remains goes into a handoff file. ERR_BUSY: the agent wants the session ended,
 * but some of its processes are left. The end is withdrawn; end them and report another end. */
enum err agent_client_finish(struct agent_client *client, struct error *e);

#endif
