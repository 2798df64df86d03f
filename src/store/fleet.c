/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/fleet.h"

#include <string.h>

/* As STATEMENT_FLEET_SESSIONS calls them; NULL: it does not have them. */
static const char *const names[FLEET_NUMBERS] = {
    [FLEET_UI] = "ui",
    [FLEET_CLI] = "cli",
    [FLEET_VSCODE] = "vscode",
    [FLEET_PENDING] = "pending",
    [FLEET_OLDEST_PENDING] = "oldest pending",
    [FLEET_RECENT_PENDING] = "recent pending",
    [FLEET_RECENT_CONFIRMED] = "recent confirmed",
    [FLEET_RECENT_VANISHED] = "recent vanished",
    [FLEET_RECENT_EXPIRED] = "recent expired",
};

static enum err load_machines(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_MACHINES, params, e);
    const struct cell *row = db_row(db);

    if (!row)
        return err;
    out[FLEET_ONLINE] = (uint64_t)cell_int(&row[0]);
    out[FLEET_OFFLINE] = (uint64_t)cell_int(&row[1]) - out[FLEET_ONLINE];
    out[FLEET_NEVER] = (uint64_t)(cell_int(&row[2]) - cell_int(&row[1]));
    out[FLEET_DROPPED] = (uint64_t)cell_int(&row[3]);
    return err;
}

static enum err load_sessions(struct db *db, const struct params *params, uint64_t *out,
                              struct error *e)
{
    enum err err = db_select(db, STATEMENT_FLEET_SESSIONS, params, e);

    for (const struct cell *row; (row = db_row(db));) {
        for (size_t i = 0; row[0].text && i < FLEET_NUMBERS; i++) {
            if (names[i] && strcmp(row[0].text, names[i]) == 0)
                out[i] = (uint64_t)cell_int(&row[1]);
        }
    }
    return err;
}

enum err fleet_load(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e)
{
    struct scope everything = {.kind = SCOPE_ALL};
    struct params params = params_for(db, &everything);

    memset(out, 0, FLEET_NUMBERS * sizeof *out);
    enum err err = load_machines(db, &params, out, e);
    return err ? err : load_sessions(db, &params, out, e);
}
