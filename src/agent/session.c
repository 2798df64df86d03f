/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/session.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/quota.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

/* The main thread gets only `session`, which it may read and write without the lock. What other
 * threads write too is hidden behind it. */
struct entry {
    struct session session; /* first: an entry is found by it */
    /* shared with other threads, under the table's lock */
    char *reason;
    char *opening; /* the open report (JSON); NULL if an older version wrote the file */
    bool confirmed;
    int64_t active, active_sent, active_acked; /* see session_activity; 0: never */
};

struct session_table {
    pthread_mutex_t lock;
    char *directory;
    char *boot;   /* identifies this boot of the machine, which process ids belong to */
    int event_fd; /* eventfd */
    struct entry **entries;
    size_t count, room;
};

bool session_id_valid(const char *id)
{
    return strlen(id) == SESSION_ID_LENGTH && strncmp(id, "sess_", 5) == 0 &&
           strspn(id + 5, "0123456789abcdef") == SESSION_ID_LENGTH - 5;
}

/* --- files ----------------------------------------------------------------------------------- */

static char *path_of(const struct session_table *table, const char *id)
{
    return xasprintf("%s/%s.json", table->directory, id);
}

static char *read_boot(void)
{
    char text[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (file && fgets(text, sizeof text, file))
        text[strcspn(text, "\n")] = '\0';
    if (file)
        fclose(file);
    return xstrdup(text);
}

static void put_process(struct json_object *object, const char *name, const struct process *process)
{
    struct json_object *pair = json_object_new_object();

    json_object_object_add(pair, "pid", json_object_new_int64(process->pid));
    json_object_object_add(pair, "start", json_object_new_int64((int64_t)process->start));
    json_object_object_add(object, name, pair);
}

static struct process get_process(const struct json_object *object, const char *name)
{
    struct json_object *pair = NULL;

    json_object_object_get_ex(object, name, &pair);
    return (struct process){.pid = (pid_t)ipc_number(pair, "pid"),
                            .start = (unsigned long long)ipc_number(pair, "start")};
}

/* "drop_key" is the handoff key. The member keeps its name: files of older versions have it. */
static enum err write_file(const struct session_table *table, const struct session *session,
                           const char *opening, struct error *e)
{
    struct json_object *object = json_object_new_object();
    char *path = path_of(table, session->id);

    json_object_object_add(object, "uid", json_object_new_int64(session->uid));
    json_object_object_add(object, "seq", json_object_new_int64(session->seq));
    json_object_object_add(object, "boot", json_object_new_string(table->boot));
    json_object_object_add(object, "drop_key", json_object_new_string(session->handoff_key));
    put_process(object, "shell", &session->tree.shell);
    put_process(object, "leader", &session->tree.leader);
    json_object_object_add(object, "opening", opening ? json_tokener_parse(opening) : NULL);
    const char *text = json_object_to_json_string(object);
    enum err err = file_replace(path, text, strlen(text), e);
    json_object_put(object);
    free(path);
    return err;
}

static struct session *add_entry(struct session_table *table, const struct session *session,
                                 const char *opening)
{
    struct entry *entry = xcalloc(1, sizeof *entry);

    entry->session = *session;
    entry->opening = opening ? xstrdup(opening) : NULL;
    pthread_mutex_lock(&table->lock);
    if (table->count == table->room) {
        table->room = table->room ? 2 * table->room : 64;
        table->entries = xrealloc(table->entries, table->room * sizeof *table->entries);
    }
    table->entries[table->count++] = entry;
    pthread_mutex_unlock(&table->lock);
    return &entry->session;
}

/* Reads a session's processes. Looks for the leader at once, while it probably lives: when it has
 * been seen alive, its session can later be told from one that reuses its id. */
static struct proctree read_tree(const struct json_object *object, uid_t uid)
{
    struct proctree tree = {
        .shell = get_process(object, "shell"), .leader = get_process(object, "leader"), .uid = uid};

    tree.leader_seen = process_seen(&tree.leader);
    return tree;
}

static void read_session(struct session_table *table, const char *id,
                         const struct json_object *object)
{
    const char *boot = ipc_text(object, "boot"), *key = ipc_text(object, "drop_key");
    struct json_object *opening = NULL;
    struct session session = {.uid = (uid_t)ipc_number(object, "uid"),
                              .seq = ipc_number(object, "seq")};
    struct proctree tree = read_tree(object, session.uid);

    snprintf(session.id, sizeof session.id, "%s", id);
    snprintf(session.handoff_key, sizeof session.handoff_key, "%s", key ? key : "");
    if (boot && strcmp(boot, table->boot) == 0)
        session.tree = tree;
    else /* a reboot ended its processes; check, in case the boot id changed without one */
        session.all_gone = !process_alive(&tree.shell) && !process_alive(&tree.leader);
    json_object_object_get_ex(object, "opening", &opening);
    add_entry(table, &session, opening ? json_object_to_json_string(opening) : NULL);
}

static void read_file(struct session_table *table, const char *id)
{
    char *path = path_of(table, id);
    struct json_object *object = json_object_from_file(path);

    if (json_object_is_type(object, json_type_object))
        read_session(table, id, object);
    else
        log_event(LEVEL_ERROR, "session", "detail=\"cannot use %s\"", path);
    json_object_put(object);
    free(path);
}

/* The order in which the sessions were opened: session_ids relies on it. */
static int by_seq(const void *a, const void *b)
{
    const struct entry *left = *(struct entry *const *)a, *right = *(struct entry *const *)b;

    return (left->session.seq > right->session.seq) - (left->session.seq < right->session.seq);
}

static enum err read_directory(struct session_table *table, struct error *e)
{
    DIR *directory = opendir(table->directory);
    const struct dirent *found;

    if (!directory)
        return error_set(e, ERR_IO, "cannot open %s: %s", table->directory, strerror(errno));
    while ((found = readdir(directory))) {
        char *id = xstrndup(found->d_name, strcspn(found->d_name, "."));
        if (session_id_valid(id) && strcmp(found->d_name + strlen(id), ".json") == 0)
            read_file(table, id);
        free(id);
    }
    closedir(directory);
    if (table->count)
        qsort(table->entries, table->count, sizeof *table->entries, by_seq);
    return ERR_OK;
}

enum err session_table_open(const char *directory, struct session_table **out, struct error *e)
{
    struct session_table *table = xcalloc(1, sizeof *table);

    pthread_mutex_init(&table->lock, NULL);
    table->directory = xstrdup(directory);
    table->boot = read_boot();
    table->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum err err = table->event_fd < 0 ? error_set(e, ERR_IO, "eventfd: %s", strerror(errno))
                                       : read_directory(table, e);
    if (err) {
        session_table_close(table);
        return err;
    }
    *out = table;
    return ERR_OK;
}

static void free_entry(struct entry *entry)
{
    json_object_put(entry->session.end);
    free(entry->reason);
    free(entry->opening);
    free(entry);
}

void session_table_close(struct session_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free_entry(table->entries[i]);
    if (table->event_fd >= 0)
        close(table->event_fd);
    pthread_mutex_destroy(&table->lock);
    free(table->entries);
    free(table->boot);
    free(table->directory);
    free(table);
}

/* --- the table ------------------------------------------------------------------------------- */

/* Finds an entry. The main thread needs no lock for this, because only it adds and removes. */
static struct entry *find(struct session_table *table, const char *id)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i]->session.id, id) == 0)
            return table->entries[i];
    }
    return NULL;
}

