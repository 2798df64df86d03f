/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* --- who reports ------------------------------------------------------------------------------ */

static const struct scope everyone = {.kind = SCOPE_ALL};

/* The agents of a batch. Their order is that in which the machines' rows are locked, and it lets
 * each row of a result find its reports by bisection. */
struct checked {
    struct reporter **agents; /* in the order of their ids */
    size_t count;
};

static int by_agent_id(const void *a, const void *b)
{
    const struct reporter *const *one = a, *const *other = b;

    return strcmp((*one)->agent_id, (*other)->agent_id);
}

/* Index of the first report with that id. A batch may have several of one machine. */
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

/* Compares instances up to the full stop. The rest changes when an agent has lost its state, which
 * must not make it a second machine. */
static bool is_same_machine(const char *instance, const char *other)
{
    size_t length = strcspn(instance, ".");

    return strcspn(other, ".") == length && memcmp(instance, other, length) == 0;
}

/* `claim` is the only instance that may report. "": any may, and the first one gets the claim. */
static void admit(struct reporter *agent, const struct cell *row, char claim[IDENT_MAX + 1])
{
    bool valid = agent->generation == cell_int(&row[1]);

    cell_ident(&row[2], agent->tenant_id);
    agent->fresh = strcmp(row[4].text, agent->instance) != 0 || cell_int(&row[5]);
    snprintf(agent->usage, sizeof agent->usage, "%s", row[6].text);
    agent->now = cell_int(&row[7]);
    agent->admitted = valid && (!*claim || is_same_machine(claim, agent->instance));
    agent->second = valid && !agent->admitted;
    if (agent->admitted)
        strcpy(claim, agent->instance);
}

/* An agent without a row stays as reset() leaves it, which is not admitted: its machine was
 * removed. */
static void read_agents(struct db *db, const struct checked *checked)
{
    for (const struct cell *row; (row = db_row(db));) {
        const char *agent_id = row[0].text;
        char claim[IDENT_MAX + 1];
        cell_ident(&row[3], claim);
        for (size_t i = first_of(checked, agent_id); is_of(checked, i, agent_id); i++)
            admit(checked->agents[i], row, claim);
    }
}

static void reset(struct reporter *agent)
{
    agent->admitted = agent->second = agent->fresh = false;
}

enum err agents_check(struct db *db, struct reporter **agents, size_t count, bool lock,
                      struct error *e)
{
    struct params params = scope_params(db, &everyone);
    struct rows rows = {0};
    struct checked checked = {agents, count};

    qsort(agents, count, sizeof *agents, by_agent_id);
    for (size_t i = 0; i < count; i++) {
        reset(agents[i]);
        rows_text(&rows, PARAM_AGENT, agents[i]->agent_id);
    }
    enum err err = db_bulk(db, lock ? STATEMENT_LOCK_AGENTS : STATEMENT_AGENTS, &params, &rows, e);
    read_agents(db, &checked);
    rows_free(&rows);
    return err;
}

enum err agents_refusal(const struct reporter *agent, struct error *e)
{
    if (agent->second)
        return error_set(e, ERR_INSTANCE, "machine %s: instance '%s' is not the one that reports",
                         agent->agent_id, agent->instance);
    return error_set(e, ERR_TOKEN, "a revoked token of machine %s", agent->agent_id);
}

enum err agents_admit(struct db *db, struct reporter *agent, struct error *e)
{
    struct params params = scope_params(db, &everyone);
    struct checked checked = {&agent, 1};

    reset(agent);
    params_text(&params, PARAM_AGENT, agent->agent_id);
    enum err err = db_select(db, STATEMENT_AGENT, &params, e);
    read_agents(db, &checked);
    return err || agent->admitted ? err : agents_refusal(agent, e);
}

/* --- heartbeats ------------------------------------------------------------------------------- */

struct heartbeat_batch {
    struct checked checked;  /* each agent is the first member of its heartbeat */
    struct idents closing;   /* to be terminated, and listed */
    struct idents terminate; /* these, and listed ones that are closed already */
    struct idents vanished;  /* open, but not listed any more */
    struct rows active;      /* sessions, and when their users were active */
};

static struct heartbeat *heartbeat_at(const struct checked *checked, size_t i)
{
    return (struct heartbeat *)checked->agents[i];
}

