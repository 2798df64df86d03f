/* SPDX-License-Identifier: MIT */
/* What the dashboard shows of machines and commands. */
#ifndef STORE_DASHBOARD_H
#define STORE_DASHBOARD_H

#include "store/load.h"

struct fleet_stats {
    int64_t machines, online;
    int64_t cpu, memory, disk; /* sums over online machines, hundredths of a percent */
};

/* Of each caller: out[callers->count], zeroed before. */
enum err dashboard_stats(struct db *db, const struct callers *callers, struct fleet_stats *out,
                         struct error *e);

/* Borrowed until the callback returns. */
struct machine {
    const char *agent_id, *name;
    bool online;
    int64_t cpu, memory;     /* hundredths of a percent */
    const char *last_active; /* RFC 3339 */
};

typedef void machine_fn(void *context, size_t caller, const struct machine *machine);

/* The five machines of each caller (by its index) with the newest heartbeat, newest first. */
enum err dashboard_machines(struct db *db, const struct callers *callers, machine_fn *fn,
                            void *context, struct error *e);

/* Borrowed until the callback returns. */
struct command {
    int64_t id;
    const char *command, *machine_name, *agent_id, *username, *source;
    const char *executed_at; /* RFC 3339 */
};

typedef void command_fn(void *context, size_t caller, const struct command *command);

/* The ten newest commands of each caller (by its index), newest first. */
enum err dashboard_commands(struct db *db, const struct callers *callers, command_fn *fn,
                            void *context, struct error *e);

#endif
