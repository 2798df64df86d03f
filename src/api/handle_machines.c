/* SPDX-License-Identifier: MIT */
/* GET /api/machines, GET /api/machines/:id: the machines that the caller may see. GET
 * /api/machines/:id/usage, GET /api/dashboard/usage: usage over time, for plots. */
#include "config.h"
#include "api/call.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/list.h"
#include "base/xalloc.h"
#include "store/machines.h"
#include "store/usage.h"

/* --- machines --------------------------------------------------------------------------------- */

static const struct column machine_columns[MACHINES_COLUMNS] = {
    {"agent_id", COLUMN_TEXT, NULL},
    {"name", COLUMN_TEXT, NULL},
    {"status", COLUMN_TEXT, NULL},
    {"cpu_percent", COLUMN_PERCENT, NULL},
    {"memory_percent", COLUMN_PERCENT, NULL},
    {"disk_percent", COLUMN_PERCENT, NULL},
    {"last_active", COLUMN_TEXT, NULL},
    {"active_sessions", COLUMN_INTEGER, NULL},
    {"dropped_commands", COLUMN_INTEGER, NULL},
};

static const struct columns machines = COLUMNS("machines", machine_columns);

/* Adds the rows of a page; one more row than `limit` was selected. Sets `cursor` to the last one's
 * id if there is a next page. */
static void add_page(struct db *db, struct list *list, uint64_t limit, char cursor[IDENT_MAX + 1])
{
    char last[IDENT_MAX + 1] = "";

    for (const struct cell *row; (row = db_row(db)); limit--) {
        if (limit == 0) {
            strcpy(cursor, last);
            return;
        }
        list_add(list, row);
        cell_ident(&row[0], last);
    }
}

enum err handle_machines(struct db *db, struct call *call, struct error *e)
{
    const struct query *query = &call->query;
    uint64_t limit = (uint64_t)query_number(query, "limit", PAGE_DEFAULT);
    struct machines_filter filter = {.status = query_text(query, "status"),
                                     .q = query_text(query, "q"),
                                     .after = query_text(query, "cursor"),
                                     .limit = limit + 1};
    struct page_end end = {.is_search = false};
    enum err err = machines_page(db, &call->scope, &filter, end.next_cursor, e);
    if (err)
        return err;

    struct list *list = list_new(&machines, call->format);
    add_page(db, list, limit, end.next_cursor);
    call_respond(call, list_response(list, query, &end));
    return ERR_OK;
}

static struct json_object *members_of(struct json_object *machine, const char *name)
{
    struct json_object *list = json_object_new_array();

    json_object_object_add(machine, name, list);
    return list;
}

/* Adds the machine's owners and the users it is granted to. A user only sees its own entry: who
 * else has access is for administrators. */
static enum err add_access(struct db *db, const struct call *call, struct json_object *machine,
                           struct error *e)
{
    const struct scope *scope = &call->scope;
    struct json_object *owners = members_of(machine, "owners");
    struct json_object *granted = members_of(machine, "granted");
    enum err err = machines_access(db, call->id, e);

    for (const struct cell *row; (row = db_row(db));) {
        if (scope->kind == SCOPE_USER && strcmp(row[0].text, scope->user_id) != 0)
            continue;
        json_object_array_add(strcmp(row[1].text, "owner") == 0 ? owners : granted,
                              json_object_new_string(row[0].text));
    }
    return err;
}

enum err handle_machine(struct db *db, struct call *call, struct error *e)
{
    enum err err = machines_find(db, &call->scope, call->id, e);
    const struct cell *row = db_row(db);

    if (!err && !row)
        err = error_set(e, ERR_NOT_FOUND, "no machine %s in the caller's scope", call->id);
    if (err)
        return err;
    struct json_object *body = json_object_new_object(), *machine = list_object(&machines, row);
    json_object_object_add(body, "machine", machine);
    err = add_access(db, call, machine, e);
    if (err)
        json_object_put(body);
    else
        call_respond(call, response_json(200, body));
    return err;
}

/* --- usage over time -------------------------------------------------------------------------- */

/* A step without samples has no point: a plot then shows a gap, and not a zero that nobody
 * measured. */
enum { HOURS_DEFAULT = 24 };

#define TIME                                                                                       \
    {                                                                                              \
        "time", COLUMN_TEXT, NULL                                                                  \
    }
#define OF_PERCENT(group)                                                                          \
    {"min", COLUMN_PERCENT, group}, {"mean", COLUMN_PERCENT, group},                               \
    {                                                                                              \
        "max", COLUMN_PERCENT, group                                                               \
    }