/* Records that an instance was refused: the operator must learn that two machines have one
 * token. */
static enum err note_refusals(struct db *db, const struct checked *checked, struct error *e)
{
    enum err err = ERR_OK;

    for (size_t i = 0; !err && i < checked->count; i++) {
        if (!checked->agents[i]->second)
            continue;
        struct params params = {0};
        params_text(&params, PARAM_AGENT, checked->agents[i]->agent_id);
        params_text(&params, PARAM_INSTANCE, checked->agents[i]->instance);
        err = db_change(db, STATEMENT_REFUSE_INSTANCE, &params, NULL, e);
    }
    return err;
}

/* Adds the heartbeat to its machine's current usage slot. A slot that has ended goes to `ended`.
 * `before` is the previous heartbeat of the batch, perhaps of the same machine. */
static void note_usage(struct heartbeat *heartbeat, const struct heartbeat *before, long history,
                       struct rows *ended)
{
    const uint64_t values[USAGE_FIGURES] = {heartbeat->cpu, heartbeat->memory, heartbeat->disk};
    struct reporter *agent = &heartbeat->agent;
    struct usage_sums usage, slot;

    if (before && strcmp(before->agent.agent_id, agent->agent_id) == 0)
        memcpy(agent->usage, before->agent.usage, sizeof agent->usage);
    if (!history)
        return;
    usage_parse(agent->usage, &usage);
    if (usage_add(&usage, agent->now, values, &slot))
        usage_rows(ended, agent->agent_id, &slot, history);
    usage_format(&usage, agent->usage);
}

static enum err note_usages(struct db *db, const struct checked *checked, struct error *e)
{
    struct heartbeat *before = NULL;
    struct rows ended = {0};

    for (size_t i = 0; i < checked->count; i++) {
        struct heartbeat *heartbeat = heartbeat_at(checked, i);
        if (!heartbeat->agent.admitted)
            continue;
        note_usage(heartbeat, before, db_settings(db)->agents.usage_history, &ended);
        before = heartbeat;
    }
    enum err err = usage_store(db, &ended, e);
    rows_free(&ended);
    return err;
}

/* The heartbeat itself: one upsert for all machines of the batch. */
static enum err note_figures(struct db *db, const struct checked *checked, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < checked->count; i++) {
        const struct heartbeat *heartbeat = heartbeat_at(checked, i);
        if (!heartbeat->agent.admitted)
            continue;
        rows_text(&rows, PARAM_AGENT, heartbeat->agent.agent_id);
        rows_text(&rows, PARAM_INSTANCE, heartbeat->agent.instance);
        rows_uint(&rows, PARAM_CPU, heartbeat->cpu);
        rows_uint(&rows, PARAM_MEMORY, heartbeat->memory);
        rows_uint(&rows, PARAM_DISK, heartbeat->disk);
        rows_text(&rows, PARAM_USAGE_NOW, heartbeat->agent.usage);
        rows_uint(&rows, PARAM_DROPPED, heartbeat->dropped);
        rows_uint(&rows, PARAM_SEQ, heartbeat->seq);
    }
    enum err err = db_bulk(db, STATEMENT_HEARTBEATS, NULL, &rows, e);
    rows_free(&rows);
    return err;
}

/* --- a heartbeat's sessions ------------------------------------------------------------------- */

/* Marks a listed session as known. False when the heartbeat does not list it. */
static bool note_known(struct heartbeat *heartbeat, const char *session)
{
    bool listed = false;

    for (size_t i = 0; i < heartbeat->sessions.count; i++) {
        if (strcmp(heartbeat->sessions.items[i], session) == 0)
            listed = heartbeat->found[i] = true;
    }
    return listed;
}

/* `known` is the stored time of the user's last activity, or NULL. */
static void note_activity(struct heartbeat_batch *batch, const struct heartbeat *heartbeat,
                          const char *session, const char *known)
{
    for (size_t i = 0; heartbeat->active && i < heartbeat->sessions.count; i++) {
        if (strcmp(heartbeat->sessions.items[i], session) != 0 ||
            strcmp(heartbeat->active[i], known ? known : "") <= 0)
            continue;
        rows_text(&batch->active, PARAM_SESSION, heartbeat->sessions.items[i]);
        rows_text(&batch->active, PARAM_AT, heartbeat->active[i]);
    }
}

