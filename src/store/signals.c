/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/signals.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct taking {
    struct agent **agents;
    size_t agent_count;
    signal_fn *fn;
    void *context;
    struct rows ids;
};

bool signal_is_for(const struct signal_row *signal, const struct agent *agent)
{
    return agent->admitted && strcmp(agent->agent_id, signal->agent_id) == 0 && signal->tenant_id &&
           strcmp(agent->tenant_id, signal->tenant_id) == 0;
}

static bool is_for_any(const struct taking *taking, const struct signal_row *signal)
{
    for (size_t i = 0; i < taking->agent_count; i++) {
        if (signal_is_for(signal, taking->agents[i]))
            return true;
    }
    return false;
}

static void due_row(void *context, const struct cell *cells)
{
    struct taking *taking = context;
    struct signal_row signal = {cell_int(&cells[0]), cells[1].text, cells[2].text, cells[3].text,
                                cells[4].text};

    if (!is_for_any(taking, &signal))
        return;
    taking->fn(taking->context, &signal);
    rows_uint(&taking->ids, PARAM_ID, (uint64_t)signal.id);
}

enum err signals_take(struct db *db, struct agent **agents, size_t count, signal_fn *fn,
                      void *context, struct error *e)
{
    struct params lease = {0};
    struct rows admitted = {0};
    struct taking taking = {.agents = agents, .agent_count = count, .fn = fn, .context = context};
    enum err err = agents_check(db, agents, count, false, e);

    for (size_t i = 0; !err && i < count; i++) {
        if (agents[i]->admitted)
            rows_text(&admitted, PARAM_AGENT, agents[i]->agent_id);
    }
    if (!err)
        err = db_bulk(db, STATEMENT_DUE_SIGNALS, NULL, &admitted, due_row, &taking, e);
    params_uint(&lease, PARAM_LEASE, SIGNAL_LEASE);
    if (!err)
        err = db_bulk(db, STATEMENT_LEASE_SIGNALS, &lease, &taking.ids, NULL, NULL, e);
    rows_free(&taking.ids);
    rows_free(&admitted);
    return err;
}

static void ident_row(void *context, const struct cell *cells)
{
    idents_add(context, cells[0].text);
}

enum err signals_due_agents(struct db *db, struct idents *out, struct error *e)
{
    struct params none = {0};

    return db_select(db, STATEMENT_DUE_AGENTS, &none, ident_row, out, e);
}

enum err signals_closed(struct db *db, const struct idents *sessions, struct idents *out,
                        struct error *e)
{
    return sessions_bulk(db, STATEMENT_CLOSED_SESSIONS, NULL, sessions, ident_row, out, e);
}

enum err signals_expire(struct db *db, void *unused, struct error *e)
{
    (void)unused;
    struct scope all = {.kind = SCOPE_ALL};
    struct params params = params_for(db, &all);
    struct idents expired = {0};

    enum err err = db_select(db, STATEMENT_EXPIRED, &params, ident_row, &expired, e);
    if (!err)
        err = agents_give_up(db, &expired, "expired", e);
    idents_free(&expired);
    return err;
}
