/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Above these, the rows are picked from one wider range instead. */
enum {
    MACHINES_MAX = 100, /* machines of a user that are searched one by one */
    TENANTS_MAX = 100,  /* tenants of one user id or machine id, for a super admin */
    STATES_MAX = 3
};

/* The statements of one kind of search. */
struct kind {
    int bound, find, next_tenant, page;
    bool by_state; /* its indexes have a range for each state */
};

static const struct kind commands = {STATEMENT_BOUND_COMMANDS, STATEMENT_FIND_COMMANDS,
                                     STATEMENT_NEXT_TENANT_OF_COMMANDS, STATEMENT_HISTORY_COMMANDS,
                                     false};
static const struct kind sessions = {STATEMENT_BOUND_SESSIONS, STATEMENT_FIND_SESSIONS,
                                     STATEMENT_NEXT_TENANT_OF_SESSIONS, STATEMENT_HISTORY_SESSIONS,
                                     true};

struct search {
    const struct kind *kind;
    const struct scope *scope;
    const struct history_filter *filter;
    struct walk walk;
    struct idents ids[STATES_MAX]; /* the ranges refer to them */
};

static const struct position newest = {"9999-12-31T00:00:00.000000", INT64_MAX};
static const struct position oldest = {"1970-01-01T00:00:00.000000", 0};

/* --- ranges ----------------------------------------------------------------------------------- */

/* Returns whether all rows in a range of that kind match the filters. Then the walk needs no
 * pieces: it reads one row more than its page from each range. */
static bool lets_all_through(const struct search *search, enum range_kind kind)
{
    const struct history_filter *filter = search->filter;

    if (search->walk.hidden || filter->source || filter->q || filter->success || filter->ended_by ||
        kind == RANGE_ITEM)
        return false;
    return (!filter->user_id || kind == RANGE_USER) && (!filter->agent_id || kind == RANGE_MACHINE);
}

static struct rows *ranges_of(struct search *search, enum range_kind kind)
{
    struct walk *walk = &search->walk;
    struct walk_ranges ranges = {.bound = search->kind->bound + (int)kind,
                                 .find = search->kind->find + (int)kind};

    for (size_t i = 0; i < walk->kinds; i++) {
        if (walk->ranges[i].find == ranges.find)
            return &walk->ranges[i].rows;
    }
    walk->exact = (walk->exact || !walk->kinds) && lets_all_through(search, kind);
    walk->ranges[walk->kinds] = ranges;
    return &walk->ranges[walk->kinds++].rows;
}

/* Adds one range: of `tenant`, and for RANGE_USER and RANGE_MACHINE of the id. The indexes of these
 * two have the tenant next to the id, so their ranges never hold rows of two tenants that have
 * equal ids. */
static void add_one(struct search *search, enum range_kind kind, const char *state,
                    const char *tenant, const char *id)
{
    struct rows *rows = ranges_of(search, kind);

    rows_text(rows, PARAM_TENANT, tenant);
    if (kind == RANGE_USER)
        rows_text(rows, PARAM_OF_USER, id);
    if (kind == RANGE_MACHINE)
        rows_text(rows, PARAM_AGENT, id);
    if (state)
        rows_text(rows, PARAM_STATE, state);
}

/* The states in which sessions are searched. For commands, one NULL. */
static const char *const *states_of(const struct search *search, size_t *count)
{
    static const char *const all[STATES_MAX] = {"active", "closing", "closed"};
    static const char *const none[] = {NULL};

    *count = 1;
    if (!search->kind->by_state)
        return none;
    if (search->filter->state)
        return &search->filter->state;
    *count = STATES_MAX;
    return all;
}

static void add_range(struct search *search, enum range_kind kind, const char *tenant,
                      const char *id)
{
    size_t count;
    const char *const *states = states_of(search, &count);

    for (size_t i = 0; i < count; i++)
        add_one(search, kind, states[i], tenant, id);
}

/* --- a user's --------------------------------------------------------------------------------- */

/* Loads the user's machines, at most MACHINES_MAX + 1, which means too many. */
static enum err load_machines(struct db *db, struct search *search, struct error *e)
{
    struct params params = scope_params(db, search->scope);

    params_text(&params, PARAM_AGENT, search->filter->agent_id);
    params_uint(&params, PARAM_LIMIT, MACHINES_MAX + 1);
    enum err err = db_select(db, STATEMENT_ACCESSIBLE, &params, e);
    idents_read(&search->ids[0], db);
    return err;
}

/* A user sees its own rows and all rows of its machines. A search on one of its machines needs that
 * range only. With too many machines, the whole tenant is searched and filtered. */
static enum err add_users(struct db *db, struct search *search, struct error *e)
{
    const struct scope *scope = search->scope;
    const char *user_id = search->filter->user_id, *tenant = scope->tenant_id;
    bool own = user_id && strcmp(user_id, scope->user_id) == 0;
    const struct idents *machines = &search->ids[0];
    enum err err = own ? ERR_OK : load_machines(db, search, e);

