/* SPDX-License-Identifier: MIT */
/* The sessions that this machine holds: those that run, and those whose end vsay has not
 * acknowledged yet. Each has a file, so that they are known after a restart. The table belongs to
 * the main thread; other threads only use what is for all threads. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/proctree.h"
#include "base/error.h"

struct client;
struct json_object;

enum {
    SESSIONS_MAX = 1000, /* that run; also what a heartbeat may list */
    SESSION_ID_LENGTH = 37,
    HANDOFF_KEY_LENGTH = 32
};

enum session_state {
    SESSION_RUNNING,
    SESSION_DYING, /* the agent kills it */
    SESSION_ENDED  /* its end is in the spool */
};

struct session {
    char id[SESSION_ID_LENGTH + 1];
    uid_t uid;
    int64_t seq;          /* sessions stand in this order, that of their openings */
    struct proctree tree; /* of processes of this boot; {0} if they were of an earlier one */
    enum session_state state;
    char handoff_key[HANDOFF_KEY_LENGTH +
                     1];     /* part of a file's name that nobody else knows: drop.h */
    bool killing;            /* by the agent, since vsay-shell did not end it */
    bool all_gone;           /* all its processes, for certain */
    struct json_object *end; /* what vsay-shell has said of it, or NULL; owned */
    int64_t seen, stored;    /* the last command that was reported, and that is durable */
    bool opened;             /* its opening was spooled by this process */
    bool unrecorded;         /* with the reason why its commands are not recorded */
    struct client *client;   /* its vsay-shell's connection, or NULL; borrowed */
    bool terminate_sent;     /* over this connection, that it must end */
    int64_t deadline;        /* when it is killed if it has not ended; 0: it need not end */
    int64_t
        handover_deadline; /* until when vsay-shell may hand over what it holds; 0: not yet asked */
    unsigned kill_tries;   /* to kill it */
};

/* Whether `id` is `sess_` and 32 hexadecimal digits: also the form of a file's name. */
bool session_id_valid(const char *id);

struct session_table;

/* Reads the files in `directory`. */
enum err session_table_open(const char *directory, struct session_table **out, struct error *e);
void session_table_close(struct session_table *table);

struct session *session_find(struct session_table *table, const char *id);
struct session *session_at(struct session_table *table, size_t index); /* NULL after the last */

/* Whether one more session of this user may run: there is room for SESSIONS_MAX, of which a user
 * may take half of what the others leave; root may take all. */
bool session_room(const struct session_table *table, uid_t uid);

/* Adds a session, durably: id, uid, seq, handoff_key and tree of `new`, and the report of its
 * opening (JSON), in case that vsay loses it. *out is borrowed until session_remove. */
enum err session_add(struct session_table *table, const struct session *new, const char *opening,
                     struct session **out, struct error *e);

/* Keeps the opening of a session whose file is of an older version and has none. */
void session_keep_opening(struct session_table *table, struct session *session,
                          const char *opening);
void session_remove(struct session_table *table, struct session *session);

/* The reason why the session must end; NULL when it need not. Borrowed from it. */
const char *session_reason(struct session_table *table, const struct session *session);
bool session_confirmed(struct session_table *table, const struct session *session);

/* Readable when another thread has news of a session, until session_clear_event. */
int session_event_fd(const struct session_table *table);
void session_clear_event(const struct session_table *table);

/* --- for all threads --- */

/* An array of ids; the caller puts it. The oldest SESSIONS_MAX: vsay is told in order, so that at
 * any time it takes only sessions for open that ran together, and these are among them. */
struct json_object *session_ids(struct session_table *table);

/* That the session's user was active then (ms since 1970). */
void session_active(struct session_table *table, const char *id, int64_t at);

/* When users were active, of the sessions that a heartbeat lists and for which that has changed
 * since session_activity_acknowledged: {id: time}, which the caller puts; NULL: none. */
struct json_object *session_activity(struct session_table *table);

/* vsay knows the times that session_activity has told last, unless they have changed since. */
void session_activity_acknowledged(struct session_table *table);

/* vsay knows the session now, and may not have when it was told. */
void session_resend_activity(struct session_table *table, const char *id);

/* That the session must end, if it is held. The first reason stays. */
void session_request_end(struct session_table *table, const char *id, const char *reason);

/* Whether the session is held and nobody has condemned it yet. */
bool session_can_request_end(struct session_table *table, const char *id);

/* The report of its opening, without `seq`; the caller frees it. NULL when it is not known. */
char *session_opening(struct session_table *table, const char *id);

/* That vsay has acknowledged the end. */
void session_confirm(struct session_table *table, const char *id);

#endif