static void terminate(struct heartbeat_batch *batch, struct heartbeat *heartbeat,
                      const char *session)
{
    idents_add(&heartbeat->terminate, session);
    idents_add(&batch->terminate, session);
}

/* Returns whether a session that the heartbeat does not list has ended. It may also have been
 * opened after the heartbeat was made, or be unknown to an agent that has lost its state. */
static bool omission_is_end(const struct heartbeat *heartbeat, uint64_t opened, bool young)
{
    return !heartbeat->agent.fresh && (!heartbeat->seq || opened < heartbeat->seq || !young);
}

/* Compares an open session with the lists of its machine's heartbeats. The session continues, is to
 * be terminated, or has vanished. */
static void compare_open_session(struct heartbeat_batch *batch, const struct cell *row)
{
    const char *session = row[0].text, *agent = row[1].text, *tenant = row[2].text;
    bool closing = strcmp(row[3].text, "closing") == 0, young = cell_int(&row[5]) != 0;
    uint64_t opened = (uint64_t)cell_int(&row[4]);

    for (size_t i = first_of(&batch->checked, agent); is_of(&batch->checked, i, agent); i++) {
        struct heartbeat *heartbeat = heartbeat_at(&batch->checked, i);
        if (!heartbeat->agent.admitted || strcmp(heartbeat->agent.tenant_id, tenant) != 0)
            continue;
        if (!note_known(heartbeat, session)) {
            if (omission_is_end(heartbeat, opened, young))
                idents_add(&batch->vanished, session);
            continue;
        }
        note_activity(batch, heartbeat, session, row[6].text);
        if (closing) {
            terminate(batch, heartbeat, session);
            idents_add(&batch->closing, session);
        }
    }
}

/* Handles a listed session that is not open on that machine. */
static void compare_listed_session(struct heartbeat_batch *batch, const struct cell *row)
{
    bool closed = strcmp(row[2].text, "closed") == 0;

    for (size_t i = 0; i < batch->checked.count; i++) {
        struct heartbeat *heartbeat = heartbeat_at(&batch->checked, i);
        if (heartbeat->agent.admitted && note_known(heartbeat, row[0].text) && closed &&
            strcmp(heartbeat->agent.agent_id, row[1].text) == 0)
            terminate(batch, heartbeat, row[0].text);
    }
}

/* Loads the open sessions of all machines of the batch. */
static enum err compare_open(struct db *db, struct heartbeat_batch *batch, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < batch->checked.count; i++) {
        if (batch->checked.agents[i]->admitted)
            rows_text(&rows, PARAM_AGENT, batch->checked.agents[i]->agent_id);
    }
    enum err err = db_bulk(db, STATEMENT_OPEN_SESSIONS, NULL, &rows, e);
    for (const struct cell *row; (row = db_row(db));)
        compare_open_session(batch, row);
    rows_free(&rows);
    return err;
}

/* Adds the listed sessions that have not been found yet. */
static void add_missing(const struct heartbeat *heartbeat, struct idents *out)
{
    for (size_t i = 0; heartbeat->agent.admitted && i < heartbeat->sessions.count; i++) {
        if (!heartbeat->found[i])
            idents_add(out, heartbeat->sessions.items[i]);
    }
}

/* Loads the listed sessions that are not open on their machines: they are closed, unknown, or
 * another machine's. Mostly there are none, and the statement is skipped. */
static enum err compare_listed(struct db *db, struct heartbeat_batch *batch, struct error *e)
{
    struct idents listed = {0};

    for (size_t i = 0; i < batch->checked.count; i++)
        add_missing(heartbeat_at(&batch->checked, i), &listed);
    enum err err = db_bulk_sessions(db, STATEMENT_SESSION_STATES, NULL, &listed, e);
    for (const struct cell *row; (row = db_row(db));)
        compare_listed_session(batch, row);
    for (size_t i = 0; !err && i < batch->checked.count; i++)
        add_missing(heartbeat_at(&batch->checked, i), &heartbeat_at(&batch->checked, i)->unknown);
    idents_free(&listed);
    return err;
}

