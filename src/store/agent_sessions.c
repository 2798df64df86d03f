/* SPDX-License-Identifier: MIT */
/* Sessions that agents open and end, and the commands that were run in them: the second half of
 * agents.h.
 *
 * Agents repeat a report until it is answered, also after vsay has stored it. So everything here
 * may come twice, and a repetition is answered like the first: session_id, and (session_id, seq) of
 * a command, are made where the session runs, and their keys make an insert harmless. */
#include "config.h"
#include "store/agents.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Returns whether a session is the agent's. The machine's id may have been that of another tenant's
 * before, and an agent must not write into the sessions of others: every report names the ids
 * itself. */
static bool is_agents(const struct reporter *agent, const char *agent_id, const char *tenant_id)
{
    return strcmp(agent->agent_id, agent_id) == 0 && strcmp(agent->tenant_id, tenant_id) == 0;
}

/* Loads the state of a session, and checks that it is the agent's. */
static enum err find_session(struct db *db, const struct params *params,
                             const struct reporter *agent, char state[16], struct error *e)
{
    char agent_id[IDENT_MAX + 1] = "", tenant_id[IDENT_MAX + 1] = "";
    enum err err = db_select(db, STATEMENT_SESSION, params, e);
    const struct cell *row = db_row(db);

    memset(state, 0, 16);
    if (row) {
        cell_ident(&row[0], agent_id);
        cell_ident(&row[1], tenant_id);
        strncpy(state, row[2].text, 15);
    }
    if (err)
        return err;
    if (!*agent_id)
        return error_public(e, ERR_NOT_FOUND, "Session not found");
    if (!is_agents(agent, agent_id, tenant_id))
        return error_public(e, ERR_FORBIDDEN, "The session is another machine's");
    return ERR_OK;
}

/* Refuses a machine without end, which would fill the database with open sessions. Counts the
 * session that was just opened, too; the error undoes it with its transaction. */
static enum err check_room(struct db *db, const struct params *params, struct error *e)
{
    enum err err = db_select(db, STATEMENT_COUNT_OPEN, params, e);
    const struct cell *row = db_row(db);

    return !row || cell_int(row) <= OPEN_SESSIONS_MAX
               ? err
               : error_set(e, ERR_FULL, "machine %s has %d open sessions",
                           params->values[PARAM_AGENT].text, OPEN_SESSIONS_MAX);
}

/* Database error: a row with that key exists. INSERT IGNORE would hide other errors, and an upsert
 * would need the right to update every column that it names. */
enum { DUPLICATE = 1062 };

enum err agents_open_session(struct db *db, struct session_open *opening, struct error *e)
{
    struct params params = {0};
    uint64_t added = 0;
    enum err err = agents_admit(db, &opening->agent, e);

    if (err)
        return err;
    params_text(&params, PARAM_SESSION, opening->session_id);
    params_text(&params, PARAM_TENANT, opening->agent.tenant_id);
    params_text(&params, PARAM_AGENT, opening->agent.agent_id);
    params_text(&params, PARAM_USER, opening->user_id);
    params_text(&params, PARAM_USERNAME, opening->username);
    params_text(&params, PARAM_SOURCE, opening->source);
    params_text(&params, PARAM_BROWSER, opening->browser);
    params_text(&params, PARAM_OS, opening->os);
    params_filled(&params, PARAM_SOURCE_ADDRESS, opening->source_address);
    params_filled(&params, PARAM_AT, opening->started_at);
    params_uint(&params, PARAM_SEQ, opening->seq);
    err = db_change(db, STATEMENT_OPEN_SESSION, &params, &added, e);
    if (err && e->db_number == DUPLICATE) { /* a repeated request */
        *e = (struct error){0};
        err = ERR_OK;
    }
    if (!err && added)
        err = check_room(db, &params, e);
    if (!err) /* a repeated one may be another machine's, or be closed meanwhile */
        err = find_session(db, &params, &opening->agent, opening->state, e);
    if (err || !opening->not_recorded)
        return err;
    params_text(&params, PARAM_NOT_RECORDED, opening->not_recorded);
    return db_change(db, STATEMENT_NOT_RECORDED, &params, NULL, e);
}

