/* SPDX-License-Identifier: MIT */
/* GET /api/machines, GET /api/machines/:id: the machines that the caller may see. */
#include "config.h"
#include "api/call.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

#include "api/list.h"
#include "store/machines.h"

static const struct column machine_columns[INVENTORY_COLUMNS] = {
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
    struct inventory_filter filter = {.status = query_text(query, "status"),
                                      .q = query_text(query, "q"),
                                      .after = query_text(query, "cursor"),
                                      .limit = limit + 1};
    struct page_end end = {.is_search = false};
    enum err err = inventory_page(db, &call->scope, &filter, end.next_cursor, e);
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

/* Adds the machine's owners and the users it is granted to. A user only sees its own entry. */
static enum err add_access(struct db *db, const struct call *call, struct json_object *machine,
                           struct error *e)
{
    const struct scope *scope = &call->scope;
    struct json_object *owners = members_of(machine, "owners");
    struct json_object *granted = members_of(machine, "granted");
    enum err err = inventory_access(db, call->id, e);

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
    enum err err = inventory_machine(db, &call->scope, call->id, e);
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
