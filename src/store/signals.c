/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/signals.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

bool signal_is_for(const struct signal_row *signal, const struct reporter *agent)
{
    return agent->admitted && strcmp(agent->agent_id, signal->agent_id) == 0 && signal->tenant_id &&
           strcmp(agent->tenant_id, signal->tenant_id) == 0;
}

enum err signals_due(struct db *db, struct reporter **agents, size_t count, struct error *e)
{
    struct rows admitted = {0};
    enum err err = agents_check(db, agents, count, false, e);

    for (size_t i = 0; !err && i < count; i++) {
        if (agents[i]->admitted)
            rows_text(&admitted, PARAM_AGENT, agents[i]->agent_id);
    }
    if (!err)
        err = db_bulk(db, STATEMENT_DUE_SIGNALS, NULL, &admitted, e);
    rows_free(&admitted);
    return err;
}

bool signals_next(struct db *db, struct signal_row *out)
{
    const struct cell *row = db_row(db);

    if (row)
        *out = (struct signal_row){cell_int(&row[0]), row[1].text, row[2].text, row[3].text,
                                   row[4].text};
    return row;
}

enum err signals_lease(struct db *db, const struct rows *ids, struct error *e)
{
    struct params lease = {0};

    params_uint(&lease, PARAM_LEASE, SIGNAL_LEASE);
    return db_bulk(db, STATEMENT_LEASE_SIGNALS, &lease, ids, e);
}

enum err signals_due_agents(struct db *db, struct idents *out, struct error *e)
{
    struct params none = {0};
    enum err err = db_select(db, STATEMENT_DUE_AGENTS, &none, e);

    idents_read(out, db);
    return err;
}

enum err signals_closed(struct db *db, const struct idents *sessions, struct idents *out,
                        struct error *e)
{
    enum err err = db_bulk_sessions(db, STATEMENT_CLOSED_SESSIONS, NULL, sessions, e);

    idents_read(out, db);
    return err;
}

enum err signals_expire(struct db *db, void *expired, struct error *e)
{
    struct scope all = {.kind = SCOPE_ALL};
    struct params params = scope_params(db, &all);

    idents_free(expired); /* of an earlier attempt */
    enum err err = db_select(db, STATEMENT_EXPIRED, &params, e);
    idents_read(expired, db);
    return err ? err : agents_give_up(db, expired, "expired", e);
}
