/* SPDX-License-Identifier: MIT */
/* GET /api/dashboard/stats, recent-activity, recent-machines: what each open dashboard polls every
 * few seconds. So all are batched: the rows of many callers are loaded by one statement, and each
 * caller gets its own. Members and their order are those of the public contract. */
#include "config.h"
#include "api/call.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/list.h"
#include "base/xalloc.h"
#include "store/dashboard.h"

/* The mean of `count` values whose sum is in hundredths, rounded half up; 0.0 without values, as
 * the contract wants a number. Rounding is done once and on integers: a mean rounded to hundredths
 * first could end up on the wrong side. */
static struct json_object *mean(int64_t sum, int64_t count)
{
    return list_tenths(count ? (2 * sum + 10 * count) / (20 * count) : 0);
}

/* Machines without a heartbeat count as offline. */
static struct response *stats_response(const struct fleet_stats *stats)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "online_count", json_object_new_int64(stats->online));
    json_object_object_add(body, "offline_count",
                           json_object_new_int64(stats->machines - stats->online));
    json_object_object_add(body, "avg_cpu", mean(stats->cpu, stats->online));
    json_object_object_add(body, "avg_memory", mean(stats->memory, stats->online));
    json_object_object_add(body, "avg_disk", mean(stats->disk, stats->online));
    return response_json(200, body);
}

enum err handle_stats(struct db *db, struct call **calls, size_t count, struct error *e)
{
    struct callers callers = calls_callers(calls, count);
    struct fleet_stats *stats = xcalloc(count, sizeof *stats);
    enum err err = dashboard_stats(db, &callers, stats, e);

    for (size_t i = 0; !err && i < count; i++)
        call_respond(calls[i], stats_response(&stats[i]));
    free(stats);
    calls_loaded(calls, &callers);
    return err;
}

/* Loads rows for the callers, and adds each to its caller's list. */
typedef enum err list_load(struct db *db, const struct callers *callers, struct json_object **lists,
                           struct error *e);

/* Answers each call with {NAME: [...]}. A caller without rows gets an empty list. */
static enum err handle_lists(struct db *db, struct call **calls, size_t count, const char *name,
                             list_load *load, struct error *e)
{
    struct callers callers = calls_callers(calls, count);
    struct json_object **lists = xcalloc(count, sizeof(struct json_object *));

    for (size_t i = 0; i < count; i++)
        lists[i] = json_object_new_array();
    enum err err = load(db, &callers, lists, e);
    for (size_t i = 0; i < count; i++) {
        struct json_object *body = json_object_new_object();
        json_object_object_add(body, name, lists[i]);
        if (err)
            json_object_put(body);
        else
            call_respond(calls[i], response_json(200, body));
    }
    free(lists);
    calls_loaded(calls, &callers);
    return err;
}

static struct json_object *command_of(const struct recent_command *command)
{
    struct json_object *item = json_object_new_object();
    char id[32];

    snprintf(id, sizeof id, "log_%" PRId64, command->id);
    json_object_object_add(item, "id", json_object_new_string(id));
    json_object_object_add(item, "command", json_object_new_string(command->command));
    json_object_object_add(item, "machine_name", json_object_new_string(command->machine_name));
    json_object_object_add(item, "agent_id", json_object_new_string(command->agent_id));
    json_object_object_add(item, "username", json_object_new_string(command->username));
    json_object_object_add(item, "source", json_object_new_string(command->source));
    json_object_object_add(item, "timestamp", json_object_new_string(command->executed_at));
    return item;
}

static enum err load_commands(struct db *db, const struct callers *callers,
                              struct json_object **lists, struct error *e)
{
    struct recent_commands *recent = xcalloc(callers->count, sizeof *recent);
    enum err err = dashboard_commands(db, callers, recent, e);

    for (size_t i = 0; i < callers->count; i++) {
        for (size_t k = 0; k < recent[i].count; k++)
            json_object_array_add(lists[i], command_of(&recent[i].items[k]));
    }
    free(recent);
    return err;
}

enum err handle_recent_activity(struct db *db, struct call **calls, size_t count, struct error *e)
{
    return handle_lists(db, calls, count, "activities", load_commands, e);
}

static struct json_object *machine_of(const struct machine *machine)
{
    struct json_object *item = json_object_new_object();

    json_object_object_add(item, "agent_id", json_object_new_string(machine->agent_id));
    json_object_object_add(item, "name", json_object_new_string(machine->name));
    json_object_object_add(item, "status",
                           json_object_new_string(machine->online ? "online" : "offline"));
    json_object_object_add(item, "cpu_percent", mean(machine->cpu, 1));
    json_object_object_add(item, "memory_percent", mean(machine->memory, 1));
    json_object_object_add(item, "last_active", json_object_new_string(machine->last_active));
    return item;
}

static enum err load_machines(struct db *db, const struct callers *callers,
                              struct json_object **lists, struct error *e)
{
    struct recent_machines *recent = xcalloc(callers->count, sizeof *recent);
    enum err err = dashboard_machines(db, callers, recent, e);

    for (size_t i = 0; i < callers->count; i++) {
        for (size_t k = 0; k < recent[i].count; k++)
            json_object_array_add(lists[i], machine_of(&recent[i].items[k]));
    }
    free(recent);
    return err;
}

enum err handle_recent_machines(struct db *db, struct call **calls, size_t count, struct error *e)
{
    return handle_lists(db, calls, count, "machines", load_machines, e);
}