struct session *session_find(struct session_table *table, const char *id)
{
    struct entry *entry = find(table, id);

    return entry ? &entry->session : NULL;
}

struct session *session_at(struct session_table *table, size_t index)
{
    return index < table->count ? &table->entries[index]->session : NULL;
}

bool session_room(const struct session_table *table, uid_t uid)
{
    size_t running = 0, own = 0;

    for (size_t i = 0; i < table->count; i++) {
        const struct session *session = &table->entries[i]->session;
        running += session->state != SESSION_ENDED;
        own += session->state != SESSION_ENDED && session->uid == uid;
    }
    return quota_place(uid, own, running, PROTOCOL_SESSIONS_MAX);
}

/* The file comes first. A crash would make the agent forget a session without one, and vsay could
 * close it as vanished though it lives. */
enum err session_add(struct session_table *table, const struct session *new, const char *opening,
                     struct session **out, struct error *e)
{
    enum err err = write_file(table, new, opening, e);

    if (!err)
        *out = add_entry(table, new, opening);
    return err;
}

void session_keep_opening(struct session_table *table, struct session *session, const char *opening)
{
    struct entry *entry = (struct entry *)session;
    struct error e = {0};

    if (entry->opening)
        return;
    if (write_file(table, session, opening, &e))
        log_event(LEVEL_WARNING, "session", "detail=\"%s\"", e.detail);
    pthread_mutex_lock(&table->lock);
    entry->opening = xstrdup(opening);
    pthread_mutex_unlock(&table->lock);
}