    if (machines->count > MACHINES_MAX) {
        search->walk.hidden = true;
        add_range(search, user_id ? RANGE_USER : RANGE_TENANT, tenant, user_id);
    } else {
        if (own || (!user_id && !(search->filter->agent_id && machines->count)))
            add_range(search, RANGE_USER, tenant, scope->user_id);
        for (size_t i = 0; i < machines->count; i++)
            add_range(search, RANGE_MACHINE, tenant, machines->items[i]);
    }
    return err;
}

/* --- a super admin's -------------------------------------------------------------------------- */

/* Finds the tenants that have an id, with one index lookup for each. */
static enum err load_tenants(struct db *db, const struct search *search, enum range_kind kind,
                             const char *state, struct idents *out, struct error *e)
{
    struct params params = {0};
    enum err err = ERR_OK;
    char last[IDENT_MAX + 1] = "";
    const struct cell *row;

    params_text(&params, PARAM_OF_USER, search->filter->user_id);
    params_text(&params, PARAM_AGENT, search->filter->agent_id);
    params_text(&params, PARAM_STATE, state);
    params_text(&params, PARAM_TENANT, last);
    while (!err && out->count <= TENANTS_MAX) {
        err = db_select(db, search->kind->next_tenant + (int)kind - RANGE_USER, &params, e);
        if (err || !(row = db_row(db)) || !row[0].text)
            break;
        cell_ident(&row[0], last);
        idents_add(out, last);
    }
    return err;
}

/* A user id, and a machine id too, may exist in several tenants. Each is a range of its own; with
 * too many tenants, all rows are searched and filtered. */
static enum err add_in_all_tenants(struct db *db, struct search *search, enum range_kind kind,
                                   const char *id, struct error *e)
{
    size_t count;
    const char *const *states = states_of(search, &count);
    enum err err = ERR_OK;

    for (size_t i = 0; !err && i < count; i++) {
        struct idents *tenants = &search->ids[i];
        err = load_tenants(db, search, kind, states[i], tenants, e);
        for (size_t k = 0; tenants->count <= TENANTS_MAX && k < tenants->count; k++)
            add_one(search, kind, states[i], tenants->items[k], id);
        if (tenants->count > TENANTS_MAX)
            add_one(search, RANGE_ALL, states[i], NULL, NULL);
    }
    return err;
}

/* --- the search ------------------------------------------------------------------------------- */

/* The commands of one session. Outside the scope there is no range, and the page is empty. */
static enum err add_session(struct db *db, struct search *search, struct error *e)
{
    const struct scope *scope = search->scope;
    struct params params = scope_params(db, scope);
    enum err err = ERR_OK;

    params_text(&params, PARAM_SESSION, search->filter->session_id);
    if (scope->kind != SCOPE_ALL)
        err = db_select(db, STATEMENT_CLOSING_RIGHT + (int)scope->kind, &params, e);
    if (!err && (scope->kind == SCOPE_ALL || db_row(db)))
        rows_text(ranges_of(search, RANGE_ITEM), PARAM_SESSION, search->filter->session_id);
    return err;
}

/* The index of requesters has no tenants, so only super admins search it. Others filter the
 * sessions in their scope, so that their cursors reveal nothing about other tenants. */
static bool by_requester(const struct search *search)
{
    return search->filter->ended_by && search->scope->kind == SCOPE_ALL;
}

/* Chooses the narrowest ranges that hold all matches: of the session, else of the user, else of the
 * machine, else of the whole scope. The other filters pick from them. */
static enum err add_ranges(struct db *db, struct search *search, struct error *e)
{
    const struct history_filter *filter = search->filter;
    const struct scope *scope = search->scope;
    enum range_kind kind = filter->user_id ? RANGE_USER : RANGE_MACHINE;
    const char *id = filter->user_id ? filter->user_id : filter->agent_id;

    if (filter->session_id)
        return add_session(db, search, e);
    else if (by_requester(search))
        rows_text(ranges_of(search, RANGE_ITEM), PARAM_BY_USER, filter->ended_by);
    else if (scope->kind == SCOPE_USER)
        return add_users(db, search, e);
    else if (id && scope->kind == SCOPE_ALL)
        return add_in_all_tenants(db, search, kind, id, e);
    else if (id)
        add_range(search, kind, scope->tenant_id, id);
    else if (scope->kind == SCOPE_TENANT)
        add_range(search, RANGE_TENANT, scope->tenant_id, NULL);
    else
        add_range(search, RANGE_ALL, NULL, NULL);
    return ERR_OK;
}

/* All filters, also those that the ranges are made of, and the scope: FIND checks each row again.
 * So a range that is too wide costs time, and shows nothing that it should not. */
