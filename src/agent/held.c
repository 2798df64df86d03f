/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/held.h"

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

#include "agent/durable.h"
#include "agent/link.h"
#include "agent/moment.h"
#include "base/log.h"
#include "base/xalloc.h"

struct entry {
    struct held held; /* first: an entry is found by it */
    /* what other threads change too */
    char *reason;
    char *opening; /* the report, as JSON; NULL in a file of an older version */
    bool confirmed;
    int64_t active, active_sent, active_told; /* see held_activity; 0: never */
};

struct held_table {
    pthread_mutex_t lock;
    char *directory;
    char *boot; /* identifies this boot of the machine, which process ids belong to */
    int news;   /* eventfd */
    struct entry **entries;
    size_t count, room;
};

bool held_id_valid(const char *id)
{
    return strlen(id) == SESSION_ID_LENGTH && strncmp(id, "sess_", 5) == 0 &&
           strspn(id + 5, "0123456789abcdef") == SESSION_ID_LENGTH - 5;
}

/* --- files ----------------------------------------------------------------------------------- */

static char *path_of(const struct held_table *table, const char *id)
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

static int64_t get_number(const struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return json_object_get_int64(value);
}

static struct process get_process(const struct json_object *object, const char *name)
{
    struct json_object *pair = NULL;

    json_object_object_get_ex(object, name, &pair);
    return (struct process){.pid = (pid_t)get_number(pair, "pid"),
                            .start = (unsigned long long)get_number(pair, "start")};
}

static enum err write_file(const struct held_table *table, const struct held *held,
                           const char *opening, struct error *e)
{
    struct json_object *object = json_object_new_object();
    char *path = path_of(table, held->id);

    json_object_object_add(object, "uid", json_object_new_int64(held->uid));
    json_object_object_add(object, "seq", json_object_new_int64(held->seq));
    json_object_object_add(object, "boot", json_object_new_string(table->boot));
    json_object_object_add(object, "drop_key", json_object_new_string(held->drop_key));
    put_process(object, "shell", &held->tree.shell);
    put_process(object, "leader", &held->tree.leader);
    json_object_object_add(object, "opening", opening ? json_tokener_parse(opening) : NULL);
    const char *text = json_object_to_json_string(object);
    enum err err = durable_write(path, text, strlen(text), e);
    json_object_put(object);
    free(path);
    return err;
}

static struct held *add_entry(struct held_table *table, const struct held *held,
                              const char *opening)
{
    struct entry *entry = xcalloc(1, sizeof *entry);

    entry->held = *held;
    entry->opening = opening ? xstrdup(opening) : NULL;
    pthread_mutex_lock(&table->lock);
    if (table->count == table->room) {
        table->room = table->room ? 2 * table->room : 64;
        table->entries = xrealloc(table->entries, table->room * sizeof *table->entries);
    }
    table->entries[table->count++] = entry;
    pthread_mutex_unlock(&table->lock);
    return &entry->held;
}

/* The processes of the session in a file of this boot. They are looked at now, while most of them
 * still live: what has been seen can be told from a stranger later on. */
static struct proctree read_tree(const struct json_object *object, uid_t uid)
{
    struct proctree tree = {
        .shell = get_process(object, "shell"), .leader = get_process(object, "leader"), .uid = uid};

    tree.leader_seen = process_seen(&tree.leader);
    return tree;
}

static void read_session(struct held_table *table, const char *id, const struct json_object *object)
{
    const char *boot = link_text(object, "boot"), *key = link_text(object, "drop_key");
    struct json_object *opening = NULL;
    struct held held = {.uid = (uid_t)get_number(object, "uid"), .seq = get_number(object, "seq")};
    struct proctree tree = read_tree(object, held.uid);

    snprintf(held.id, sizeof held.id, "%s", id);
    snprintf(held.drop_key, sizeof held.drop_key, "%s", key ? key : "");
    if (boot && strcmp(boot, table->boot) == 0)
        held.tree = tree;
    else /* no process outlives its boot, unless that was none */
        held.gone = !process_alive(&tree.shell) && !process_alive(&tree.leader);
    json_object_object_get_ex(object, "opening", &opening);
    add_entry(table, &held, opening ? json_object_to_json_string(opening) : NULL);
}

