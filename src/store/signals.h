/* SPDX-License-Identifier: MIT */
/* The queue of terminations: delivery with a lease, and expiry. */
#ifndef STORE_SIGNALS_H
#define STORE_SIGNALS_H

#include "store/agents.h"

enum { SIGNAL_LEASE = 15 }; /* s */

/* Borrowed until the next statement. */
struct signal_row {
    int64_t id;
    const char *agent_id, *session_id, *reason;
    const char *tenant_id; /* the session's */
};

/* Whether it is for this agent, which was checked: its machine's id may have been another's. */
bool signal_is_for(const struct signal_row *signal, const struct reporter *agent);

/* Checks agents, and selects the signals that are due for the machines of those that are admitted.
 * To be run in one transaction with signals_lease. */
enum err signals_due(struct db *db, struct reporter **agents, size_t count, struct error *e);

/* The next of those selected. False: no more. */
bool signals_next(struct db *db, struct signal_row *out);

/* Takes signals, rows of PARAM_ID: they are due again after SIGNAL_LEASE. */
enum err signals_lease(struct db *db, const struct rows *ids, struct error *e);

/* Adds the machines for which a signal became due lately. */
enum err signals_due_agents(struct db *db, struct idents *out, struct error *e);

/* Adds those of `sessions` that are closed. */
enum err signals_closed(struct db *db, const struct idents *sessions, struct idents *out,
                        struct error *e);

/* Closes sessions whose machine stayed away for too long after they were to end. To be run in one
 * transaction. `expired` is a struct idents, which receives them. */
enum err signals_expire(struct db *db, void *expired, struct error *e);

#endif