static void set_filters(struct search *search)
{
    const struct history_filter *filter = search->filter;
    const struct scope *scope = search->scope;
    struct params *params = &search->walk.params;

    params_filled(params, PARAM_TENANT, scope->tenant_id);
    params_filled(params, PARAM_USER, scope->user_id);
    params_text(params, PARAM_OF_USER, filter->user_id);
    params_text(params, PARAM_AGENT, filter->agent_id);
    params_text(params, PARAM_SOURCE, filter->source);
    params_text(params, PARAM_STATE, filter->state);
    params_text(params, PARAM_Q, filter->q);
    params_text(params, PARAM_BY_USER, filter->ended_by);
    if (filter->success)
        params_uint(params, PARAM_SUCCESS, *filter->success);
    params_text(params, PARAM_FROM, *filter->from.at ? filter->from.at : oldest.at);
    params_text(params, PARAM_TO, *filter->until.at ? filter->until.at : newest.at);
}

/* In ranges that are not in the order of time, from and until are filters like any other. */
static void set_ends(struct search *search)
{
    const struct history_filter *filter = search->filter;
    struct walk *walk = &search->walk;
    bool timed = !filter->session_id && !by_requester(search);

    walk->limit = filter->limit;
    walk->before = *filter->before.at ? filter->before : newest;
    walk->since = oldest;
    if (timed && *filter->until.at && strcmp(filter->until.at, walk->before.at) < 0)
        walk->before = filter->until;
    if (timed && *filter->from.at)
        walk->since = filter->from;
}

/* --- its rows --------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct cell *const *x = a, *const *y = b;
    int64_t one = cell_int(&(*x)[0]), other = cell_int(&(*y)[0]);

    return (one > other) - (one < other);
}

/* Puts the loaded rows into the order of the findings. A row may have been purged meanwhile. */
static void put_in_order(const struct findings *findings, const struct cell **loaded, size_t count,
                         struct history *out)
{
    qsort(loaded, count, sizeof(const struct cell *), compare_rows);
    for (size_t i = 0; i < findings->count; i++) {
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if ((uint64_t)cell_int(&loaded[middle][0]) < findings->items[i].id)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < count && (uint64_t)cell_int(&loaded[low][0]) == findings->items[i].id)
            out->rows[out->count++] = loaded[low] + 1;
    }
}

/* Loads the rows of a page by their ids. The walk found only ids and times, so the wide columns are
 * read for the rows that are shown, and not for those that it examined. */
static enum err load_found(struct db *db, int statement, const struct findings *findings,
                           struct history *out, struct error *e)
{
    struct rows ids = {0};
    const struct cell **loaded = xcalloc(findings->count, sizeof(const struct cell *));
    size_t count = 0;

    out->rows = xcalloc(findings->count, sizeof(const struct cell *));
    for (size_t i = 0; i < findings->count; i++)
        rows_uint(&ids, PARAM_ID, findings->items[i].id);
    enum err err = db_bulk(db, statement, NULL, &ids, e);
    for (const struct cell *row; (row = db_row(db)) && count < findings->count;)
        loaded[count++] = row;
    put_in_order(findings, loaded, count, out);
    out->more = findings->more;
    out->cut = findings->cut;
    out->end = findings->end;
    rows_free(&ids);
    free(loaded);
    return err;
}

static enum err run(struct db *db, const struct kind *kind, const struct scope *scope,
                    const struct history_filter *filter, struct history *out, struct error *e)
{
    struct search search = {.kind = kind, .scope = scope, .filter = filter};
    struct findings findings = {0};

    *out = (struct history){0};
    set_filters(&search);
    set_ends(&search);
    enum err err = add_ranges(db, &search, e);
    if (!err)
        err = walk(db, &search.walk, &findings, e);
    if (!err)
        err = load_found(db, kind->page, &findings, out, e);
    walk_free(&search.walk);
    for (size_t i = 0; i < STATES_MAX; i++)
        idents_free(&search.ids[i]);
    findings_free(&findings);
    return err;
}

enum err history_sessions(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out, struct error *e)
{
    return run(db, &sessions, scope, filter, out, e);
}

enum err history_commands(struct db *db, const struct scope *scope,
                          const struct history_filter *filter, struct history *out, struct error *e)
{
    return run(db, &commands, scope, filter, out, e);
}

enum err history_load_commands(struct db *db, const struct findings *findings, struct history *out,
                               struct error *e)
{
    *out = (struct history){0};
    return load_found(db, commands.page, findings, out, e);
}

void history_free(struct history *history)
{
    free(history->rows);
    *history = (struct history){0};
}

enum err history_check_session(struct db *db, const struct scope *scope, const char *session_id,
                               struct error *e)
{
    struct params params = scope_params(db, scope);

    params_text(&params, PARAM_SESSION, session_id);
    enum err err = db_select(db, STATEMENT_CLOSING_RIGHT + (int)scope->kind, &params, e);
    if (!err && !db_row(db))
        err = error_public(e, ERR_NOT_FOUND, "Session not found");
    return err;
}
