/* SPDX-License-Identifier: MIT */
/* The queue of requested terminations, with leases and expiry.
 *
 * A signal must not get lost when a worker, an agent or a network fails between delivery and
 * confirmation. A delivered signal is therefore leased: unless its session's end is reported within
 * SIGNAL_LEASE, it is delivered again. Agents treat a repeated signal as one.
 *
 * The signal is only the fast way. The session's own state, `closing`, stays until its end is
 * known: every heartbeat that lists such a session is told to end it, whatever became of the
 * signal. */
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

/* Returns whether a signal is for this agent, after agents_check. Its machine's id may have been
 * that of another tenant's. */
bool signal_is_for(const struct signal_row *signal, const struct reporter *agent);

/* Checks agents, and selects the due signals for the machines of admitted ones. Run in one
 * transaction with signals_lease. */
enum err signals_due(struct db *db, struct reporter **agents, size_t count, struct error *e);

/* The next selected signal. False: no more. */
bool signals_next(struct db *db, struct signal_row *out);

/* Leases signals, given as rows of PARAM_ID: they are due again after SIGNAL_LEASE. */
enum err signals_lease(struct db *db, const struct rows *ids, struct error *e);

/* Adds the machines with a signal that became due in the last 90 s. A waiting poll is under a
 * minute old and already got everything due before it. There is no high-water mark, since
 * transactions commit in another order than they began. */
enum err signals_due_agents(struct db *db, struct idents *out, struct error *e);

/* Adds the closed ones of `sessions`. */
enum err signals_closed(struct db *db, const struct idents *sessions, struct idents *out,
                        struct error *e);

/* Closes sessions whose machine was away for agents.signal_expires after the request to terminate
 * them. Run in one transaction. `expired` is a struct idents, which receives them. */
enum err signals_expire(struct db *db, void *expired, struct error *e);

#endif
