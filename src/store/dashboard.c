/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/dashboard.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* --- stats ----------------------------------------------------------------------------------- */

struct stats_of {
    const struct callers *callers;
    struct fleet_stats *stats;
};

static void stats_row(void *context, size_t caller, const struct cell *cells)
{
    const struct stats_of *of = context;

    of->stats[caller] = (struct fleet_stats){
        .machines = cell_int(&cells[0]),
        .online = cell_int(&cells[1]),
        .cpu = cell_int(&cells[2]),
        .memory = cell_int(&cells[3]),
        .disk = cell_int(&cells[4]),
    };
    of->callers->rows[caller] = (uint64_t)of->stats[caller].machines;
}

enum err dashboard_stats(struct db *db, const struct callers *callers, struct fleet_stats *out,
                         struct error *e)
{
    struct params params = params_for(db, callers->scopes[0]);
    struct stats_of of = {callers, out};

    return load_rows(db, callers, callers_statement(callers, STATEMENT_STATS), &params, stats_row,
                     &of, e);
}

/* --- machines -------------------------------------------------------------------------------- */

enum { RECENT_MACHINES = 5 };

struct each_machine {
    unsigned *given; /* to each caller */
    machine_fn *fn;
    void *context;
};

/* A user's may be all of its machines, those included that were never heard of. */
static void machine_row(void *context, size_t caller, const struct cell *cells)
{
    const struct each_machine *each = context;
    struct machine machine = {
        .agent_id = cells[0].text,
        .name = cells[1].text,
        .online = cell_int(&cells[2]) != 0,
        .cpu = cell_int(&cells[3]),
        .memory = cell_int(&cells[4]),
        .last_active = cells[5].text,
    };

    if (machine.last_active && each->given[caller]++ < RECENT_MACHINES)
        each->fn(each->context, caller, &machine);
}

enum err dashboard_machines(struct db *db, const struct callers *callers, machine_fn *fn,
                            void *context, struct error *e)
{
    struct params params = params_for(db, callers->scopes[0]);
    struct each_machine each = {xcalloc(callers->count, sizeof *each.given), fn, context};
    enum err err = load_rows(db, callers, callers_statement(callers, STATEMENT_RECENT_MACHINES),
                             &params, machine_row, &each, e);

    free(each.given);
    return err;
}

/* --- commands -------------------------------------------------------------------------------- */

enum { BUSY_MACHINES = PARAM_COUNT - PARAM_AGENT_0, RECENT_COMMANDS = 10 };

/* A command that one of the callers may be shown. */
struct pick {
    int64_t at, id;
    size_t caller;
};

/* What is known of a caller: the machines that were busy last, and the newest commands. */
struct recent {
    char busy[BUSY_MACHINES][IDENT_MAX + 1];
    size_t busy_count;
    struct pick newest[RECENT_COMMANDS]; /* newest first */
    size_t newest_count;
};

static void busy_row(void *context, size_t caller, const struct cell *cells)
{
    struct recent *recent = (struct recent *)context + caller;

    if (cells[0].text && recent->busy_count < BUSY_MACHINES)
        cell_ident(&cells[0], recent->busy[recent->busy_count++]);
}

/* The newest first; of one time, the greater id. */
static int compare_picks(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? 1 : -1;
    return x->id == y->id ? 0 : x->id < y->id ? 1 : -1;
}

/* Puts a command in its place among the newest, unless it is too old or there already. */
static void add_pick(struct recent *recent, const struct pick *pick)
{
    struct pick *newest = recent->newest;
    size_t place = recent->newest_count;

    while (place > 0 && compare_picks(pick, &newest[place - 1]) < 0)
        place--;
    if (place == RECENT_COMMANDS || (place > 0 && newest[place - 1].id == pick->id))
        return;
    if (recent->newest_count < RECENT_COMMANDS)
        recent->newest_count++;
    memmove(&newest[place + 1], &newest[place],
            (recent->newest_count - place - 1) * sizeof *newest);
    newest[place] = *pick;
}

static void newest_row(void *context, size_t caller, const struct cell *cells)
{
    struct pick pick = {cell_int(&cells[0]), cell_int(&cells[1]), caller};

    add_pick((struct recent *)context + caller, &pick);
}

/* A busy machine of a caller's. */
struct interest {
    const char *agent_id;
    struct recent *recent;
    size_t caller;
};

struct interests {
    struct interest *items; /* by agent_id */
    size_t count;
};

static int compare_interests(const void *a, const void *b)
{
    return strcmp(((const struct interest *)a)->agent_id, ((const struct interest *)b)->agent_id);
}

static struct interests interests_of(struct recent *recent, size_t count)
{
    struct interests all = {xcalloc(count * BUSY_MACHINES, sizeof *all.items), 0};

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < recent[i].busy_count; k++)
            all.items[all.count++] = (struct interest){recent[i].busy[k], &recent[i], i};
    }
    qsort(all.items, all.count, sizeof *all.items, compare_interests);
    return all;
}

