/* SPDX-License-Identifier: MIT */
/* The sessions that this machine holds: those that run, and those whose end vsay has not
 * acknowledged yet. Each has a file, so that they are known after a restart. The table belongs to
 * the main thread; other threads only use what is for all threads. */
#ifndef AGENT_HELD_H
#define AGENT_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/proctree.h"
#include "base/error.h"

struct client;
struct json_object;

enum {
    HELD_MAX = 1000, /* that run; also what a heartbeat may list */
    SESSION_ID_LENGTH = 37,
    DROP_KEY_LENGTH = 32
};

enum held_state {
    HELD_RUNNING,
    HELD_DYING, /* the agent kills it */
    HELD_ENDED  /* its end is in the spool */
};

struct held {
    char id[SESSION_ID_LENGTH + 1];
    uid_t uid;
    int64_t seq;          /* sessions stand in this order, that of their openings */
    struct proctree tree; /* of processes of this boot; {0} if they were of an earlier one */
    enum held_state state;
    char drop_key[DROP_KEY_LENGTH + 1]; /* part of a file's name that nobody else knows: drop.h */
    bool killing;                       /* by the agent, since vsay-shell did not end it */
    bool gone;                          /* all its processes, for certain */
    struct json_object *end;            /* what vsay-shell has said of it, or NULL; owned */
    int64_t seen, stored;  /* the last command that was reported, and that is durable */
    bool opened;           /* its opening was spooled by this process */
    bool unrecorded;       /* with the reason why its commands are not recorded */
    struct client *client; /* its vsay-shell's connection, or NULL; borrowed */
    bool told;             /* over this connection, that it must end */
    int64_t deadline;      /* when it is killed if it has not ended; 0: it need not end */
    int64_t handover;      /* until when vsay-shell may hand over what it holds; 0: not yet asked */
    unsigned tries;        /* to kill it */
};

/* Whether `id` is `sess_` and 32 hexadecimal digits: also the form of a file's name. */
bool held_id_valid(const char *id);

struct held_table;

/* Reads the files in `directory`. */
enum err held_open(const char *directory, struct held_table **out, struct error *e);
void held_close(struct held_table *table);

struct held *held_find(struct held_table *table, const char *id);
struct held *held_at(struct held_table *table, size_t index); /* NULL after the last */

/* Whether one more session of this user may run: there is room for HELD_MAX, of which a user may
 * take half of what the others leave; root may take all. */
bool held_room(const struct held_table *table, uid_t uid);

/* Adds a session, durably: id, uid, seq, drop_key and tree of `new`, and the report of its opening
 * (JSON), in case that vsay loses it. *out is borrowed until held_remove. */
enum err held_add(struct held_table *table, const struct held *new, const char *opening,
                  struct held **out, struct error *e);

/* Keeps the opening of a session whose file is of an older version and has none. */
void held_keep_opening(struct held_table *table, struct held *held, const char *opening);
void held_remove(struct held_table *table, struct held *held);

/* The reason why the session must end; NULL when it need not. Borrowed from it. */
const char *held_reason(struct held_table *table, const struct held *held);
bool held_confirmed(struct held_table *table, const struct held *held);

/* Readable when another thread has news of a session, until held_hear. */
int held_news(const struct held_table *table);
void held_hear(const struct held_table *table);

/* --- for all threads --- */

/* An array of ids; the caller puts it. The oldest HELD_MAX: vsay is told in order, so that at any
 * time it takes only sessions for open that ran together, and these are among them. */
struct json_object *held_ids(struct held_table *table);

/* That the session's user was active then (ms since 1970). */
void held_active(struct held_table *table, const char *id, int64_t at);

/* When users were active, of the sessions that a heartbeat lists and for which that has changed
 * since held_activity_told: {id: time}, which the caller puts; NULL: none. */
struct json_object *held_activity(struct held_table *table);

/* vsay knows the times that held_activity has told last, unless they have changed since. */
void held_activity_told(struct held_table *table);

/* vsay knows the session now, and may not have when it was told. */
void held_tell_activity_again(struct held_table *table, const char *id);

/* That the session must end, if it is held. The first reason stays. */
void held_condemn(struct held_table *table, const char *id, const char *reason);

/* Whether the session is held and nobody has condemned it yet. */
bool held_condemnable(struct held_table *table, const char *id);

/* The report of its opening, without `seq`; the caller frees it. NULL when it is not known. */
char *held_opening(struct held_table *table, const char *id);

/* That vsay has acknowledged the end. */
void held_confirm(struct held_table *table, const char *id);

#endif
