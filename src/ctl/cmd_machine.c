/* SPDX-License-Identifier: MIT */
/* vsayctl machine: adds, lists and removes machines, and gives them new tokens.
 *
 * A machine's row and its token must fit together, although one is in the database and the other in
 * a file. So a token is signed and written before the row is committed, and the file gets its name
 * after. If something fails, either nothing has changed or the message says where the token is. */
#include "config.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/keyring.h"
#include "common/token.h"
#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"
#include "ctl/token_file.h"
#include "store/machines.h"

enum { NAME_MAX_BYTES = 255 };

/* Ten years: a machine's token is made void by machine rotate, not by its age. */
#define TTL_FALLBACK "3650d"

/* Publishes the token. With --json, prints the machine, and the token or its file. */
static enum err publish_token(const struct invocation *invocation, struct token_file *file,
                              const char *token, struct error *e)
{
    struct json_object *object;
    enum err err = ERR_OK;

    if (!invocation->json)
        return token_file_publish(file, token, e);
    if (file->path)
        err = token_file_publish(file, token, e);
    if (err)
        return err;
    object = json_object_new_object();
    output_member(object, "agent_id", invocation->operand);
    output_member(object, file->path ? "token_file" : "token", file->path ? file->path : token);
    output_json(object, true);
    return ERR_OK;
}

/* The token names machine and generation, but no tenant: that of the machine's row counts. */
static enum err mint(const struct settings *settings, const char *agent_id, int64_t generation,
                     long ttl, char **out, struct error *e)
{
    struct principal who = {.role = ROLE_AGENT, .generation = generation};
    struct keyring *ring = NULL;
    enum err err = keyring_load(&settings->auth.keys, &ring, e);

    snprintf(who.user_id, sizeof who.user_id, "%s", agent_id);
    if (!err)
        err = token_mint(settings, ring, &who, time(NULL), ttl, out, e);
    keyring_free(ring);
    return err;
}

/* --- add ------------------------------------------------------------------------------------- */

enum { ADD_NAME, ADD_TENANT, ADD_OWNER, ADD_TTL, ADD_OUT };

/* Random, so that tokens of a removed machine stay invalid when its id is used again. */
static enum err first_generation(int64_t *out, struct error *e)
{
    uint32_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return error_set(e, ERR_IO, "cannot get random bytes: %s", strerror(errno));
    *out = 1 + (number >> 1);
    return ERR_OK;
}

static enum err check_new(const struct invocation *invocation, long *ttl, struct error *e)
{
    const char *name = invocation->values[ADD_NAME];
    enum err err = check_ident("AGENT_ID", invocation->operand, e);

    if (!err && name && !*name)
        err = error_set(e, ERR_REQUEST, "--name: is empty");
    if (!err && name)
        err = check_text("--name", name, NAME_MAX_BYTES, e);
    if (!err)
        err = check_ident("--tenant", invocation->values[ADD_TENANT], e);
    if (!err)
        err = check_optional_ident("--owner", invocation->values[ADD_OWNER], e);
    if (!err)
        err = check_seconds("--ttl", invocation->values[ADD_TTL], ttl, e);
    return err;
}

static enum err add_body(struct db *db, void *context, struct error *e)
{
    const struct new_machine *machine = context;
    enum err err = machines_add(db, machine, e);

    if (err)
        return err;
    return context_audit(db,
                         &(struct audit_entry){.action = "machine_add",
                                               .agent_id = machine->agent_id,
                                               .of_user_id = machine->owner,
                                               .detail = machine->tenant_id},
                         e);
}

static enum err run_add(const struct invocation *invocation, struct error *e)
{
    const char *name = invocation->values[ADD_NAME];
    struct new_machine machine = {.agent_id = invocation->operand,
                                  .tenant_id = invocation->values[ADD_TENANT],
                                  .name = name ? name : invocation->operand,
                                  .owner = invocation->values[ADD_OWNER]};
    struct context ctx = {0};
    struct token_file file = {.fd = -1};
    char *token = NULL;
    long ttl = 0;
    enum err err = check_new(invocation, &ttl, e);