/* A count's mean has one decimal, like a percentage. */
#define OF_COUNT(group)                                                                            \
    {"min", COLUMN_INTEGER, group}, {"mean", COLUMN_PERCENT, group},                               \
    {                                                                                              \
        "max", COLUMN_INTEGER, group                                                               \
    }

static const struct column machine_usage_columns[] = {
    TIME, OF_PERCENT("cpu_percent"), OF_PERCENT("memory_percent"), OF_PERCENT("disk_percent")};
static const struct column fleet_usage_columns[] = {TIME,
                                                    OF_COUNT("online"),
                                                    OF_COUNT("offline"),
                                                    OF_COUNT("active_sessions"),
                                                    OF_PERCENT("cpu_percent"),
                                                    OF_PERCENT("memory_percent"),
                                                    OF_PERCENT("disk_percent")};

static const struct columns machine_points = COLUMNS("points", machine_usage_columns);
static const struct columns fleet_points = COLUMNS("points", fleet_usage_columns);

/* Room for the cells of one point. */
enum { CELLS_MAX = sizeof fleet_usage_columns / sizeof *fleet_usage_columns, CELL_MAX = 32 };

struct point {
    struct cell cells[CELLS_MAX];
    char texts[CELLS_MAX][CELL_MAX];
    size_t count;
};

static void begin(struct point *point, int64_t time)
{
    time_t seconds = (time_t)time;
    struct tm utc;

    gmtime_r(&seconds, &utc);
    *point = (struct point){.count = 1};
    point->cells[0] =
        (struct cell){point->texts[0], strftime(point->texts[0], CELL_MAX, "%FT%TZ", &utc)};
}

static void add_number(struct point *point, uint64_t number)
{
    char *text = point->texts[point->count];
    int length = snprintf(text, CELL_MAX, "%" PRIu64, number);

    point->cells[point->count++] = (struct cell){text, (size_t)length};
}

/* Adds the least, mean and greatest of `count` values; without values, the cells stay null. `unit`
 * converts the sum to hundredths. The mean is truncated here, since printing rounds it: rounded
 * twice, it could be a tenth too high. */
static void add_figure(struct point *point, const struct usage_figure *figure, uint64_t count,
                       uint64_t unit)
{
    if (count == 0) {
        point->count += 3;
        return;
    }
    add_number(point, figure->least);
    add_number(point, figure->sum * unit / count);
    add_number(point, figure->greatest);
}

enum { PERCENTS = 1, COUNTS = 100 };

static struct response *machine_response(const struct machine_usage *machine,
                                         const struct call *call)
{
    struct list *list = list_new(&machine_points, call->format);
    struct point point;

    list_number(list, "step_seconds", machine->span.step);
    for (size_t i = 0; i < machine->count; i++) {
        const struct usage_sums *step = &machine->steps[i];
        begin(&point, step->began);
        for (int k = 0; k < USAGE_FIGURES; k++)
            add_figure(&point, &step->figures[k], step->samples, PERCENTS);
        list_add(list, point.cells);
    }
    return list_response(list, &call->query, NULL);
}

enum err handle_machine_usage(struct db *db, struct call *call, struct error *e)
{
    struct machine_usage *machine = xcalloc(1, sizeof *machine);
    long hours = query_number(&call->query, "hours", HOURS_DEFAULT);
    enum err err = usage_of_machine(db, &call->scope, call->id, hours, machine, e);

    if (!err)
        call_respond(call, machine_response(machine, call));
    free(machine);
    return err;
}

/* The means of CPU, memory and disk are over the machines that were online, in all samples of the
 * step; those of the counts are over the samples. */
static void add_fleet(struct list *list, const struct fleet_usage *step)
{
    struct point point;

    begin(&point, step->began);
    add_figure(&point, &step->online, step->samples, COUNTS);
    add_figure(&point, &step->offline, step->samples, COUNTS);
    add_figure(&point, &step->sessions, step->samples, COUNTS);
    for (int i = 0; i < USAGE_FIGURES; i++)
        add_figure(&point, &step->figures[i], step->online.sum, PERCENTS);
    list_add(list, point.cells);
}

enum err handle_fleet_usage(struct db *db, struct call *call, struct error *e)
{
    struct usage_span span;
    struct fleet_usage step;
    long hours = query_number(&call->query, "hours", HOURS_DEFAULT);
    enum err err = usage_of_fleet(db, &call->scope, hours, &span, e);
    if (err)
        return err;

    struct list *list = list_new(&fleet_points, call->format);
    list_number(list, "step_seconds", span.step);
    while (usage_fleet_next(db, &step))
        add_fleet(list, &step);
    call_respond(call, list_response(list, &call->query, NULL));
    return ERR_OK;
}
