/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/migrate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "common/protocol.h"

enum { LEASE = 30, RENEW_EVERY = 10, WAIT_MAX = 1800 }; /* s */
enum { SQL_MAX = 1 << 20, HOLDER_MAX = 128, NUMBER_LENGTH = 4 };

/* --- the lease: who migrates ------------------------------------------------------------------ */

/* The lease is for operators of Galera, whose hosts name the nodes in different orders. GET_LOCK,
 * and a row that is locked in an open transaction, would need neither clock nor thread, and would
 * end with their connection. But both are local to a node. With GET_LOCK instead, four vsayctls on
 * three nodes migrated at the same time, and one or two of them failed (1060, duplicate column). A
 * committed row is the same on all nodes: of two claims at once one fails at its commit.
 *
 * A lease needs a time, so that a killed vsayctl does not lock the others out, and a thread that
 * renews it, as one ALTER may take hours. All times are the database's. */
struct lease {
    char self[HOLDER_MAX], holder[HOLDER_MAX];
    const struct settings *settings;
    pthread_t renewer;
    sem_t over;
};

/* Host, process and a random part, since containers may share the first two. */
static void name_self(char self[HOLDER_MAX])
{
    char host[64] = "";
    unsigned salt = 0;
    ssize_t got = getrandom(&salt, sizeof salt, 0);

    (void)got;
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        if (!ident_valid(c, 1))
            *c = '-';
    }
    snprintf(self, HOLDER_MAX, "%s:%ld:%08x", host, (long)getpid(), salt);
}

/* Claims the lease if it is free, or renews it. Then lease->holder is lease->self, otherwise the
 * process that has it. */
static enum err claim(struct db *db, struct lease *lease, struct error *e)
{
    char *sql = xasprintf("UPDATE migration_lock SET holder = '%s', "
                          "lease_until = UTC_TIMESTAMP() + INTERVAL %d SECOND "
                          "WHERE id = 1 AND (lease_until <= UTC_TIMESTAMP() OR holder = '%s')",
                          lease->self, LEASE, lease->self);
    char *holder = NULL;
    enum err err = db_run_script(db, sql, e);

    free(sql);
    if (!err)
        err = db_run_value(db, "SELECT holder FROM migration_lock WHERE id = 1", &holder, e);
    if (holder)
        snprintf(lease->holder, HOLDER_MAX, "%s", holder);
    free(holder);
    return err;
}

/* Claims the lease, and reports each process that it waits for. */
static enum err wait_for_claim(struct db *db, struct lease *lease, migrate_fn *report,
                               struct error *e)
{
    char reported[HOLDER_MAX] = "";

    for (int waited = 0; waited < WAIT_MAX; waited++) {
        enum err err = claim(db, lease, e);
        if (err || strcmp(lease->holder, lease->self) == 0)
            return err;
        if (strcmp(reported, lease->holder) != 0)
            report(MIGRATE_WAITING, strcpy(reported, lease->holder));
        sleep(1);
    }
    return error_set(e, ERR_DEADLINE, "%s is still migrating after %d minutes", lease->holder,
                     WAIT_MAX / 60);
}

/* Renews the lease until the migrations are over, on a connection of its own: that of the
 * migrations waits for a statement. */
static void *renew(void *context)
{
    struct lease *lease = context;
    struct db *db = db_new(lease->settings);
    struct error ignored = {0}; /* the next renewal tries again */
    struct timespec next;

    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_sec += RENEW_EVERY;
    while (sem_timedwait(&lease->over, &next) != 0) {
        if (errno != ETIMEDOUT)
            continue;
        claim(db, lease, &ignored);
        next.tv_sec += RENEW_EVERY;
    }
    db_free(db);
    return NULL;
}

/* The table is made here and not by a migration, since it must be there before the first one. */
static enum err acquire(struct db *db, struct lease *lease, migrate_fn *report, struct error *e)
{
    static const char create[] =
        "CREATE TABLE IF NOT EXISTS migration_lock ("
        "id TINYINT UNSIGNED NOT NULL PRIMARY KEY, holder VARCHAR(128) NOT NULL, "
        "lease_until DATETIME NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;"
        "INSERT IGNORE INTO migration_lock VALUES (1, '', UTC_TIMESTAMP())";
    enum err err = db_run_script(db, create, e);