enum err agents_end_session(struct db *db, struct session_end *ending, struct error *e)
{
    struct params params = {0};
    const char *outcome = ending->doubtful ? "vanished" : "confirmed";
    uint64_t changed = 0;
    char state[16];
    enum err err = agents_admit(db, &ending->agent, e);

    ending->outcome = NULL; /* of an earlier attempt */

    params_text(&params, PARAM_SESSION, ending->session_id);
    params_text(&params, PARAM_REASON, ending->reason);
    params_filled(&params, PARAM_AT, ending->ended_at);
    params_text(&params, PARAM_EXIT_CODE, NULL);
    params_text(&params, PARAM_OUTCOME, outcome);
    if (ending->exit_code >= 0)
        params_uint(&params, PARAM_EXIT_CODE, (uint64_t)ending->exit_code);
    if (!err)
        err = find_session(db, &params, &ending->agent, state, e);
    if (!err)
        err = db_change(db, STATEMENT_END_SESSION, &params, &changed, e);
    if (err || changed == 0) /* it was closed before: its outcome is final */
        return err;
    err = db_change(db, STATEMENT_CONFIRM_SIGNAL, &params, &changed, e);
    ending->outcome = changed ? outcome : NULL;
    return err;
}

enum err agents_give_up(struct db *db, const struct idents *sessions, const char *outcome,
                        struct error *e)
{
    struct params params = {0};

    params_text(&params, PARAM_OUTCOME, outcome);
    enum err err = db_bulk_sessions(db, STATEMENT_GIVE_UP_SESSIONS, &params, sessions, e);
    if (!err)
        err = db_bulk_sessions(db, STATEMENT_GIVE_UP_SIGNALS, &params, sessions, e);
    return err;
}

/* --- activity --------------------------------------------------------------------------------- */

/* A session with reported commands. Commands are stored with the session's own tenant, user and
 * source, since an agent only knows their session. */
struct known_session {
    char session_id[IDENT_MAX + 1], agent_id[IDENT_MAX + 1];
    char tenant_id[IDENT_MAX + 1], user_id[USER_ID_MAX + 1];
    char *username, *source;
    char active[SQL_TIME_LENGTH + 1]; /* time of its newest reported command; "": none */
};

struct known_sessions {
    struct known_session *items;
    size_t count;
};

static void add_known(struct known_sessions *known, const struct cell *row)
{
    known->items = xrealloc(known->items, (known->count + 1) * sizeof *known->items);
    struct known_session *session = &known->items[known->count++];
    cell_ident(&row[0], session->session_id);
    cell_ident(&row[1], session->agent_id);
    cell_ident(&row[2], session->tenant_id);
    cell_user_id(&row[3], session->user_id);
    session->username = xstrdup(row[4].text);
    session->source = xstrdup(row[5].text);
    *session->active = '\0';
}

static void known_free(struct known_sessions *known)
{
    for (size_t i = 0; i < known->count; i++) {
        free(known->items[i].username);
        free(known->items[i].source);
    }
    free(known->items);
}

static struct known_session *find_known(const struct known_sessions *known, const char *session_id)
{
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->items[i].session_id, session_id) == 0)
            return &known->items[i];
    }
    return NULL;
}

static size_t total(struct activity **activities, size_t count)
{
    size_t entries = 0;

    for (size_t i = 0; i < count; i++)
        entries += activities[i]->count;
    return entries;
}

static enum err read_known(struct db *db, struct activity **activities, size_t count,
                           struct known_sessions *known, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < activities[i]->count; j++) {
            const char *session = activities[i]->entries[j].session_id;
            bool again = j && strcmp(session, activities[i]->entries[j - 1].session_id) == 0;
            if (*session && !again)
                rows_text(&rows, PARAM_SESSION, session);
        }
    }
    enum err err = db_bulk(db, STATEMENT_SESSIONS, NULL, &rows, e);
    for (const struct cell *row; (row = db_row(db));)
        add_known(known, row);
    rows_free(&rows);
    return err;
}

