/* SPDX-License-Identifier: MIT */
/* The queue of terminations: delivery with a lease, and expiry. */
#ifndef STORE_SIGNALS_H
#define STORE_SIGNALS_H

#include "store/agents.h"

enum { SIGNAL_LEASE = 15 }; /* s */

/* Borrowed until the callback returns. */
struct signal_row {
    int64_t id;
    const char *agent_id, *session_id, *reason;
    const char *tenant_id; /* the session's */
};

/* Whether it is for this agent, which was checked: its machine's id may have been another's. */
bool signal_is_for(const struct signal_row *signal, const struct agent *agent);

typedef void signal_fn(void *context, const struct signal_row *signal);

/* Checks agents, and takes the signals that are due for those that are admitted: they are due
 * again after SIGNAL_LEASE. To be run in one transaction. */
enum err signals_take(struct db *db, struct agent **agents, size_t count, signal_fn *fn,
                      void *context, struct error *e);

/* Adds the machines for which a signal became due lately. */
enum err signals_due_agents(struct db *db, struct idents *out, struct error *e);

/* Adds those of `sessions` that are closed. */
enum err signals_closed(struct db *db, const struct idents *sessions, struct idents *out,
                        struct error *e);

/* Closes sessions whose machine stayed away for too long after they were to end. To be run in one
 * transaction. */
enum err signals_expire(struct db *db, void *unused, struct error *e);

#endif
