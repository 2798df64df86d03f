/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/agents.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void idents_add(struct idents *idents, const char *ident)
{
    idents->items = xrealloc(idents->items, (idents->count + 1) * sizeof *idents->items);
    strcpy(idents->items[idents->count++], ident);
}

void idents_free(struct idents *idents)
{
    free(idents->items);
    *idents = (struct idents){0};
}

static bool idents_have(const struct idents *idents, const char *ident)
{
    for (size_t i = 0; i < idents->count; i++) {
        if (strcmp(idents->items[i], ident) == 0)
            return true;
    }
    return false;
}

enum err idents_bulk(struct db *db, int statement, const struct idents *idents, enum param param,
                     row_fn *row, void *context, struct error *e)
{
    struct params *rows = xcalloc(idents->count, sizeof *rows);

    for (size_t i = 0; i < idents->count; i++)
        params_text(&rows[i], param, idents->items[i]);
    enum err err = db_bulk(db, statement, rows, idents->count, row, context, e);
    free(rows);
    return err;
}

/* --- who reports ----------------------------------------------------------------------------- */

struct checked {
    struct agent **agents; /* in the order of their ids */
    size_t count;
};

static int by_agent_id(const void *a, const void *b)
{
    const struct agent *const *one = a, *const *other = b;

    return strcmp((*one)->agent_id, (*other)->agent_id);
}