static void read_file(struct held_table *table, const char *id)
{
    char *path = path_of(table, id);
    struct json_object *object = json_object_from_file(path);

    if (json_object_is_type(object, json_type_object))
        read_session(table, id, object);
    else
        log_event(LEVEL_ERROR, "held", "detail=\"cannot use %s\"", path);
    json_object_put(object);
    free(path);
}

static int by_seq(const void *a, const void *b)
{
    const struct entry *left = *(struct entry *const *)a, *right = *(struct entry *const *)b;

    return (left->held.seq > right->held.seq) - (left->held.seq < right->held.seq);
}

static enum err read_directory(struct held_table *table, struct error *e)
{
    DIR *directory = opendir(table->directory);
    const struct dirent *found;

    if (!directory)
        return error_set(e, ERR_IO, "cannot open %s: %s", table->directory, strerror(errno));
    while ((found = readdir(directory))) {
        char *id = xstrndup(found->d_name, strcspn(found->d_name, "."));
        if (held_id_valid(id) && strcmp(found->d_name + strlen(id), ".json") == 0)
            read_file(table, id);
        free(id);
    }
    closedir(directory);
    if (table->count)
        qsort(table->entries, table->count, sizeof *table->entries, by_seq);
    return ERR_OK;
}

enum err held_open(const char *directory, struct held_table **out, struct error *e)
{
    struct held_table *table = xcalloc(1, sizeof *table);

    pthread_mutex_init(&table->lock, NULL);
    table->directory = xstrdup(directory);
    table->boot = read_boot();
    table->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum err err = table->news < 0 ? error_set(e, ERR_IO, "eventfd: %s", strerror(errno))
                                   : read_directory(table, e);
    if (err) {
        held_close(table);
        return err;
    }
    *out = table;
    return ERR_OK;
}

static void free_entry(struct entry *entry)
{
    json_object_put(entry->held.end);
    free(entry->reason);
    free(entry->opening);
    free(entry);
}

void held_close(struct held_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free_entry(table->entries[i]);
    if (table->news >= 0)
        close(table->news);
    pthread_mutex_destroy(&table->lock);
    free(table->entries);
    free(table->boot);
    free(table->directory);
    free(table);
}

/* --- the table ------------------------------------------------------------------------------- */

/* Only the main thread adds and removes, and so needs no lock to look. */
static struct entry *find(struct held_table *table, const char *id)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i]->held.id, id) == 0)
            return table->entries[i];
    }
    return NULL;
}

struct held *held_find(struct held_table *table, const char *id)
{
    struct entry *entry = find(table, id);

    return entry ? &entry->held : NULL;
}

struct held *held_at(struct held_table *table, size_t index)
{
    return index < table->count ? &table->entries[index]->held : NULL;
}

bool held_room(const struct held_table *table, uid_t uid)
{
    size_t running = 0, own = 0;

    for (size_t i = 0; i < table->count; i++) {
        const struct held *held = &table->entries[i]->held;
        running += held->state != HELD_ENDED;
        own += held->state != HELD_ENDED && held->uid == uid;
    }
    return running < HELD_MAX && (uid == 0 || own < HELD_MAX - running);
}

enum err held_add(struct held_table *table, const struct held *new, const char *opening,
                  struct held **out, struct error *e)
{
    enum err err = write_file(table, new, opening, e);

    if (!err)
        *out = add_entry(table, new, opening);
    return err;
}

void held_keep_opening(struct held_table *table, struct held *held, const char *opening)
{
    struct entry *entry = (struct entry *)held;
    struct error e = {0};

    if (entry->opening)
        return;
    if (write_file(table, held, opening, &e))
        log_event(LEVEL_WARNING, "held", "detail=\"%s\"", e.detail);
    pthread_mutex_lock(&table->lock);
    entry->opening = xstrdup(opening);
    pthread_mutex_unlock(&table->lock);
}

