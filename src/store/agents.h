/* SPDX-License-Identifier: MIT */
/* The reports of agents about their machines and sessions (docs/agent-protocol.md). Who reports,
 * and heartbeats, are in agents.c; sessions and commands in agent_sessions.c. Run each function in
 * one transaction.
 *
 * Reports of many machines are stored together: a batch of heartbeats takes about ten statements,
 * whatever its size. It locks the machines' rows in the order of their ids, so that batches of two
 * workers queue up and do not deadlock.
 *
 * Every report is checked against the machine's row, under its lock: whether the token's generation
 * is the present one, and whether this instance is the one that reports. Nothing of that is cached,
 * so a rotated token is void at once, and so are those of a removed machine. */
#ifndef STORE_AGENTS_H
#define STORE_AGENTS_H

#include "base/clock.h"
#include "common/address.h"
#include "store/usage.h"

/* The agent that sends a report: its machine, its token's generation, and its instance. A copied
 * disk image gives two agents one token; only one instance at a time may report. */
struct reporter {
    const char *agent_id; /* borrowed */
    const char *instance; /* borrowed; "": none */
    int64_t generation;
    /* out */
    bool admitted; /* the token is valid, and no other instance reports */
    bool second;   /* the token is valid, but another instance reports */
    bool fresh;    /* a new instance, whose vsay-shells may still have to reconnect */
    char tenant_id[IDENT_MAX + 1]; /* the machine's */
    char usage[USAGE_TEXT + 1];    /* its current usage slot, as text; "": none */
    int64_t now;                   /* the database's clock, Unix s */
};

/* Fills in the out members of each, and sorts agents[] by id. `lock` keeps the machines' rows
 * locked. */
enum err agents_check(struct db *db, struct reporter **agents, size_t count, bool lock,
                      struct error *e);

/* The same for one, with a shared lock on the machine's row. Errors as from agents_refusal. */
enum err agents_admit(struct db *db, struct reporter *agent, struct error *e);

/* Returns why an agent was not admitted: ERR_INSTANCE, or ERR_TOKEN for a revoked token. */
enum err agents_refusal(const struct reporter *agent, struct error *e);

struct heartbeat {
    struct reporter agent;      /* first member: heartbeat_at converts its address */
    uint64_t cpu, memory, disk; /* hundredths of a percent */
    uint64_t seq;               /* 0: none */
    uint64_t dropped;
    struct idents sessions; /* that the machine has open */
    /* for each, when its user was last active; "": no change. NULL: no change for any */
    char (*active)[SQL_TIME_LENGTH + 1];
    /* out: freed by heartbeat_clear */
    struct idents terminate; /* sessions to terminate */
    char **reasons;          /* for each, the text to show its user; NULL: none */
    struct idents unknown;   /* sessions that vsay does not know */
    bool *found;             /* for each of `sessions`: vsay knows it */
    struct idents given_up;  /* closed sessions with a pending termination */
};

void heartbeat_clear(struct heartbeat *heartbeat);

/* Stores heartbeats: their figures, and the end of sessions that they do not list any more. Finds
 * the sessions that the machines must terminate. */
enum err agents_heartbeats(struct db *db, struct heartbeat **heartbeats, size_t count,
                           struct error *e);

struct session_open {
    struct reporter agent;
    char session_id[IDENT_MAX + 1], user_id[USER_ID_MAX + 1];
    const char *username, *source, *browser, *os; /* the last two may be NULL */
    char source_address[ADDRESS_IP_MAX + 1];      /* "": not known */
    const char *not_recorded;             /* why its commands are not recorded; NULL: they are */
    char started_at[SQL_TIME_LENGTH + 1]; /* "": now */
    uint64_t seq;
    char state[16]; /* out */
};

/* Open sessions of a machine at most. Twice what a heartbeat lists, since sessions whose end has
 * not been reported yet count too. */
enum { OPEN_SESSIONS_MAX = 2 * PROTOCOL_SESSIONS_MAX };

/* Errors of agents_admit; ERR_FORBIDDEN when the session is another machine's, ERR_FULL. */
enum err agents_open_session(struct db *db, struct session_open *opening, struct error *e);

struct session_end {
    struct reporter agent;
    const char *session_id, *reason;
    char ended_at[SQL_TIME_LENGTH + 1]; /* "": now */
    int exit_code;                      /* -1: not known */
    bool doubtful;                      /* some of its processes may still run */
    const char
        *outcome; /* out, static: outcome of the pending termination; NULL: none was pending */
};

/* Closes a session. A pending termination is confirmed, or has vanished if `doubtful`. Errors as
 * above, and ERR_NOT_FOUND. */
enum err agents_end_session(struct db *db, struct session_end *ending, struct error *e);

/* Closes sessions whose end will not be reported. `outcome` is `vanished` or `expired`. */
enum err agents_give_up(struct db *db, const struct idents *sessions, const char *outcome,
                        struct error *e);

struct entry {
    char session_id[IDENT_MAX + 1];
    uint64_t seq;
    char *command; /* owned */
    char at[SQL_TIME_LENGTH + 1];
    int success;         /* -1: not known */
    int exit_code;       /* the same */
    const char *fault;   /* static: why it is invalid; NULL: it is valid */
    const char *refusal; /* out, static: why it was not stored; NULL: it was */
};

struct activity {
    struct reporter agent;
    struct entry *entries;
    size_t count;
};

/* Stores commands; refuses an entry whose session is not the machine's. */
enum err agents_activity(struct db *db, struct activity **activities, size_t count,
                         struct error *e);

#endif
