/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "fuzz_agent.h"

#include <json.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/handoff.h"
#include "machine/ipc.h"
#include "agent/session_open.h"
#include "base/xalloc.h"
#include "fuzz_api.h"

enum { ROOM = 512 };

static struct agent_options options;

static void load_options(const char *server)
{
    struct error e = {0};
    char *conf = fuzz_path("agent.conf"), *state = fuzz_path("state"), *token = fuzz_path("token");
    char *text =
        xasprintf("[agent]\nserver = %s\nstate_dir = %s\ntoken_file = %s\n", server, state, token);

    fuzz_write(conf, text, strlen(text));
    fuzz_write(token, "a.b.c\n", 6);
    MUST(mkdir(state, 0711) == 0);
    MUST(agent_options_load(NULL, conf, false, 0, &options, &e) == ERR_OK);
    free(text);
    free(token);
    free(state);
    free(conf);
}

struct agent *fuzz_agent(const char *server)
{
    static struct agent agent = {.options = &options};
    struct error e = {0};

    if (agent.spool)
        return &agent;
    load_options(server);
    char *sessions = fuzz_path("state/sessions"), *spool = fuzz_path("state/spool");
    char *state = fuzz_path("state"), *socket = fuzz_path("socket");
    MUST(mkdir(sessions, 0700) == 0);
    MUST(session_table_open(sessions, &agent.sessions, &e) == ERR_OK);
    MUST(identity_open(state, socket, &agent.identity, &e) == ERR_OK);
    MUST(spool_open(spool, 1024 * 1024, &agent.spool, &e) == ERR_OK);
    MUST(handoff_open(&agent, &agent.handoff, &e) == ERR_OK);
    agent.sender = event_flag_new();
    agent.poller = event_flag_new();
    free(socket);
    free(state);
    free(spool);
    free(sessions);
    return &agent;
}

/* Checks a record in the form in which the sender sends it. */
static void check(const struct record *record)
{
    struct json_object *object = ipc_parse(record->line, record->length);

    MUST(object);
    if (record->kind == RECORD_OPEN)
        session_open_attribute(object, &options.agent.trusted_users);
    char *session = xstrdup(ipc_text(object, "session_id"));
    char *type = xstrdup(ipc_text(object, "type"));
    fuzz_api_takes(type, session,
                   record->kind == RECORD_OPEN ? json_object_to_json_string(object) : record->line);
    free(type);
    free(session);
    json_object_put(object);
}

static void empty(struct agent *agent, bool checked)
{
    static struct record records[ROOM];
    size_t count;
    struct session *session;

    while ((count = spool_take(agent->spool, records, ROOM, 1 << 20))) {
        spool_remove(agent->spool, records[count - 1].number);
        spool_put_back(agent->spool);
        for (size_t i = 0; i < count; i++) {
            if (checked)
                check(&records[i]);
            free(records[i].line);
        }
    }
    while ((session = session_at(agent->sessions, 0)))
        session_remove(agent->sessions, session);
    quota_rates_free(&agent->rates);
}

void fuzz_agent_empty(struct agent *agent)
{
    empty(agent, true);
}

void fuzz_agent_clear(struct agent *agent)
{
    empty(agent, false);
}
