/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/dashboard.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* --- stats ------------------------------------------------------------------------------------ */

enum err dashboard_stats(struct db *db, const struct callers *callers, struct fleet_stats *out,
                         struct error *e)
{
    struct params params = scope_params(db, callers->scopes[0]);
    size_t caller;
    enum err err =
        callers_load(db, callers, callers_statement(callers, STATEMENT_STATS), &params, e);

    for (const struct cell *row; (row = callers_row(db, callers, &caller));) {
        out[caller] = (struct fleet_stats){
            .machines = cell_int(&row[0]),
            .online = cell_int(&row[1]),
            .cpu = cell_int(&row[2]),
            .memory = cell_int(&row[3]),
            .disk = cell_int(&row[4]),
        };
        callers->rows[caller] = (uint64_t)out[caller].machines;
    }
    return err;
}

/* --- machines --------------------------------------------------------------------------------- */

/* A user's rows may include machines without a heartbeat, which are skipped here and not in the
 * statement: their number tells that the user is a heavy caller. */
static void add_machine(struct recent_machines *recent, const struct cell *row)
{
    if (!row[5].text || recent->count == RECENT_MACHINES)
        return;
    recent->items[recent->count++] = (struct machine){
        .agent_id = row[0].text,
        .name = row[1].text,
        .online = cell_int(&row[2]) != 0,
        .cpu = cell_int(&row[3]),
        .memory = cell_int(&row[4]),
        .last_active = row[5].text,
    };
}

enum err dashboard_machines(struct db *db, const struct callers *callers,
                            struct recent_machines *out, struct error *e)
{
    struct params params = scope_params(db, callers->scopes[0]);
    size_t caller;
    enum err err = callers_load(db, callers, callers_statement(callers, STATEMENT_RECENT_MACHINES),
                                &params, e);

    for (const struct cell *row; (row = callers_row(db, callers, &caller));)
        add_machine(&out[caller], row);
    return err;
}

/* --- commands --------------------------------------------------------------------------------- */

enum { BUSY_MACHINES = PARAM_AGENT_9 - PARAM_AGENT_0 + 1 };

/* The commands of a user lie on many machines. The ten newest of all are on the ten machines whose
 * newest commands are the newest, so ten short ranges of an index suffice, however many machines
 * and commands there are. For several users one statement finds the busy machines, one the newest
 * ids of each user and each distinct machine, and one loads the rows that are shown.
 *
 * A command that may be among a caller's newest. */
struct pick {
    int64_t at, id;
    size_t caller;
};

/* A caller's busiest machines and newest commands. */
struct recent {
    char busy[BUSY_MACHINES][IDENT_MAX + 1];
    size_t busy_count;
    struct pick newest[RECENT_COMMANDS]; /* newest first */
    size_t newest_count;
};

static enum err load_busy_machines(struct db *db, const struct callers *callers,
                                   const struct params *params, struct recent *recent,
                                   struct error *e)
{
    int statement = callers->several ? STATEMENT_BUSY_MACHINES_OF_USERS : STATEMENT_BUSY_MACHINES;
    size_t caller;
    enum err err = callers_load(db, callers, statement, params, e);

    for (const struct cell *row; (row = callers_row(db, callers, &caller));) {
        struct recent *of = &recent[caller];
        if (row[0].text && of->busy_count < BUSY_MACHINES)
            cell_ident(&row[0], of->busy[of->busy_count++]);
    }
    return err;
}

/* Newest first; equal times by id, highest first. */
static int compare_picks(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? 1 : -1;
    return x->id == y->id ? 0 : x->id < y->id ? 1 : -1;
}

/* Inserts a command among the newest, unless it is too old or already there. */
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

/* A busy machine of a caller. */
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

/* Adds a machine's command to the picks of all callers with that machine. */
static void add_machine_pick(const struct interests *all, const struct cell *row)
{
    const struct interest *end = all->items + all->count;
    struct interest key = {.agent_id = row[0].text};
    const struct interest *found =
        bsearch(&key, all->items, all->count, sizeof *all->items, compare_interests);

    while (found && found > all->items && compare_interests(found - 1, &key) == 0)
        found--;
    for (; found && found < end && compare_interests(found, &key) == 0; found++) {
        struct pick pick = {cell_int(&row[1]), cell_int(&row[2]), found->caller};
        add_pick(found->recent, &pick);
    }
}

/* Loads each machine's newest commands once, for all callers with that machine. */
static enum err load_newest_on_machines(struct db *db, const struct params *params,
                                        struct recent *recent, size_t callers, struct error *e)
{
    struct interests all = interests_of(recent, callers);
    struct rows machines = {0};

    for (size_t i = 0; i < all.count; i++) {
        if (i == 0 || compare_interests(&all.items[i - 1], &all.items[i]) != 0)
            rows_text(&machines, PARAM_AGENT, all.items[i].agent_id);
    }
    enum err err = db_bulk(db, STATEMENT_NEWEST_ON_MACHINES, params, &machines, e);
    for (const struct cell *row; (row = db_row(db));)
        add_machine_pick(&all, row);
    rows_free(&machines);
    free(all.items);
    return err;
}

static void add_command(struct recent_commands *recent, const struct cell *row)
{
    if (recent->count == RECENT_COMMANDS)
        return;
    recent->items[recent->count++] = (struct recent_command){
        .id = cell_int(&row[0]),
        .command = row[1].text,
        .machine_name = row[2].text,
        .agent_id = row[3].text,
        .username = row[4].text,
        .source = row[5].text,
        .executed_at = row[6].text,
    };
}

