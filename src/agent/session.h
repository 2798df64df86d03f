/* SPDX-License-Identifier: MIT */
/* The table of sessions that this machine has: those that run, and those whose end vsay has not
 * confirmed yet.
 *
 * Each session has a file, written before its open report is spooled and removed after vsay has
 * confirmed its end. So a restarted agent knows every session: it reads the files, marks those
 * whose end waits in the spool as ended (session_manager_begin), and waits for the vsay-shells of
 * the others to reconnect. The file names processes by pid, start time and boot, so that after a
 * crash or a reboot the agent never kills a stranger that got the same pid.
 *
 * The table belongs to the main thread. Other threads use only the functions marked for all
 * threads. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "common/protocol.h"
#include "machine/proctree.h"

struct client;
struct json_object;

enum { SESSION_ID_LENGTH = 37, HANDOFF_KEY_LENGTH = 32 };

enum session_state {
    SESSION_RUNNING,
    SESSION_DYING, /* the agent is killing it */
    SESSION_ENDED  /* its end is in the spool, and perhaps sent */
};

struct session {
    char id[SESSION_ID_LENGTH + 1];
    uid_t uid;
    int64_t seq;          /* the table's order, in which the sessions were opened */
    struct proctree tree; /* its processes; {0} if they belong to an earlier boot */
    enum session_state state;
    char handoff_key[HANDOFF_KEY_LENGTH + 1]; /* names its file; see handoff.h */

    bool killing;              /* the agent kills it, because vsay-shell did not end it */
    bool all_gone;             /* no process is left, for certain */
    struct json_object *end;   /* the end that vsay-shell reported, or NULL; owned */
    int64_t seen, stored;      /* the last command that was reported; that is durable */
    bool opened;               /* this process has spooled its open report */
    bool unrecorded;           /* and that report said why commands are not recorded */
    struct client *client;     /* the connection of its vsay-shell, or NULL; borrowed */
    bool terminate_sent;       /* over this connection */
    int64_t deadline;          /* clock_ms when the agent kills it; 0: it need not end */
    int64_t handover_deadline; /* clock_ms until which vsay-shell may report its last commands */
    unsigned kill_tries;       /* failed attempts to kill it, or to collect its handoff file */
};

/* Returns whether `id` is `sess_` and 32 hexadecimal digits, and so safe as a file's name. */
bool session_id_valid(const char *id);

struct session_table;

/* Reads the sessions' files in `directory`. */
enum err session_table_open(const char *directory, struct session_table **out, struct error *e);
void session_table_close(struct session_table *table);

struct session *session_find(struct session_table *table, const char *id);
struct session *session_at(struct session_table *table, size_t index); /* NULL after the last */

/* Returns whether one more session of this user may run; see quota_place. */
bool session_room(const struct session_table *table, uid_t uid);

/* Adds a session, durably. Its file holds id, uid, seq, handoff_key and tree of `new`, and its open
 * report `opening` (JSON), in case vsay loses the session. *out is valid until session_remove. */
enum err session_add(struct session_table *table, const struct session *new, const char *opening,
                     struct session **out, struct error *e);

/* Stores the open report of a session whose file an older version wrote without it. */
void session_keep_opening(struct session_table *table, struct session *session,
                          const char *opening);
void session_remove(struct session_table *table, struct session *session);

/* Returns why the session must end, borrowed from it, or NULL when it need not. */
const char *session_reason(struct session_table *table, const struct session *session);
/* Returns whether vsay has confirmed the session's end. */
bool session_confirmed(struct session_table *table, const struct session *session);

/* Returns a descriptor that becomes readable when another thread requests or confirms the end of a
 * session. session_clear_event makes it unreadable again. */
int session_event_fd(const struct session_table *table);
void session_clear_event(const struct session_table *table);

/* --- for all threads --- */

/* Returns the ids for a heartbeat, an array that the caller releases (json_object_put): of
 * the sessions whose end is not confirmed, the oldest PROTOCOL_SESSIONS_MAX. That never leaves out
 * a session that is open at vsay. Openings and ends are reported in order, so the sessions open at
 * vsay once ran together here, which PROTOCOL_SESSIONS_MAX at most can do; and younger sessions
 * were opened after them. */
struct json_object *session_ids(struct session_table *table);

/* Notes that the session's user was active at the time `at` (ms since 1970). */
void session_active(struct session_table *table, const char *id, int64_t at);

/* Returns the activity for a heartbeat, {id: time}, of the sessions for which it has changed since
 * the last acknowledged heartbeat. The caller releases it. NULL when nothing has changed. The table
 * knows three times of each session: the newest, the one sent last, and the one that vsay has. So
 * a lost heartbeat loses no time, and neither does a key that is pressed while one is sent. */
struct json_object *session_activity(struct session_table *table);

/* Call when vsay has accepted the times that session_activity returned last. */
void session_activity_acknowledged(struct session_table *table);

/* Makes the next heartbeat repeat the session's activity: vsay may not have known the session when
 * it received the last one. */
void session_resend_activity(struct session_table *table, const char *id);

/* A reason for session_request_end, if vsay gives none. */
#define SESSION_NO_REASON "ended by vsay"

/* Requests the end of a session, if it is in the table. The first reason stays; vsay-shell shows it
 * to the user after "this session was ". */
void session_request_end(struct session_table *table, const char *id, const char *reason);

/* Returns whether the session is in the table, its end was not requested yet, and is not
 * confirmed. */
bool session_can_request_end(struct session_table *table, const char *id);

/* Returns the session's open report (JSON) without `seq`, which the caller frees, or NULL when it
 * is not known. */
char *session_opening(struct session_table *table, const char *id);

/* Notes that vsay has confirmed the session's end. */
void session_confirm(struct session_table *table, const char *id);

#endif