static void note_reason(const struct checked *checked, const char *session, const char *reason)
{
    for (size_t i = 0; i < checked->count; i++) {
        struct heartbeat *heartbeat = heartbeat_at(checked, i);
        for (size_t j = 0; j < heartbeat->terminate.count; j++) {
            if (!heartbeat->reasons[j] && strcmp(heartbeat->terminate.items[j], session) == 0)
                heartbeat->reasons[j] = xstrdup(reason);
        }
    }
}

/* Finds who asked for each termination, and why. */
static enum err find_reasons(struct db *db, struct heartbeat_batch *batch, struct error *e)
{
    for (size_t i = 0; i < batch->checked.count; i++) {
        struct heartbeat *heartbeat = heartbeat_at(&batch->checked, i);
        heartbeat->reasons = xcalloc(heartbeat->terminate.count, sizeof *heartbeat->reasons);
    }
    enum err err = db_bulk_sessions(db, STATEMENT_REASONS, NULL, &batch->terminate, e);
    for (const struct cell *row; (row = db_row(db));)
        note_reason(&batch->checked, row[0].text, row[1].text);
    return err;
}

/* Finds the vanished sessions with a pending termination. */
static enum err find_given_up(struct db *db, struct heartbeat_batch *batch, struct error *e)
{
    enum err err = db_bulk_sessions(db, STATEMENT_SIGNALLED, NULL, &batch->vanished, e);

    for (const struct cell *row; (row = db_row(db));) {
        size_t first = first_of(&batch->checked, row[1].text);
        if (is_of(&batch->checked, first, row[1].text))
            idents_add(&heartbeat_at(&batch->checked, first)->given_up, row[0].text);
    }
    return err;
}

void heartbeat_clear(struct heartbeat *heartbeat)
{
    for (size_t i = 0; heartbeat->reasons && i < heartbeat->terminate.count; i++)
        free(heartbeat->reasons[i]);
    free(heartbeat->reasons);
    free(heartbeat->found);
    heartbeat->reasons = NULL;
    heartbeat->found = NULL;
    idents_free(&heartbeat->given_up);
    idents_free(&heartbeat->terminate);
    idents_free(&heartbeat->unknown);
}

static void begin(struct heartbeat_batch *batch, struct heartbeat **heartbeats, size_t count)
{
    batch->checked = (struct checked){xcalloc(count, sizeof(struct reporter *)), count};
    for (size_t i = 0; i < count; i++) {
        heartbeat_clear(heartbeats[i]); /* of an earlier attempt */
        heartbeats[i]->found = xcalloc(heartbeats[i]->sessions.count, sizeof(bool));
        batch->checked.agents[i] = &heartbeats[i]->agent;
    }
}

static void end(struct heartbeat_batch *batch)
{
    idents_free(&batch->closing);
    idents_free(&batch->terminate);
    idents_free(&batch->vanished);
    rows_free(&batch->active);
    free(batch->checked.agents);
}

enum err agents_heartbeats(struct db *db, struct heartbeat **heartbeats, size_t count,
                           struct error *e)
{
    struct heartbeat_batch batch = {0};

    begin(&batch, heartbeats, count);
    /* First the locks, then what is decided under them. Agents that were not admitted are in the
     * batch to its end, and are left out of each step. */
    enum err err = agents_check(db, batch.checked.agents, count, true, e);
    if (!err)
        err = note_refusals(db, &batch.checked, e);
    if (!err)
        err = note_usages(db, &batch.checked, e);
    if (!err)
        err = note_figures(db, &batch.checked, e);
    if (!err)
        err = compare_open(db, &batch, e);
    if (!err)
        err = compare_listed(db, &batch, e);
    if (!err)
        err = db_bulk(db, STATEMENT_SESSIONS_ACTIVE, NULL, &batch.active, e);
    if (!err)
        err = find_given_up(db, &batch, e);
    if (!err)
        err = agents_give_up(db, &batch.vanished, "vanished", e);
    if (!err)
        err = find_reasons(db, &batch, e);
    if (!err)
        err = db_bulk_sessions(db, STATEMENT_COUNT_DELIVERY, NULL, &batch.closing, e);
    end(&batch);
    return err;
}