/* All picks of all callers, in the order of compare_picks. */
static struct pick *all_picks(const struct recent *recent, size_t callers, size_t *count)
{
    struct pick *picks = xcalloc(callers * RECENT_COMMANDS, sizeof *picks);

    *count = 0;
    for (size_t i = 0; i < callers; i++) {
        memcpy(picks + *count, recent[i].newest, recent[i].newest_count * sizeof *picks);
        *count += recent[i].newest_count;
    }
    qsort(picks, *count, sizeof *picks, compare_picks);
    return picks;
}

/* Loads the picked commands, and adds each to all callers that picked it. A command may have been
 * purged meanwhile. */
static enum err load_picked(struct db *db, const struct recent *recent, size_t callers,
                            struct recent_commands *out, struct error *e)
{
    size_t count, next = 0;
    struct pick *picks = all_picks(recent, callers, &count);
    struct rows ids = {0};

    for (size_t i = 0; i < count; i++) {
        if (i == 0 || picks[i - 1].id != picks[i].id)
            rows_uint(&ids, PARAM_ID, (uint64_t)picks[i].id);
    }
    enum err err = db_bulk(db, STATEMENT_COMMANDS, NULL, &ids, e);
    for (const struct cell *row; (row = db_row(db));) {
        int64_t id = cell_int(&row[0]);
        while (next < count && picks[next].id != id)
            next++;
        for (; next < count && picks[next].id == id; next++)
            add_command(&out[picks[next].caller], row);
    }
    rows_free(&ids);
    free(picks);
    return err;
}

/* Loads for several callers: first the ids of the newest commands of each caller and of each busy
 * machine, then the rows of those that are shown. */
static enum err load_commands(struct db *db, const struct callers *callers,
                              const struct params *params, struct recent *recent,
                              struct recent_commands *out, struct error *e)
{
    bool users = callers->scopes[0]->kind == SCOPE_USER;
    int newest = users ? STATEMENT_NEWEST_OF_USERS : STATEMENT_NEWEST_OF_TENANTS;
    size_t caller;
    enum err err = callers_load(db, callers, newest, params, e);

    for (const struct cell *row; (row = callers_row(db, callers, &caller));)
        add_pick(&recent[caller], &(struct pick){cell_int(&row[0]), cell_int(&row[1]), caller});
    if (!err && users)
        err = load_newest_on_machines(db, params, recent, callers->count, e);
    return err ? err : load_picked(db, recent, callers->count, out, e);
}

/* Loads for one caller, with one statement. */
static enum err load_own_commands(struct db *db, const struct callers *callers,
                                  const struct params *params, struct recent_commands *out,
                                  struct error *e)
{
    enum err err = db_select(db, callers_statement(callers, STATEMENT_RECENT_COMMANDS), params, e);

    for (const struct cell *row; (row = db_row(db));)
        add_command(out, row);
    return err;
}

enum err dashboard_commands(struct db *db, const struct callers *callers,
                            struct recent_commands *out, struct error *e)
{
    struct params params = scope_params(db, callers->scopes[0]);
    struct recent *recent = xcalloc(callers->count, sizeof *recent);
    enum err err = ERR_OK;

    if (callers->scopes[0]->kind == SCOPE_USER)
        err = load_busy_machines(db, callers, &params, recent, e);
    for (int i = 0; i < BUSY_MACHINES; i++)
        params_text(&params, PARAM_AGENT_0 + (enum param)i, recent->busy[i]);
    if (!err && callers->several)
        err = load_commands(db, callers, &params, recent, out, e);
    else if (!err)
        err = load_own_commands(db, callers, &params, out, e);
    free(recent);
    return err;
}

/* --- for /metrics ----------------------------------------------------------------------------- */

#define FLEET_NAME(id, name) [FLEET_##id] = name
#define FLEET_NEXT_NAME(id, name) , [FLEET_##id] = name

/* The names in STATEMENT_FLEET_SESSIONS. NULL: not a row of it. */
static const char *const names[FLEET_NUMBERS] = {
    [FLEET_PENDING] = "pending",
    [FLEET_OLDEST_PENDING] = "oldest pending",
    [FLEET_RECENT_PENDING] = "recent pending",
    [FLEET_RECENT_CONFIRMED] = "recent confirmed",
    [FLEET_RECENT_VANISHED] = "recent vanished",
    [FLEET_RECENT_EXPIRED] = "recent expired",
    PROTOCOL_SOURCES(FLEET_NAME, FLEET_NEXT_NAME),
};

static enum err load_machines(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_MACHINES, params, e);
    const struct cell *row = db_row(db);

    if (!row)
        return err;
    out[FLEET_ONLINE] = (uint64_t)cell_int(&row[0]);
    out[FLEET_OFFLINE] = (uint64_t)cell_int(&row[1]) - out[FLEET_ONLINE];
    out[FLEET_NEVER] = (uint64_t)(cell_int(&row[2]) - cell_int(&row[1]));
    out[FLEET_DROPPED] = (uint64_t)cell_int(&row[3]);
    return err;
}

static enum err load_sessions(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_SESSIONS, params, e);

    for (const struct cell *row; (row = db_row(db));) {
        for (size_t i = 0; row[0].text && i < FLEET_NUMBERS; i++) {
            if (names[i] && strcmp(row[0].text, names[i]) == 0)
                out[i] = (uint64_t)cell_int(&row[1]);
        }
    }
    return err;
}

enum err dashboard_fleet(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e)
{
    struct params params = scope_params(db, &(struct scope){.kind = SCOPE_ALL});

    memset(out, 0, FLEET_NUMBERS * sizeof *out);
    enum err err = load_machines(db, &params, out, e);
    return err ? err : load_sessions(db, &params, out, e);
}
