/* SPDX-License-Identifier: MIT */
/* The audit has a queue, instead of a row in the request's own transaction: looking at a session is
 * a read, and a read must not fail, or be slow, because the database refuses a write. A replica
 * that became read only still answers. The price is that notes are lost with a process that is
 * killed. An entry about a termination matters most, so it is also in the log, and the signal
 * itself names who requested it.
 *
 * A note copies all it needs, since its call is gone when it is written. */
#include "config.h"
#include "api/auditor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "api/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/xalloc.h"
#include "store/audit.h"

enum {
    NOTES_MAX = 10000, /* waiting notes; some 7 MB */
    BATCH = 500,       /* notes in a transaction */
    RETRY_S = 1        /* wait after a database error */
};

struct note {
    STAILQ_ENTRY(note) next;
    const char *action;
    struct principal who;
    char session_id[IDENT_MAX + 1], agent_id[IDENT_MAX + 1]; /* "": none */
    char request_id[REQUEST_ID_LENGTH + 1];
    char detail[AUDIT_DETAIL_MAX + 1];
    int64_t at; /* monotonic ms */
};

STAILQ_HEAD(notes, note);

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wakeup;
    struct notes notes;
    size_t count;         /* of `notes` */
    struct notes writing; /* the batch that the thread writes; changed only under the lock */
    bool stopped;
} auditor = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .wakeup = PTHREAD_COND_INITIALIZER,
             .notes = STAILQ_HEAD_INITIALIZER(auditor.notes),
             .writing = STAILQ_HEAD_INITIALIZER(auditor.writing)};

/* --- adding notes ----------------------------------------------------------------------------- */

static void copy_detail(char out[AUDIT_DETAIL_MAX + 1], const char *detail)
{
    size_t length = strnlen(detail, AUDIT_DETAIL_MAX);

    while (length && !utf8_valid(detail, length)) /* do not cut a character in half */
        length--;
    memcpy(out, detail, length);
}

static void copy(char out[IDENT_MAX + 1], const char *ident)
{
    snprintf(out, IDENT_MAX + 1, "%s", ident ? ident : "");
}

/* A parameter of the call's query; NULL: absent. */
static const char *parameter_of(const struct call *call, const char *parameter)
{
    return query_text(&call->query, parameter);
}

static struct note *note_new(const struct call *call, const char *action, const char *agent_id,
                             const char *detail)
{
    struct note *note = xcalloc(1, sizeof *note);

    note->action = action;
    note->who = call->who;
    copy(note->session_id, *call->id ? call->id : parameter_of(call, "session_id"));
    copy(note->agent_id, agent_id ? agent_id : parameter_of(call, "agent_id"));
    strcpy(note->request_id, call->request_id);
    copy_detail(note->detail, detail ? detail : "");
    note->at = clock_ms();
    return note;
}

/* The last resort for a note that the database does not take: the log has it at least. */
static void log_note(const struct note *note)
{
    log_event(LEVEL_ERROR, "audit_lost",
              "action=%s user=%s tenant=%s session=%s machine=%s id=%s detail=\"%s\"", note->action,
              note->who.user_id, note->who.tenant_id, note->session_id, note->agent_id,
              note->request_id, note->detail);
}

