/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/audit.h"

enum err audit_add(struct db *db, const struct audit_entry *entries, size_t count, struct error *e)
{
    struct rows rows = {0};

    for (size_t i = 0; i < count; i++) {
        const struct audit_entry *entry = &entries[i];
        rows_uint(&rows, PARAM_AGE, entry->age);
        rows_text(&rows, PARAM_TENANT, entry->who->tenant_id);
        rows_text(&rows, PARAM_BY_USER, entry->who->user_id);
        rows_text(&rows, PARAM_BY_USERNAME, entry->who->username);
        rows_text(&rows, PARAM_ROLE, entry->role);
        rows_text(&rows, PARAM_ACTION, entry->action);
        rows_text(&rows, PARAM_SESSION, entry->session_id);
        rows_text(&rows, PARAM_AGENT, entry->agent_id);
        rows_text(&rows, PARAM_OF_USER, entry->of_user_id);
        rows_text(&rows, PARAM_DETAIL, entry->detail);
        rows_text(&rows, PARAM_REQUEST, entry->request_id);
    }
    enum err err = db_bulk(db, STATEMENT_ADD_AUDIT, NULL, &rows, e);
    rows_free(&rows);
    return err;
}