static void add_row(struct rows *rows, struct known_session *session, const struct entry *entry)
{
    if (strcmp(entry->at, session->active) > 0)
        strcpy(session->active, entry->at);
    rows_text(rows, PARAM_SESSION, session->session_id);
    rows_text(rows, PARAM_TENANT, session->tenant_id);
    rows_text(rows, PARAM_AGENT, session->agent_id);
    rows_text(rows, PARAM_USER, session->user_id);
    rows_text(rows, PARAM_USERNAME, session->username);
    rows_text(rows, PARAM_SOURCE, session->source);
    rows_text(rows, PARAM_COMMAND, entry->command);
    rows_text(rows, PARAM_AT, entry->at);
    rows_uint(rows, PARAM_SEQ, entry->seq);
    if (entry->success >= 0)
        rows_uint(rows, PARAM_SUCCESS, (uint64_t)entry->success);
    else
        rows_text(rows, PARAM_SUCCESS, NULL);
    if (entry->exit_code >= 0)
        rows_uint(rows, PARAM_EXIT_CODE, (uint64_t)entry->exit_code);
    else
        rows_text(rows, PARAM_EXIT_CODE, NULL);
}

/* Adds rows for the valid entries, and of[] for the entry of each row. Refuses the others. */
static void add_rows(struct activity **activities, size_t count, const struct known_sessions *known,
                     struct rows *rows, struct entry **of)
{
    for (size_t i = 0; i < count; i++) {
        const struct reporter *agent = &activities[i]->agent;
        for (size_t j = 0; agent->admitted && j < activities[i]->count; j++) {
            struct entry *entry = &activities[i]->entries[j];
            entry->refusal = NULL;
            if (entry->fault)
                continue;
            struct known_session *session = find_known(known, entry->session_id);
            if (session && is_agents(agent, session->agent_id, session->tenant_id)) {
                add_row(rows, session, entry);
                *of++ = entry;
            } else {
                entry->refusal = session ? "The session is another machine's" : "No such session";
            }
        }
    }
}

/* When the database refuses the batch for its data, stores each row by itself: a command that can
 * never be stored is refused alone. Otherwise the agent would repeat it for ever, and everything
 * behind it in the spool would wait. */
static enum err add_commands(struct db *db, const struct rows *rows, struct entry **of,
                             struct error *e)
{
    enum err err = db_bulk(db, STATEMENT_ADD_COMMANDS, NULL, rows, e);

    if (err != ERR_DB_DATA)
        return err;
    err = ERR_OK;
    for (size_t i = 0; !err && i * rows->width < rows->count; i++) {
        struct rows one = rows_at(rows, i);
        err = db_bulk(db, STATEMENT_ADD_COMMANDS, NULL, &one, e);
        if (err == ERR_DB_DATA) {
            of[i]->refusal = error_info(err)->message;
            err = ERR_OK;
        }
    }
    return err;
}

/* Running a command counts as activity. */
static enum err note_activity(struct db *db, const struct known_sessions *known, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < known->count; i++) {
        if (!*known->items[i].active)
            continue;
        rows_text(&rows, PARAM_SESSION, known->items[i].session_id);
        rows_text(&rows, PARAM_AT, known->items[i].active);
    }
    enum err err = db_bulk(db, STATEMENT_SESSIONS_ACTIVE, NULL, &rows, e);
    rows_free(&rows);
    return err;
}

enum err agents_activity(struct db *db, struct activity **activities, size_t count, struct error *e)
{
    struct reporter **agents = xcalloc(count, sizeof *agents);
    struct rows rows = {0};
    struct entry **of = xcalloc(total(activities, count), sizeof *of);
    struct known_sessions known = {0};

    for (size_t i = 0; i < count; i++)
        agents[i] = &activities[i]->agent;
    enum err err = agents_check(db, agents, count, true, e);
    if (!err)
        err = read_known(db, activities, count, &known, e);
    if (!err) {
        add_rows(activities, count, &known, &rows, of);
        err = add_commands(db, &rows, of, e);
    }
    if (!err)
        err = db_bulk(db, STATEMENT_LAST_COMMANDS, NULL, &rows, e);
    if (!err)
        err = note_activity(db, &known, e);
    known_free(&known);
    free(of);
    rows_free(&rows);
    free(agents);
    return err;
}
