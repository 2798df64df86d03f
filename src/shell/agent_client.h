/* SPDX-License-Identifier: MIT */
/* Reports one session to vsay-agent, in the background of the relay: keeps what the agent has not
 * made durable, connects again when it went away, and hands what is left over in a file. */
#ifndef SHELL_AGENT_CLIENT_H
#define SHELL_AGENT_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct json_object;
struct agent_client;

enum success { SUCCESS_UNKNOWN, SUCCESS_NO, SUCCESS_YES };

/* What the agent has said so far. A session that it refused is not recorded, and offered again each
 * minute. */
struct agent_client_state {
    bool opened;
    const char *refused, *terminate; /* the reason, or NULL; borrowed until agent_client_free */
};

/* `socket` and `state_dir` are the agent's, borrowed for the life of the agent client; `open` is
 * the session's opening message with its `session_id` and `handoff_key`, which is taken over. */
struct agent_client *agent_client_new(const char *socket, const char *state_dir,
                                      struct json_object *open);
void agent_client_free(struct agent_client *client);

/* Why commands of the session are not recorded, from now on or at all. */
void agent_client_not_recorded(struct agent_client *client, const char *why);

/* `exit_code` is -1 when it is not known. */
void agent_client_command(struct agent_client *client, long seq, const char *command,
                          const char *timestamp, enum success success, int exit_code);
/* That a command is never reported. It counts once another is. */
void agent_client_count_lost(struct agent_client *client);
/* That its user has typed something just now. Agents that want to know are told, not too often. */
void agent_client_active(struct agent_client *client);
/* That nothing of the session is left: its end, which comes next, says so. */
void agent_client_all_gone(struct agent_client *client);
void agent_client_end(struct agent_client *client, const char *reason, int exit_code);

/* What to poll for, and at most how long (ms, -1: for ever). */
void agent_client_poll(const struct agent_client *client, struct pollfd *out);
int agent_client_timeout(const struct agent_client *client);

/* Connects, sends, and receives when `readable`, as far as that goes without blocking. */
void agent_client_step(struct agent_client *client, bool readable);
const struct agent_client_state *agent_client_state(const struct agent_client *client);

/* Waits until the agent has opened or refused the session, for at most `ms`. */
void agent_client_await_opening(struct agent_client *client, int ms);

/* After agent_client_end: waits a moment until the agent has everything, or leaves it in a file for
 * the agent. ERR_BUSY: the agent says that the session must end, and something of it is left: the
 * end is taken back, and there should be another when that is gone. */
enum err agent_client_finish(struct agent_client *client, struct error *e);

#endif
