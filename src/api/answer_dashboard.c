/* SPDX-License-Identifier: MIT */
/* GET /api/dashboard/... */
#include "config.h"
#include "api/answer.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>

#include "store/dashboard.h"

/* Tenths of a percent, printed as such: 35.5, 48.0. */
static struct json_object *tenths(int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64 ".%d", value / 10, (int)(value % 10));
    return json_object_new_double_s((double)value / 10, text);
}

/* Mean of `count` values whose sum is in hundredths, rounded half up; 0.0 of none. */
static struct json_object *mean(int64_t sum, int64_t count)
{
    return tenths(count ? (2 * sum + 10 * count) / (20 * count) : 0);
}

enum err answer_stats(struct db *db, struct question *question, struct error *e)
{
    struct fleet_stats stats = {0};
    enum err err = dashboard_stats(db, &question->scope, &stats, e);

    if (err)
        return err;
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "online_count", json_object_new_int64(stats.online));
    json_object_object_add(body, "offline_count",
                           json_object_new_int64(stats.machines - stats.online));
    json_object_object_add(body, "avg_cpu", mean(stats.cpu, stats.online));
    json_object_object_add(body, "avg_memory", mean(stats.memory, stats.online));
    json_object_object_add(body, "avg_disk", mean(stats.disk, stats.online));
    question->reply = reply_json(200, body);
    return ERR_OK;
}

/* {NAME: [...]}; *list is borrowed from the result. */
static struct json_object *list_body(const char *name, struct json_object **list)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, name, *list = json_object_new_array());
    return body;
}

static void add_command(void *list, const struct command *command)
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
    json_object_array_add(list, item);
}

enum err answer_recent_activity(struct db *db, struct question *question, struct error *e)
{
    struct json_object *list = NULL;
    struct json_object *body = list_body("activities", &list);
    enum err err = dashboard_commands(db, &question->scope, add_command, list, e);

    if (err)
        json_object_put(body);
    else
        question->reply = reply_json(200, body);
    return err;
}

static void add_machine(void *list, const struct machine *machine)
{
    struct json_object *item = json_object_new_object();

    json_object_object_add(item, "agent_id", json_object_new_string(machine->agent_id));
    json_object_object_add(item, "name", json_object_new_string(machine->name));
    json_object_object_add(item, "status",
                           json_object_new_string(machine->online ? "online" : "offline"));
    json_object_object_add(item, "cpu_percent", mean(machine->cpu, 1));
    json_object_object_add(item, "memory_percent", mean(machine->memory, 1));
    json_object_object_add(item, "last_active", json_object_new_string(machine->last_active));
    json_object_array_add(list, item);
}

enum err answer_recent_machines(struct db *db, struct question *question, struct error *e)
{
    struct json_object *list = NULL;
    struct json_object *body = list_body("machines", &list);
    enum err err = dashboard_machines(db, &question->scope, add_machine, list, e);

    if (err)
        json_object_put(body);
    else
        question->reply = reply_json(200, body);
    return err;
}
