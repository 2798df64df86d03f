/* SPDX-License-Identifier: MIT */
/* The dashboard: statistics, recent machines and recent commands, for one caller or for several at
 * once; and the fleet's figures for /metrics.
 *
 * `stats` counts an index, and no writer keeps sums for it. Sums kept by the heartbeats were tried:
 * 500 of them took the database 32.7 ms instead of 25.5, and one writer that forgets the sums makes
 * them wrong for ever. Counting takes 22 ms for 100 thousand machines. */
#ifndef STORE_DASHBOARD_H
#define STORE_DASHBOARD_H

#include "store/scope.h"

struct fleet_stats {
    int64_t machines, online;
    int64_t cpu, memory, disk; /* sums over online machines, hundredths of a percent */
};

/* Fills out[callers->count], zeroed by the caller. */
enum err dashboard_stats(struct db *db, const struct callers *callers, struct fleet_stats *out,
                         struct error *e);

/* Borrowed until the next statement. */
struct machine {
    const char *agent_id, *name;
    bool online;
    int64_t cpu, memory;     /* hundredths of a percent */
    const char *last_active; /* RFC 3339 */
};

enum { RECENT_MACHINES = 5, RECENT_COMMANDS = 10 };

struct recent_machines {
    struct machine items[RECENT_MACHINES];
    size_t count;
};

/* The machines of each caller with the newest heartbeats, newest first. Fills out[callers->count],
 * zeroed by the caller. */
enum err dashboard_machines(struct db *db, const struct callers *callers,
                            struct recent_machines *out, struct error *e);

/* Borrowed until the next statement. */
struct recent_command {
    int64_t id;
    const char *command, *machine_name, *agent_id, *username, *source;
    const char *executed_at; /* RFC 3339 */
};

struct recent_commands {
    struct recent_command items[RECENT_COMMANDS];
    size_t count;
};

/* The newest commands of each caller, newest first. Fills out[callers->count], zeroed by the
 * caller. */
enum err dashboard_commands(struct db *db, const struct callers *callers,
                            struct recent_commands *out, struct error *e);

/* --- for /metrics: the fleet as a whole */

#define FLEET_SOURCE(id, name) FLEET_##id
#define FLEET_MORE(id, name) , FLEET_##id

enum fleet_number {
    FLEET_ONLINE, /* machines */
    FLEET_OFFLINE,
    FLEET_NEVER,                                /* without any heartbeat */
    FLEET_DROPPED,                              /* commands that agents had to drop */
    PROTOCOL_SOURCES(FLEET_SOURCE, FLEET_MORE), /* active sessions, by source */
    FLEET_PENDING,                              /* terminations without an outcome */
    FLEET_OLDEST_PENDING,                       /* s; 0: none */
    FLEET_RECENT_PENDING,                       /* the last 1,000 terminations, by outcome */
    FLEET_RECENT_CONFIRMED,
    FLEET_RECENT_VANISHED,
    FLEET_RECENT_EXPIRED,
    FLEET_NUMBERS
};

/* Loads the figures. Reads each machine and each open session once, and no history. */
enum err dashboard_fleet(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e);

#endif