    name_self(lease->self);
    if (!err)
        err = wait_for_claim(db, lease, report, e);
    if (err)
        return err;
    sem_init(&lease->over, 0, 0);
    if (pthread_create(&lease->renewer, NULL, renew, lease))
        return error_set(e, ERR_INTERNAL, "cannot start a thread");
    return ERR_OK;
}

static void release(struct db *db, struct lease *lease)
{
    char *sql = xasprintf("UPDATE migration_lock SET lease_until = UTC_TIMESTAMP() "
                          "WHERE id = 1 AND holder = '%s'",
                          lease->self);
    struct error ignored = {0}; /* the lease also expires by itself */

    sem_post(&lease->over);
    pthread_join(lease->renewer, NULL);
    sem_destroy(&lease->over);
    db_run_script(db, sql, &ignored);
    free(sql);
}

/* --- the files -------------------------------------------------------------------------------- */

/* NNNN_*.sql. Editors and package managers leave other files beside them. */
static int is_migration(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t length = strlen(name), digits = 0;

    while (isdigit((unsigned char)name[digits]))
        digits++;
    return digits == NUMBER_LENGTH && name[digits] == '_' &&
           strcmp(name + length - NUMBER_LENGTH, ".sql") == 0;
}

static enum err is_applied(struct db *db, const char *name, bool *out, struct error *e)
{
    char *sql = xasprintf("SELECT version FROM schema_migrations WHERE version = %ld",
                          strtol(name, NULL, 10));
    char *version = NULL;
    enum err err = db_run_value(db, sql, &version, e);

    *out = version != NULL;
    free(version);
    free(sql);
    return err == ERR_DB_SCHEMA ? ERR_OK : err; /* the table does not exist yet */
}

/* Runs one file. A file that failed half way is run again as a whole, so it must be safe to repeat:
 * MySQL and MariaDB commit each ALTER by itself, and no transaction could undo it. */
static enum err apply(struct db *db, const char *directory, const char *name, struct error *e)
{
    char *path = xasprintf("%s/%s", directory, name), *sql = NULL;
    struct error why = {0};
    size_t length;
    bool open_to_all, applied;
    enum err err = file_read(path, SQL_MAX, &sql, &length, &open_to_all, e);

    free(path);
    if (err)
        return err;
    err = db_run_script(db, sql, &why);
    free(sql);
    if (err)
        return error_set(e, err, "%s: %s", name, why.detail);
    err = is_applied(db, name, &applied, e);
    if (!err && !applied)
        err = error_set(e, ERR_CONFIG, "%s does not record itself in schema_migrations", name);
    return err;
}

static enum err apply_missing(struct db *db, const char *directory, migrate_fn *report,
                              struct error *e)
{
    struct dirent **files = NULL;
    int count = scandir(directory, &files, is_migration, alphasort);
    enum err err = ERR_OK;

    if (count < 0)
        return error_set(e, ERR_IO, "cannot read %s: %s", directory, strerror(errno));
    if (count == 0)
        err = error_set(e, ERR_IO, "no migrations in %s", directory);
    for (int i = 0; i < count; i++) {
        const char *name = files[i]->d_name;
        bool applied = false;
        if (!err)
            err = is_applied(db, name, &applied, e);
        if (!err && !applied && !(err = apply(db, directory, name, e)))
            report(MIGRATE_APPLIED, name);
        free(files[i]);
    }
    free(files);
    return err;
}

enum err migrate(struct db *db, const struct settings *settings, const char *directory,
                 migrate_fn *report, struct error *e)
{
    struct lease lease = {.settings = settings};
    enum err err = acquire(db, &lease, report, e);

    if (err)
        return err;
    err = apply_missing(db, directory, report, e);
    release(db, &lease);
    return err;
}
