/* SPDX-License-Identifier: MIT */
/* vsayctl grant and revoke: access of users to machines.
 *
 * A user has one relation to a machine, so granting is safe to repeat, and granting another
 * relation replaces the first. Only a change goes to the audit. */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"
#include "store/machines.h"

enum { USER_ID, AGENT_ID, RELATION };

static const struct {
    const char *name, *phrase;
} relations[] = {
    [RELATION_OWNER] = {"owner", "an owner of"},
    [RELATION_GRANTED] = {"granted", "a user of"},
};

struct access {
    const char *user_id, *agent_id;
    enum relation relation;
    bool changed;
};

static enum err parse_access(const struct invocation *invocation, struct access *out,
                             struct error *e)
{
    *out = (struct access){.user_id = invocation->values[USER_ID],
                           .agent_id = invocation->values[AGENT_ID]};
    enum err err = check_user_id("--user-id", out->user_id, e);
    if (!err)
        err = check_ident("--agent-id", out->agent_id, e);
    return err;
}

static enum err parse_relation(const char *name, enum relation *out, struct error *e)
{
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        if (strcmp(relations[i].name, name) == 0) {
            *out = (enum relation)i;
            return ERR_OK;
        }
    }
    return error_set(e, ERR_REQUEST, "--relation: '%.80s' is not owner or granted", name);
}

/* Part of the transaction of the change: neither is committed without the other. */
static enum err note(struct db *db, const char *action, const struct access *access,
                     const char *relation, struct error *e)
{
    const struct audit_entry done = {.action = action,
                                     .agent_id = access->agent_id,
                                     .of_user_id = access->user_id,
                                     .detail = relation};

    return access->changed ? context_audit(db, &done, e) : ERR_OK;
}

static void print_access(const struct access *access, const char *relation)
{
    struct json_object *object = json_object_new_object();

    output_member(object, "user_id", access->user_id);
    output_member(object, "agent_id", access->agent_id);
    output_member(object, "relation", relation);
    json_object_object_add(object, "changed", json_object_new_boolean(access->changed));
    output_json(object, true);
}

static enum err grant_body(struct db *db, void *context, struct error *e)
{
    struct access *access = context;

    enum err err = machines_grant(db, access->agent_id, access->user_id, access->relation,
                                  &access->changed, e);
    return err ? err : note(db, "grant", access, relations[access->relation].name, e);
}

static enum err run_grant(const struct invocation *invocation, struct error *e)
{
    struct access access;
    enum err err = parse_access(invocation, &access, e);

    if (!err)
        err = parse_relation(invocation->values[RELATION], &access.relation, e);
    if (!err)
        err = context_run(invocation, DB_WRITE, grant_body, &access, e);
    if (!err && invocation->json)
        print_access(&access, relations[access.relation].name);
    else if (!err)
        printf("%s is %s %s %s\n", access.user_id, access.changed ? "now" : "already",
               relations[access.relation].phrase, access.agent_id);
    return err;
}

const struct subcommand cmd_grant = {
    .name = "grant",
    .summary = "Let a user see a machine, and if it is the owner, end the sessions on it.",
    .options =
        {
            [USER_ID] = {"user-id", "ID", .help = "user of the machine's tenant; must be given"},
            [AGENT_ID] = {"agent-id", "ID", .help = "machine; must be given"},
            [RELATION] = {"relation", "RELATION", .help = "owner or granted",
                          .fallback = "granted"},
        },
    .run = run_grant,
};

static enum err revoke_body(struct db *db, void *context, struct error *e)
{
    struct access *access = context;

    enum err err = machines_revoke(db, access->agent_id, access->user_id, &access->changed, e);
    return err ? err : note(db, "revoke", access, NULL, e);
}

static enum err run_revoke(const struct invocation *invocation, struct error *e)
{
    struct access access;
    enum err err = parse_access(invocation, &access, e);

    if (!err)
        err = context_run(invocation, DB_WRITE, revoke_body, &access, e);
    if (!err && invocation->json)
        print_access(&access, NULL);
    else if (!err)
        printf(access.changed ? "%s has no access to %s any more\n" : "%s had no access to %s\n",
               access.user_id, access.agent_id);
    return err;
}

const struct subcommand cmd_revoke = {
    .name = "revoke",
    .summary = "Take away what grant gave.",
    .options =
        {
            [USER_ID] = {"user-id", "ID", .help = "user; must be given"},
            [AGENT_ID] = {"agent-id", "ID", .help = "machine; must be given"},
        },
    .run = run_revoke,
};
