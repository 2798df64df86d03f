/* SPDX-License-Identifier: MIT */
/* What agents report of their machines and sessions: docs/agent-protocol.md. All to be run in one
 * transaction. */
#ifndef STORE_AGENTS_H
#define STORE_AGENTS_H

#include "base/rfc3339.h"
#include "common/address.h"
#include "store/usage.h"

/* A list of identifiers; the items are owned by it. */
struct idents {
    char (*items)[IDENT_MAX + 1];
    size_t count;
};

void idents_add(struct idents *idents, const char *ident);
void idents_free(struct idents *idents);

/* db_bulk over the ids of sessions. */
enum err sessions_bulk(struct db *db, int statement, const struct params *params,
                       const struct idents *sessions, struct error *e);

/* A machine's token, and which of the instances that have it: who reports. */
struct reporter {
    const char *agent_id; /* borrowed */
    const char *instance; /* borrowed; "": it has none */
    int64_t generation;
    /* out */
    bool admitted; /* the token is good, and no other instance reports */
    bool second;   /* the token is good, and another instance reports */
    bool fresh;    /* it has not reported for long: its vsay-shells still come back */
    char tenant_id[IDENT_MAX + 1]; /* of the machine; if there is one */
    char usage[USAGE_TEXT + 1];    /* its slot under way, as text; "": none */
    int64_t now;                   /* the database's clock, Unix s */
};

/* Fills in what is out of each. `lock` keeps the machines' rows locked, in the order of their ids.
 */
enum err agents_check(struct db *db, struct reporter **agents, size_t count, bool lock,
                      struct error *e);

/* The same for one, with the machine's row locked for reading. Errors as of agents_refusal. */
enum err agents_admit(struct db *db, struct reporter *agent, struct error *e);

/* Why an agent was not admitted: ERR_INSTANCE, or ERR_TOKEN for a void token. */
enum err agents_refusal(const struct reporter *agent, struct error *e);

struct heartbeat {
    struct reporter agent;      /* first: a heartbeat is found by it */
    uint64_t cpu, memory, disk; /* hundredths of a percent */
    uint64_t seq;               /* 0: none */
    uint64_t dropped;
    struct idents sessions; /* held */
    /* of each: when its user was active; "": no news. NULL: of none */
    char (*active)[SQL_TIME_LENGTH + 1];
    /* out; freed by heartbeat_clear */
    struct idents terminate; /* those that must end */
    char **reasons;          /* of each of these: who wants it; NULL: nobody */
    struct idents unknown;   /* those that vsay has never heard of */
    bool *found;             /* of each session: whether it has */
    struct idents given_up;  /* those that somebody wanted to end, and that are not held any more */
};

void heartbeat_clear(struct heartbeat *heartbeat);

/* Takes in heartbeats: figures, sessions that are not held any more, sessions that must end. */
enum err agents_heartbeats(struct db *db, struct heartbeat **heartbeats, size_t count,
                           struct error *e);

struct session_open {
    struct reporter agent;
    char session_id[IDENT_MAX + 1], user_id[USER_ID_MAX + 1];
    const char *username, *source, *browser, *os; /* the last two may be NULL */
    char source_address[ADDRESS_IP_MAX + 1];      /* "": not known */
    const char *not_recorded;                     /* why its commands are not; NULL: they are */
    char started_at[SQL_TIME_LENGTH + 1];         /* "": now */
    uint64_t seq;
    char state[16]; /* out */
};

/* How many sessions of a machine may be open: twice what a heartbeat lists, since what has ended
 * and was not reported yet takes room too. */
enum { OPEN_SESSIONS_MAX = 2000 };

/* Errors of agents_admit; ERR_FORBIDDEN when the session is another machine's, ERR_FULL. */
enum err agents_open_session(struct db *db, struct session_open *opening, struct error *e);

struct session_end {
    struct reporter agent;
    const char *session_id, *reason;
    char ended_at[SQL_TIME_LENGTH + 1]; /* "": now */
    int exit_code;                      /* -1: not known */
    bool doubtful;                      /* something of it may be left */
    const char *outcome; /* out, static: of the termination that this ends; NULL: of none */
};

/* Closes a session, and confirms its signal, unless that is in doubt. Errors as above, and
 * ERR_NOT_FOUND. */
enum err agents_end_session(struct db *db, struct session_end *ending, struct error *e);

struct entry {
    char session_id[IDENT_MAX + 1];
    uint64_t seq;
    char *command; /* owned */
    char at[SQL_TIME_LENGTH + 1];
    int success;         /* -1: not known */
    int exit_code;       /* the same */
    const char *fault;   /* static: why it is not even looked at, or NULL */
    const char *refusal; /* out, static: why it is not stored, or NULL */
};

struct activity {
    struct reporter agent;
    struct entry *entries;
    size_t count;
};

/* Stores commands; refuses an entry whose session is not the machine's. */
enum err agents_activity(struct db *db, struct activity **activities, size_t count,
                         struct error *e);

/* Closes sessions of which nobody will tell how they ended: `outcome` is `vanished` or `expired`.
 */
enum err agents_give_up(struct db *db, const struct idents *sessions, const char *outcome,
                        struct error *e);

#endif
