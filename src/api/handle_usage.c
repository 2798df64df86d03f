/* SPDX-License-Identifier: MIT */
/* GET /api/machines/:id/usage, GET /api/dashboard/usage: usage over time, for plots. A step without
 * samples has no point. */
#include "config.h"
#include "api/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/list.h"
#include "base/xalloc.h"
#include "store/usage.h"

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

static const struct column machine_columns[] = {
    TIME, OF_PERCENT("cpu_percent"), OF_PERCENT("memory_percent"), OF_PERCENT("disk_percent")};
static const struct column fleet_columns[] = {TIME,
                                              OF_COUNT("online"),
                                              OF_COUNT("offline"),
                                              OF_COUNT("active_sessions"),
                                              OF_PERCENT("cpu_percent"),
                                              OF_PERCENT("memory_percent"),
                                              OF_PERCENT("disk_percent")};

static const struct columns machine_points = COLUMNS("points", machine_columns);
static const struct columns fleet_points = COLUMNS("points", fleet_columns);

/* Room for the cells of one point. */
enum { CELLS_MAX = sizeof fleet_columns / sizeof *fleet_columns, CELL_MAX = 32 };

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
 * converts the sum to hundredths. The mean is truncated here, since printing rounds it. */
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