    if (!err)
        err = context_open(&ctx, invocation, e);
    if (!err)
        err = token_file_open(&file, invocation->values[ADD_OUT], e);
    if (!err)
        err = first_generation(&machine.generation, e);
    if (!err)
        err = mint(&ctx.settings, machine.agent_id, machine.generation, ttl, &token, e);
    if (!err)
        err = token_file_write(&file, token, e);
    if (!err)
        err = db_run(ctx.db, DB_WRITE, add_body, &machine, e);
    if (!err)
        err = publish_token(invocation, &file, token, e);
    token_file_close(&file);
    free(token);
    context_close(&ctx);
    return err;
}

#define OUT_HELP "write the token to this file, not to standard output"

const struct subcommand cmd_machine_add = {
    .name = "machine add",
    .summary = "Add a machine, and print the token of its agent.",
    .operand = "AGENT_ID",
    .options =
        {
            [ADD_NAME] = {"name", "NAME", .help = "name to show (default: the agent id)"},
            [ADD_TENANT] = {"tenant", "ID", .help = "tenant of the machine", .fallback = "default"},
            [ADD_OWNER] = {"owner", "USER_ID", .help = "user of the tenant who owns the machine"},
            [ADD_TTL] = {"ttl", "TIME", .help = "how long the token is valid",
                         .fallback = TTL_FALLBACK},
            [ADD_OUT] = {"out", "FILE", .help = OUT_HELP},
        },
    .run = run_add,
};

/* --- list ------------------------------------------------------------------------------------ */

enum { LIST_TENANT };

static const struct output_column list_columns[] = {
    {"AGENT_ID", "agent_id", COLUMN_TEXT, NULL},
    {"TENANT", "tenant_id", COLUMN_TEXT, NULL},
    {"STATE", "state", COLUMN_TEXT, NULL},
    {"LAST_HEARTBEAT", "last_heartbeat", COLUMN_TEXT, "never"},
    {"CPU%", "cpu_percent", COLUMN_NUMBER, NULL},
    {"MEMORY%", "memory_percent", COLUMN_NUMBER, NULL},
    {"DISK%", "disk_percent", COLUMN_NUMBER, NULL},
    {"SESSIONS", "open_sessions", COLUMN_NUMBER, NULL},
    {"DROPPED", "dropped_commands", COLUMN_NUMBER, NULL},
    {"NAME", "name", COLUMN_TEXT, NULL},
};

struct listing {
    const char *tenant_id;
    struct output output;
};

typedef char number_text[24];

/* Rounds half up to one decimal, as the API does. */
static const char *percent(number_text out, int64_t hundredths)
{
    int64_t tenths = (hundredths + 5) / 10;

    snprintf(out, sizeof(number_text), "%d.%d", (int)(tenths / 10), (int)(tenths % 10));
    return out;
}

static const char *whole(number_text out, int64_t number)
{
    snprintf(out, sizeof(number_text), "%lld", (long long)number);
    return out;
}

static const char *state_of(const struct listed_machine *machine)
{
    if (!machine->online)
        return "offline";
    return machine->refused_at ? "conflict" : "online"; /* two machines have its token */
}

static void list_machine(struct output *output, const struct listed_machine *machine)
{
    number_text cpu, memory, disk, sessions, dropped;
    const char *const cells[] = {machine->agent_id,
                                 machine->tenant_id,
                                 state_of(machine),
                                 machine->last_heartbeat,
                                 percent(cpu, machine->cpu),
                                 percent(memory, machine->memory),
                                 percent(disk, machine->disk),
                                 whole(sessions, machine->open_sessions),
                                 whole(dropped, machine->dropped_commands),
                                 machine->name};

    output_row(output, cells);
}

static enum err list_body(struct db *db, void *context, struct error *e)
{
    struct listing *listing = context;
    struct machine_list list = {.tenant_id = listing->tenant_id};
    struct listed_machine machine;
    enum err err = ERR_OK;

    output_clear(&listing->output); /* of an attempt that lost its connection */
    while (machines_next(db, &list, &machine, &err, e))
        list_machine(&listing->output, &machine);
    return err;
}

static enum err run_list(const struct invocation *invocation, struct error *e)
{
    struct listing listing = {
        .tenant_id = invocation->values[LIST_TENANT],
        .output = {.name = "machines",
                   .columns = list_columns,
                   .width = sizeof list_columns / sizeof *list_columns,
                   .json = invocation->json},
    };
    enum err err = check_optional_ident("--tenant", listing.tenant_id, e);