static void newest_on_machine_row(void *context, const struct cell *cells)
{
    const struct interests *all = context;
    const struct interest *end = all->items + all->count;
    struct interest key = {.agent_id = cells[0].text};
    const struct interest *found =
        bsearch(&key, all->items, all->count, sizeof *all->items, compare_interests);

    while (found && found > all->items && compare_interests(found - 1, &key) == 0)
        found--;
    for (; found && found < end && compare_interests(found, &key) == 0; found++) {
        struct pick pick = {cell_int(&cells[1]), cell_int(&cells[2]), found->caller};
        add_pick(found->recent, &pick);
    }
}

/* Asks once for each machine, whoever is interested in it. */
static enum err load_newest_on_machines(struct db *db, const struct params *params,
                                        struct recent *recent, size_t callers, struct error *e)
{
    struct interests all = interests_of(recent, callers);
    struct rows machines = {0};

    for (size_t i = 0; i < all.count; i++) {
        if (i == 0 || compare_interests(&all.items[i - 1], &all.items[i]) != 0)
            rows_text(&machines, PARAM_AGENT, all.items[i].agent_id);
    }
    enum err err = db_bulk(db, STATEMENT_NEWEST_ON_MACHINES, params, &machines,
                           newest_on_machine_row, &all, e);
    rows_free(&machines);
    free(all.items);
    return err;
}

struct each_command {
    const struct pick *next, *end; /* for several callers: in the order of the rows */
    command_fn *fn;
    void *context;
};

static void command_row(void *context, size_t caller, const struct cell *cells)
{
    const struct each_command *each = context;
    struct command command = {
        .id = cell_int(&cells[0]),
        .command = cells[1].text,
        .machine_name = cells[2].text,
        .agent_id = cells[3].text,
        .username = cells[4].text,
        .source = cells[5].text,
        .executed_at = cells[6].text,
    };

    each->fn(each->context, caller, &command);
}

/* Hands a command to all who picked it. One that was picked may be gone by now. */
static void picked_row(void *context, const struct cell *cells)
{
    struct each_command *each = context;
    int64_t id = cell_int(&cells[0]);

    while (each->next < each->end && each->next->id != id)
        each->next++;
    for (; each->next < each->end && each->next->id == id; each->next++)
        command_row(each, each->next->caller, cells);
}

static enum err load_picked(struct db *db, const struct recent *recent, size_t callers,
                            struct each_command *each, struct error *e)
{
    struct pick *picks = xcalloc(callers * RECENT_COMMANDS, sizeof *picks);
    size_t count = 0;
    struct rows ids = {0};

    for (size_t i = 0; i < callers; i++) {
        memcpy(picks + count, recent[i].newest, recent[i].newest_count * sizeof *picks);
        count += recent[i].newest_count;
    }
    qsort(picks, count, sizeof *picks, compare_picks);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || picks[i - 1].id != picks[i].id)
            rows_uint(&ids, PARAM_ID, (uint64_t)picks[i].id);
    }
    each->next = picks;
    each->end = picks + count;
    enum err err = db_bulk(db, STATEMENT_COMMANDS, NULL, &ids, picked_row, each, e);
    rows_free(&ids);
    free(picks);
    return err;
}

/* The commands of several callers: the ids of the newest, of each caller and of each of their busy
 * machines, and then the rows of those that are shown. */
static enum err load_commands(struct db *db, const struct callers *callers,
                              const struct params *params, struct recent *recent,
                              struct each_command *each, struct error *e)
{
    bool users = callers->scopes[0]->kind == SCOPE_USER;
    int newest = users ? STATEMENT_NEWEST_OF_USERS : STATEMENT_NEWEST_OF_TENANTS;
    enum err err = load_rows(db, callers, newest, params, newest_row, recent, e);

    if (!err && users)
        err = load_newest_on_machines(db, params, recent, callers->count, e);
    return err ? err : load_picked(db, recent, callers->count, each, e);
}

enum err dashboard_commands(struct db *db, const struct callers *callers, command_fn *fn,
                            void *context, struct error *e)
{
    struct params params = params_for(db, callers->scopes[0]);
    struct each_command each = {.fn = fn, .context = context};
    struct recent *recent = xcalloc(callers->count, sizeof *recent);
    int busy = callers->several ? STATEMENT_BUSY_MACHINES_OF_USERS : STATEMENT_BUSY_MACHINES;
    enum err err = ERR_OK;

    if (callers->scopes[0]->kind == SCOPE_USER)
        err = load_rows(db, callers, busy, &params, busy_row, recent, e);
    for (int i = 0; i < BUSY_MACHINES; i++)
        params_text(&params, PARAM_AGENT_0 + (enum param)i, recent->busy[i]);
    if (!err && callers->several)
        err = load_commands(db, callers, &params, recent, &each, e);
    else if (!err)
        err = load_rows(db, callers, callers_statement(callers, STATEMENT_RECENT_COMMANDS), &params,
                        command_row, &each, e);
    free(recent);
    return err;
}