void session_remove(struct session_table *table, struct session *session)
{
    char *path = path_of(table, session->id);

    if (unlink(path) && errno != ENOENT)
        log_event(LEVEL_ERROR, "session", "detail=\"cannot remove %s: %s\"", path, strerror(errno));
    free(path);
    pthread_mutex_lock(&table->lock);
    size_t i = 0;
    while (&table->entries[i]->session != session)
        i++;
    free_entry(table->entries[i]);
    memmove(table->entries + i, table->entries + i + 1,
            (--table->count - i) * sizeof *table->entries);
    pthread_mutex_unlock(&table->lock);
}

const char *session_reason(struct session_table *table, const struct session *session)
{
    pthread_mutex_lock(&table->lock);
    const char *reason = ((const struct entry *)session)->reason;
    pthread_mutex_unlock(&table->lock);
    return reason;
}

bool session_confirmed(struct session_table *table, const struct session *session)
{
    pthread_mutex_lock(&table->lock);
    bool confirmed = ((const struct entry *)session)->confirmed;
    pthread_mutex_unlock(&table->lock);
    return confirmed;
}

struct json_object *session_ids(struct session_table *table)
{
    struct json_object *ids = json_object_new_array();

    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count && json_object_array_length(ids) < PROTOCOL_SESSIONS_MAX;
         i++) {
        if (!table->entries[i]->confirmed)
            json_object_array_add(ids, json_object_new_string(table->entries[i]->session.id));
    }
    pthread_mutex_unlock(&table->lock);
    return ids;
}

/* --- activity -------------------------------------------------------------------------------- */

void session_active(struct session_table *table, const char *id, int64_t at)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry && at > entry->active)
        entry->active = at;
    pthread_mutex_unlock(&table->lock);
}

struct json_object *session_activity(struct session_table *table)
{
    struct json_object *times = NULL;
    char text[CLOCK_TEXT_SIZE];

    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count && i < PROTOCOL_SESSIONS_MAX; i++) {
        struct entry *entry = table->entries[i];
        entry->active_sent = entry->active;
        if (entry->confirmed || entry->active == entry->active_acked)
            continue;
        clock_format(entry->active, text);
        times = times ? times : json_object_new_object();
        json_object_object_add(times, entry->session.id, json_object_new_string(text));
    }
    pthread_mutex_unlock(&table->lock);
    return times;
}

void session_activity_acknowledged(struct session_table *table)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count; i++)
        table->entries[i]->active_acked = table->entries[i]->active_sent;
    pthread_mutex_unlock(&table->lock);
}

void session_resend_activity(struct session_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry)
        entry->active_acked = 0;
    pthread_mutex_unlock(&table->lock);
}

/* --- requests from other threads ------------------------------------------------------------- */

int session_event_fd(const struct session_table *table)
{
    return table->event_fd;
}

void session_clear_event(const struct session_table *table)
{
    eventfd_t count;

    eventfd_read(table->event_fd, &count);
}

void session_request_end(struct session_table *table, const char *id, const char *reason)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    bool is_new = entry && !entry->reason;
    if (is_new)
        entry->reason = xstrdup(reason);
    pthread_mutex_unlock(&table->lock);
    if (is_new) {
        log_event(LEVEL_INFO, "session_terminate", "session=%s reason=\"%s\"", id, reason);
        eventfd_write(table->event_fd, 1);
    }
}

bool session_can_request_end(struct session_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    const struct entry *entry = find(table, id);
    bool can_request = entry && !entry->reason && !entry->confirmed;
    pthread_mutex_unlock(&table->lock);
    return can_request;
}

char *session_opening(struct session_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    const struct entry *entry = find(table, id);
    char *opening = entry && entry->opening ? xstrdup(entry->opening) : NULL;
    pthread_mutex_unlock(&table->lock);
    return opening;
}

void session_confirm(struct session_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry)
        entry->confirmed = true;
    pthread_mutex_unlock(&table->lock);
    eventfd_write(table->event_fd, 1);
}