/* The first of those with that id: of one machine, several may report at a time. */
static size_t first_of(const struct checked *checked, const char *agent_id)
{
    size_t low = 0, high = checked->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(checked->agents[middle]->agent_id, agent_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_of(const struct checked *checked, size_t i, const char *agent_id)
{
    return i < checked->count && strcmp(checked->agents[i]->agent_id, agent_id) == 0;
}

static void agent_row(void *context, const struct cell *cells)
{
    const struct checked *checked = context;

    for (size_t i = first_of(checked, cells[0].text); is_of(checked, i, cells[0].text); i++)
        checked->agents[i]->known = checked->agents[i]->generation == cell_int(&cells[1]);
}

enum err agents_check(struct db *db, struct agent **agents, size_t count, bool lock,
                      struct error *e)
{
    struct params *rows = xcalloc(count, sizeof *rows);
    struct checked checked = {agents, count};

    qsort(agents, count, sizeof *agents, by_agent_id);
    for (size_t i = 0; i < count; i++) {
        agents[i]->known = false;
        params_text(&rows[i], PARAM_AGENT, agents[i]->agent_id);
    }
    enum err err = db_bulk(db, lock ? STATEMENT_LOCK_AGENTS : STATEMENT_AGENTS, rows, count,
                           agent_row, &checked, e);
    free(rows);
    return err;
}

/* --- heartbeats ------------------------------------------------------------------------------ */

struct round_of_heartbeats {
    struct checked checked; /* each agent is the first member of its heartbeat */
    struct idents closing;  /* told to end */
    struct idents vanished; /* open, but not held */
};

static struct heartbeat *heartbeat_at(const struct checked *checked, size_t i)
{
    return (struct heartbeat *)checked->agents[i];
}

static enum err note_figures(struct db *db, const struct checked *checked, struct error *e)
{
    struct params *rows = xcalloc(checked->count, sizeof *rows);
    size_t count = 0;

    for (size_t i = 0; i < checked->count; i++) {
        const struct heartbeat *heartbeat = heartbeat_at(checked, i);
        if (!heartbeat->agent.known)
            continue;
        params_text(&rows[count], PARAM_AGENT, heartbeat->agent.agent_id);
        params_uint(&rows[count], PARAM_CPU, heartbeat->cpu);
        params_uint(&rows[count], PARAM_MEMORY, heartbeat->memory);
        params_uint(&rows[count], PARAM_DISK, heartbeat->disk);
        params_uint(&rows[count], PARAM_DROPPED, heartbeat->dropped);
        params_uint(&rows[count++], PARAM_SEQ, heartbeat->seq);
    }
    enum err err = db_bulk(db, STATEMENT_HEARTBEATS, rows, count, NULL, NULL, e);
    free(rows);
    return err;
}

static void open_session_row(void *context, const struct cell *cells)
{
    struct round_of_heartbeats *round = context;
    const char *session = cells[0].text, *agent = cells[1].text;
    bool closing = strcmp(cells[2].text, "closing") == 0;
    uint64_t opened = (uint64_t)cell_int(&cells[3]);

    for (size_t i = first_of(&round->checked, agent); is_of(&round->checked, i, agent); i++) {
        struct heartbeat *heartbeat = heartbeat_at(&round->checked, i);
        if (!heartbeat->agent.known)
            continue;
        if (!idents_have(&heartbeat->sessions, session)) {
            if (!heartbeat->seq || opened < heartbeat->seq)
                idents_add(&round->vanished, session);
        } else if (closing) {
            idents_add(&heartbeat->terminate, session);
            idents_add(&round->closing, session);
        }
    }
}

static void closed_session_row(void *context, const struct cell *cells)
{
    const struct round_of_heartbeats *round = context;
    const char *session = cells[0].text, *agent = cells[1].text;

    for (size_t i = first_of(&round->checked, agent); is_of(&round->checked, i, agent); i++) {
        struct heartbeat *heartbeat = heartbeat_at(&round->checked, i);
        if (heartbeat->agent.known && idents_have(&heartbeat->sessions, session))
            idents_add(&heartbeat->terminate, session);
    }
}

static enum err compare_sessions(struct db *db, struct round_of_heartbeats *round, struct error *e)
{
    struct idents agents = {0}, held = {0};

    for (size_t i = 0; i < round->checked.count; i++) {
        const struct heartbeat *heartbeat = heartbeat_at(&round->checked, i);
        if (heartbeat->agent.known)
            idents_add(&agents, heartbeat->agent.agent_id);
        for (size_t j = 0; heartbeat->agent.known && j < heartbeat->sessions.count; j++)
            idents_add(&held, heartbeat->sessions.items[j]);
    }
    enum err err =
        idents_bulk(db, STATEMENT_OPEN_SESSIONS, &agents, PARAM_AGENT, open_session_row, round, e);
    if (!err)
        err = idents_bulk(db, STATEMENT_CLOSED_SESSIONS, &held, PARAM_SESSION, closed_session_row,
                          round, e);
    idents_free(&agents);
    idents_free(&held);
    return err;
}

enum err agents_heartbeats(struct db *db, struct heartbeat **heartbeats, size_t count,
                           struct error *e)
{
    struct round_of_heartbeats round = {.checked = {xcalloc(count, sizeof(struct agent *)), count}};

    for (size_t i = 0; i < count; i++) {
        idents_free(&heartbeats[i]->terminate); /* of an earlier attempt */
        round.checked.agents[i] = &heartbeats[i]->agent;
    }
    enum err err = agents_check(db, round.checked.agents, count, true, e);
    if (!err)
        err = note_figures(db, &round.checked, e);
    if (!err)
        err = compare_sessions(db, &round, e);
    if (!err)
        err = agents_give_up(db, &round.vanished, "vanished", e);
    if (!err)
        err =
            idents_bulk(db, STATEMENT_COUNT_DELIVERY, &round.closing, PARAM_SESSION, NULL, NULL, e);
    idents_free(&round.vanished);
    idents_free(&round.closing);
    free(round.checked.agents);
    return err;
}

enum err agents_give_up(struct db *db, const struct idents *sessions, const char *outcome,
                        struct error *e)
{
    struct params *rows = xcalloc(sessions->count, sizeof *rows);

    for (size_t i = 0; i < sessions->count; i++) {
        params_text(&rows[i], PARAM_SESSION, sessions->items[i]);
        params_text(&rows[i], PARAM_OUTCOME, outcome);
    }
    enum err err = db_bulk(db, STATEMENT_GIVE_UP_SESSIONS, rows, sessions->count, NULL, NULL, e);
    if (!err)
        err = db_bulk(db, STATEMENT_GIVE_UP_SIGNALS, rows, sessions->count, NULL, NULL, e);
    free(rows);
    return err;
}