    if (!err)
        err = context_run(invocation, DB_READ, list_body, &listing, e);
    if (!err)
        output_print(&listing.output);
    output_clear(&listing.output);
    return err;
}

const struct subcommand cmd_machine_list = {
    .name = "machine list",
    .summary = "List the machines and how they are.",
    .options = {[LIST_TENANT] = {"tenant", "ID", .help = "only machines of this tenant"}},
    .run = run_list,
};

/* --- remove ---------------------------------------------------------------------------------- */

struct removal {
    const char *agent_id;
    uint64_t open;
};

static enum err remove_body(struct db *db, void *context, struct error *e)
{
    struct removal *removal = context;

    const struct audit_entry done = {.action = "machine_remove", .agent_id = removal->agent_id};
    enum err err = machines_remove(db, removal->agent_id, &removal->open, e);

    return err ? err : context_audit(db, &done, e);
}

static enum err run_remove(const struct invocation *invocation, struct error *e)
{
    struct removal removal = {.agent_id = invocation->operand};
    enum err err = check_ident("AGENT_ID", invocation->operand, e);

    if (!err)
        err = context_run(invocation, DB_WRITE, remove_body, &removal, e);
    if (err)
        return err;
    if (!invocation->json) {
        printf("removed %s; sessions closed: %llu\n", removal.agent_id,
               (unsigned long long)removal.open);
        return ERR_OK;
    }
    struct json_object *object = json_object_new_object();
    output_member(object, "agent_id", removal.agent_id);
    json_object_object_add(object, "sessions_closed", json_object_new_int64((int64_t)removal.open));
    output_json(object, true);
    return ERR_OK;
}

const struct subcommand cmd_machine_remove = {
    .name = "machine remove",
    .summary = "Remove a machine: its token is void, its sessions are closed, its history stays.",
    .operand = "AGENT_ID",
    .run = run_remove,
};

/* --- rotate ---------------------------------------------------------------------------------- */

enum { ROTATE_TTL, ROTATE_OUT };

struct rotation {
    const struct settings *settings;
    const char *agent_id;
    long ttl;
    char *token;
    struct token_file file;
};

/* Signs and writes the token before the commit: if either fails, the old token stays valid. */
static enum err rotate_body(struct db *db, void *context, struct error *e)
{
    struct rotation *rotation = context;
    const struct audit_entry done = {.action = "machine_rotate", .agent_id = rotation->agent_id};
    int64_t generation = 0;
    enum err err = machines_rotate(db, rotation->agent_id, &generation, e);

    if (!err)
        err = context_audit(db, &done, e);

    free(rotation->token);
    rotation->token = NULL;
    if (!err)
        err = mint(rotation->settings, rotation->agent_id, generation, rotation->ttl,
                   &rotation->token, e);
    if (!err)
        err = token_file_write(&rotation->file, rotation->token, e);
    return err;
}

static enum err run_rotate(const struct invocation *invocation, struct error *e)
{
    struct context ctx = {0};
    struct rotation rotation = {
        .settings = &ctx.settings, .agent_id = invocation->operand, .file.fd = -1};
    enum err err = check_ident("AGENT_ID", invocation->operand, e);

    if (!err)
        err = check_seconds("--ttl", invocation->values[ROTATE_TTL], &rotation.ttl, e);
    if (!err)
        err = context_open(&ctx, invocation, e);
    if (!err)
        err = token_file_open(&rotation.file, invocation->values[ROTATE_OUT], e);
    if (!err)
        err = db_run(ctx.db, DB_WRITE, rotate_body, &rotation, e);
    if (!err)
        err = publish_token(invocation, &rotation.file, rotation.token, e);
    token_file_close(&rotation.file);
    free(rotation.token);
    context_close(&ctx);
    return err;
}

const struct subcommand cmd_machine_rotate = {
    .name = "machine rotate",
    .summary = "Print a new token for a machine's agent, and make all older ones void.",
    .operand = "AGENT_ID",
    .options =
        {
            [ROTATE_TTL] = {"ttl", "TIME", .help = "how long the token is valid",
                            .fallback = TTL_FALLBACK},
            [ROTATE_OUT] = {"out", "FILE", .help = OUT_HELP},
        },
    .run = run_rotate,
};