void held_remove(struct held_table *table, struct held *held)
{
    char *path = path_of(table, held->id);

    if (unlink(path) && errno != ENOENT)
        log_event(LEVEL_ERROR, "held", "detail=\"cannot remove %s: %s\"", path, strerror(errno));
    free(path);
    pthread_mutex_lock(&table->lock);
    size_t i = 0;
    while (&table->entries[i]->held != held)
        i++;
    free_entry(table->entries[i]);
    memmove(table->entries + i, table->entries + i + 1,
            (--table->count - i) * sizeof *table->entries);
    pthread_mutex_unlock(&table->lock);
}

const char *held_reason(struct held_table *table, const struct held *held)
{
    pthread_mutex_lock(&table->lock);
    const char *reason = ((const struct entry *)held)->reason;
    pthread_mutex_unlock(&table->lock);
    return reason;
}

bool held_confirmed(struct held_table *table, const struct held *held)
{
    pthread_mutex_lock(&table->lock);
    bool confirmed = ((const struct entry *)held)->confirmed;
    pthread_mutex_unlock(&table->lock);
    return confirmed;
}

struct json_object *held_ids(struct held_table *table)
{
    struct json_object *ids = json_object_new_array();

    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count && json_object_array_length(ids) < HELD_MAX; i++) {
        if (!table->entries[i]->confirmed)
            json_object_array_add(ids, json_object_new_string(table->entries[i]->held.id));
    }
    pthread_mutex_unlock(&table->lock);
    return ids;
}

/* --- activity -------------------------------------------------------------------------------- */

void held_active(struct held_table *table, const char *id, int64_t at)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry && at > entry->active)
        entry->active = at;
    pthread_mutex_unlock(&table->lock);
}

struct json_object *held_activity(struct held_table *table)
{
    struct json_object *times = NULL;
    char text[MOMENT_SIZE];

    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count && i < HELD_MAX; i++) {
        struct entry *entry = table->entries[i];
        entry->active_sent = entry->active;
        if (entry->confirmed || entry->active == entry->active_told)
            continue;
        moment_format(entry->active, text);
        times = times ? times : json_object_new_object();
        json_object_object_add(times, entry->held.id, json_object_new_string(text));
    }
    pthread_mutex_unlock(&table->lock);
    return times;
}

void held_activity_told(struct held_table *table)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count; i++)
        table->entries[i]->active_told = table->entries[i]->active_sent;
    pthread_mutex_unlock(&table->lock);
}

void held_tell_activity_again(struct held_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry)
        entry->active_told = 0;
    pthread_mutex_unlock(&table->lock);
}

/* --- news from other threads ----------------------------------------------------------------- */

int held_news(const struct held_table *table)
{
    return table->news;
}

void held_hear(const struct held_table *table)
{
    eventfd_t count;

    eventfd_read(table->news, &count);
}

void held_condemn(struct held_table *table, const char *id, const char *reason)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    bool news = entry && !entry->reason;
    if (news)
        entry->reason = xstrdup(reason);
    pthread_mutex_unlock(&table->lock);
    if (news) {
        log_event(LEVEL_INFO, "session_terminate", "session=%s reason=\"%s\"", id, reason);
        eventfd_write(table->news, 1);
    }
}

bool held_condemnable(struct held_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    const struct entry *entry = find(table, id);
    bool condemnable = entry && !entry->reason && !entry->confirmed;
    pthread_mutex_unlock(&table->lock);
    return condemnable;
}

char *held_opening(struct held_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    const struct entry *entry = find(table, id);
    char *opening = entry && entry->opening ? xstrdup(entry->opening) : NULL;
    pthread_mutex_unlock(&table->lock);
    return opening;
}

void held_confirm(struct held_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, id);
    if (entry)
        entry->confirmed = true;
    pthread_mutex_unlock(&table->lock);
    eventfd_write(table->news, 1);
}