void auditor_note(const struct call *call, const char *action, const char *agent_id,
                  const char *detail)
{
    struct note *note = note_new(call, action, agent_id, detail);

    pthread_mutex_lock(&auditor.lock);
    bool full = auditor.count == NOTES_MAX;
    if (!full) {
        STAILQ_INSERT_TAIL(&auditor.notes, note, next);
        auditor.count++;
        pthread_cond_signal(&auditor.wakeup);
    }
    pthread_mutex_unlock(&auditor.lock);
    if (full) {
        log_note(note);
        free(note);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

/* The age and not the time is stored: the database's clock is the only one for data, and the
 * worker's may differ. A note may have waited, so its age is taken when it is written. */
static enum err write_notes(struct db *db, void *context, struct error *e)
{
    struct audit_entry entries[BATCH];
    const struct note *note = NULL;
    size_t count = 0;

    STAILQ_FOREACH (note, (struct notes *)context, next)
        entries[count++] = (struct audit_entry){.action = note->action,
                                                .who = &note->who,
                                                .role = role_names[note->who.role],
                                                .session_id = text_or_null(note->session_id),
                                                .agent_id = text_or_null(note->agent_id),
                                                .detail = note->detail,
                                                .request_id = text_or_null(note->request_id),
                                                .age = (uint64_t)(clock_ms() - note->at)};
    return audit_add(db, entries, count, e);
}

/* Chooses up to BATCH of the oldest notes as those being written. Returns whether there are any. */
static bool take(void)
{
    struct note *note = NULL;

    pthread_mutex_lock(&auditor.lock);
    for (size_t i = 0; i < BATCH && (note = STAILQ_FIRST(&auditor.notes)); i++) {
        STAILQ_REMOVE_HEAD(&auditor.notes, next);
        STAILQ_INSERT_TAIL(&auditor.writing, note, next);
        auditor.count--;
    }
    bool any = !STAILQ_EMPTY(&auditor.writing);
    pthread_mutex_unlock(&auditor.lock);
    return any;
}

/* Puts notes back in front of newer ones, so that the order of the ids is that of the events. */
static void put_back(void)
{
    const struct note *note = NULL;

    pthread_mutex_lock(&auditor.lock);
    STAILQ_FOREACH (note, &auditor.writing, next)
        auditor.count++;
    STAILQ_CONCAT(&auditor.writing, &auditor.notes);
    STAILQ_CONCAT(&auditor.notes, &auditor.writing);
    pthread_mutex_unlock(&auditor.lock);
}

/* Frees all notes of a list. */
static void forget(struct notes *notes)
{
    struct note *note = NULL;

    pthread_mutex_lock(&auditor.lock);
    while ((note = STAILQ_FIRST(notes))) {
        STAILQ_REMOVE_HEAD(notes, next);
        free(note);
    }
    pthread_mutex_unlock(&auditor.lock);
}

/* Writes a batch of notes; puts it back on failure. */
static enum err write_batch(struct db *db, enum err before)
{
    struct error e = {0};

    if (!take())
        return before;
    enum err err = db_run(db, DB_WRITE, write_notes, &auditor.writing, &e);
    metrics_database(db);
    if (err && err != before)
        log_event(LEVEL_ERROR, "audit_down", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    if (!err && before)
        log_event(LEVEL_INFO, "audit_up", "host=%s", db_host(db));
    if (err)
        put_back();
    else
        forget(&auditor.writing);
    return err;
}

/* Waits for notes, or for a moment after a failure. False once the auditor must stop. */
static bool wait_for_notes(bool failed)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_S;
    pthread_mutex_lock(&auditor.lock);
    int status = 0;
    while (!auditor.stopped && status == 0 && (failed || !auditor.count))
        status = pthread_cond_timedwait(&auditor.wakeup, &auditor.lock, &until);
    bool goes_on = !auditor.stopped;
    pthread_mutex_unlock(&auditor.lock);
    return goes_on;
}

/* Writes until nothing is left, or the database has failed once; `err` is how it failed last. A
 * worker that stops must not wait for a database that is away, so the rest goes to the log. */
static void write_rest(struct db *db, enum err err)
{
    while (!err && auditor.count)
        err = write_batch(db, ERR_OK);
    auditor_log_rest();
    forget(&auditor.notes);
}

void auditor_run(const struct settings *settings)
{
    struct db *db = db_new(settings);
    enum err err = ERR_OK;

    while (wait_for_notes(err))
        err = write_batch(db, err);
    write_rest(db, err);
    db_free(db);
}

void auditor_stop(void)
{
    pthread_mutex_lock(&auditor.lock);
    auditor.stopped = true;
    pthread_cond_signal(&auditor.wakeup);
    pthread_mutex_unlock(&auditor.lock);
}

void auditor_log_rest(void)
{
    const struct note *note = NULL;

    pthread_mutex_lock(&auditor.lock);
    STAILQ_FOREACH (note, &auditor.writing, next)
        log_note(note);
    STAILQ_FOREACH (note, &auditor.notes, next)
        log_note(note);
    pthread_mutex_unlock(&auditor.lock);
}

void auditor_write(const struct settings *settings)
{
    if (!auditor.count)
        return;
    struct db *db = db_new(settings);
    write_rest(db, ERR_OK);
    db_free(db);
}
