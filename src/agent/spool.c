/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/quota.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

/* The first line: how many commands were dropped. One rename replaces it together with the records,
 * so the count always agrees with what is missing. Its length is fixed, so that it can be
 * overwritten in place. */
#define HEADER_FORMAT "{\"type\":\"spool\",\"dropped\":%020" PRIu64 "}\n"

static const char empty[] = "{\"type\":\"spool\",\"dropped\":00000000000000000000}\n";

enum { HEADER_LENGTH = sizeof empty - 1 };

/* The place of a record in the file; `length` includes the newline. */
struct place {
    off_t offset;
    uint64_t number;
    uint32_t length;
    enum record_kind kind;
    uid_t uid; /* the user whose session it belongs to */
};

struct spool {
    pthread_mutex_t lock;
    char *path;
    int fd;
    size_t max, limit;        /* the file is rewritten when it would exceed `limit` */
    off_t size, durable_size; /* bytes appended; bytes synced */
    struct place *places;     /* [head, count) are to be sent; [durable, count) are not synced */
    size_t head, durable, count, room;
    uint64_t last, taken; /* the newest record's number; that of the newest taken, 0 when none is */
    uint64_t dropped;
};

static const char *const kinds[RECORD_KINDS] = {
    [RECORD_OPEN] = "open", [RECORD_COMMAND] = "command", [RECORD_END] = "end"};

/* --- the index ------------------------------------------------------------------------------- */

/* Appends to the index a record that stands, or is about to stand, at the end of the file. */
static void add_place(struct spool *spool, enum record_kind kind, uid_t uid, size_t length)
{
    if (spool->count == spool->room) {
        spool->room = spool->room ? 2 * spool->room : 64;
        spool->places = xrealloc(spool->places, spool->room * sizeof *spool->places);
    }
    spool->places[spool->count++] = (struct place){.offset = spool->size,
                                                   .number = ++spool->last,
                                                   .length = (uint32_t)length,
                                                   .kind = kind,
                                                   .uid = uid};
    spool->size += (off_t)length;
}

static char *read_place(const struct spool *spool, const struct place *place, struct error *e)
{
    char *line = xcalloc(1, place->length + 1);
    size_t got = 0;

    while (got < place->length) {
        ssize_t n = pread(spool->fd, line + got, place->length - got, place->offset + (off_t)got);
        if (n <= 0) {
            error_set(e, ERR_IO, "cannot read %s: %s", spool->path,
                      n ? strerror(errno) : "it is too short");
            free(line);
            return NULL;
        }
        got += (size_t)n;
    }
    return line;
}

/* --- opening --------------------------------------------------------------------------------- */

static enum record_kind kind_of(const struct json_object *object)
{
    const char *type = ipc_text(object, "type");
    enum record_kind kind = 0;

    while (kind < RECORD_KINDS && (!type || strcmp(kinds[kind], type) != 0))
        kind++;
    return kind;
}

/* A damaged line stays in the file and is skipped: it costs one record, not the spool. */
static void read_record(struct spool *spool, const char *line, size_t length)
{
    struct json_object *object = ipc_parse(line, length - 1);
    enum record_kind kind = kind_of(object);

    if (kind < RECORD_KINDS) {
        add_place(spool, kind, (uid_t)ipc_number(object, "uid"), length);
    } else {
        log_event(LEVEL_ERROR, "spool", "detail=\"%s is damaged at byte %lld\"", spool->path,
                  (long long)spool->size);
        spool->size += (off_t)length;
    }
    json_object_put(object);
}

static bool read_header(struct spool *spool, FILE *file)
{
    char line[HEADER_LENGTH + 1];

    return fgets(line, sizeof line, file) && strlen(line) == HEADER_LENGTH &&
           sscanf(line, "{\"type\":\"spool\",\"dropped\":%20" SCNu64 "}", &spool->dropped) == 1;
}

/* Stops at a line without its end, which a crash has left: load cuts it off. */
static void read_records(struct spool *spool, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    spool->size = HEADER_LENGTH;
    while ((length = getline(&line, &room, file)) > 0 && line[length - 1] == '\n')
        read_record(spool, line, (size_t)length);
    free(line);
    spool->durable = spool->count;
    spool->durable_size = spool->size;
}

/* Overwrites the header in place. It lies within one sector, so a crash leaves the old count or the
 * new one. */
static bool put_header(const struct spool *spool)
{
    char header[HEADER_LENGTH + 1];

    snprintf(header, sizeof header, HEADER_FORMAT, spool->dropped);
    return file_write_at(spool->fd, header, HEADER_LENGTH, 0);
}

static enum err load(struct spool *spool, struct error *e)
{
    if (access(spool->path, F_OK) && file_replace(spool->path, empty, HEADER_LENGTH, e))
        return ERR_IO;
    FILE *file = fopen(spool->path, "re");
    if (!file)
        return error_set(e, ERR_IO, "cannot open %s: %s", spool->path, strerror(errno));
    bool good = read_header(spool, file);
    if (good)
        read_records(spool, file);
    fclose(file);
    if (!good)
        return error_set(e, ERR_IO, "%s is not a spool of vsay-agent", spool->path);
    spool->fd = open(spool->path, O_RDWR | O_CLOEXEC);
    if (spool->fd < 0 || ftruncate(spool->fd, spool->size) || fsync(spool->fd))
        return error_set(e, ERR_IO, "cannot open %s: %s", spool->path, strerror(errno));
    return ERR_OK;
}

enum err spool_open(const char *path, size_t max, struct spool **out, struct error *e)
{
    struct spool *spool = xcalloc(1, sizeof *spool);

    pthread_mutex_init(&spool->lock, NULL);
    spool->path = xstrdup(path);
    spool->fd = -1;
    spool->max = spool->limit = max;
    enum err err = load(spool, e);
    if (err) {
        spool_close(spool);
        return err;
    }
    *out = spool;
    return ERR_OK;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    pthread_mutex_destroy(&spool->lock);
    free(spool->places);
    free(spool->path);
    free(spool);
}

/* --- making room ----------------------------------------------------------------------------- */

/* Copies the records that stay to the new file, and updates their offsets. */
static enum err copy_records(const struct spool *old, struct spool *new, struct error *e)
{
    bool good = put_header(new);

    new->size = HEADER_LENGTH;
    for (size_t i = 0; good && i < new->count; i++) {
        struct place *place = &new->places[i];
        char *line = read_place(old, place, e);
        if (!line)
            return ERR_IO;
        good = file_write_at(new->fd, line, place->length, new->size);
        free(line);
        place->offset = new->size;
        new->size += place->length;
    }
    return good ? ERR_OK
                : error_set(e, ERR_IO, "cannot rewrite %s: %s", old->path, strerror(errno));
}

/* Returns whether the record may be dropped: a command that is not being sent. */
static bool may_drop(const struct spool *spool, const struct place *place)
{
    return place->kind == RECORD_COMMAND && place->number > spool->taken;
}

/* Chooses the records that stay, so that the file takes at most `target` bytes: all but the oldest
 * commands of the users that have the most in it. */
static void choose(const struct spool *old, struct spool *new, size_t target)
{
    struct quota_item *commands = xcalloc(old->count - old->head + 1, sizeof *commands);
    size_t fixed = HEADER_LENGTH, count = 0, next = 0;

    for (size_t i = old->head; i < old->count; i++) {
        const struct place *place = &old->places[i];
        if (may_drop(old, place))
            commands[count++] = (struct quota_item){.uid = place->uid, .bytes = place->length};
        else
            fixed += place->length;
    }
    quota_divide(commands, count, target > fixed ? target - fixed : 0);
    new->room = old->count - old->head + 1;
    new->places = xcalloc(new->room, sizeof *new->places);
    for (size_t i = old->head; i < old->count; i++) {
        if (may_drop(old, &old->places[i]) && !commands[next++].stays)
            new->dropped++;
        else
            new->places[new->count++] = old->places[i];
    }
    free(commands);
}

/* Continues with the rewritten file. */
static void adopt(struct spool *spool, const struct spool *new)
{
    if (new->dropped > spool->dropped)
        log_event(LEVEL_WARNING, "spool_full", "dropped=%" PRIu64 " ever=%" PRIu64,
                  new->dropped - spool->dropped, new->dropped);
    close(spool->fd);
    free(spool->places);
    spool->fd = new->fd;
    spool->places = new->places;
    spool->room = new->room;
    spool->head = 0;
    spool->durable = spool->count = new->count;
    spool->durable_size = spool->size = new->size;
    spool->dropped = new->dropped;
}

/* Rewrites the file with at most `target` bytes, or more if the opens and ends alone need more.
 * Afterwards all records are durable. */
static enum err rewrite(struct spool *spool, size_t target, struct error *e)
{
    struct spool new = {.dropped = spool->dropped};
    char *temporary = xasprintf("%s.new", spool->path);
    enum err err = ERR_OK;

    choose(spool, &new, target);
    new.fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (new.fd < 0)
        err = error_set(e, ERR_IO, "cannot open %s: %s", temporary, strerror(errno));
    if (!err)
        err = copy_records(spool, &new, e);
    if (!err)
        err = file_sync_rename(new.fd, temporary, spool->path, e);
    if (!err) {
        adopt(spool, &new);
        err = file_sync_directory(spool->path, e);
    } else {
        unlink(temporary);
        if (new.fd >= 0)
            close(new.fd);
        free(new.places);
    }
    free(temporary);
    return err;
}

/* Makes room for `length` bytes. A rewrite frees an eighth of `max`, so that it is rare. When opens
 * and ends alone fill the file, it grows by an eighth instead, since these are never dropped. */
static enum err make_room(struct spool *spool, size_t length, struct error *e)
{
    if ((size_t)spool->size + length <= spool->limit)
        return ERR_OK;
    enum err err = rewrite(spool, spool->max - spool->max / 8, e);
    if (!err) {
        size_t grown = (size_t)spool->size + spool->max / 8;
        spool->limit = grown > spool->max ? grown : spool->max;
    }
    return err;
}

/* --- appending ------------------------------------------------------------------------------- */

/* Rolls back what was appended since the last sync. Bytes that cannot be cut off are overwritten by
 * the next record. */
static void roll_back(struct spool *spool)
{
    spool->count = spool->durable;
    spool->size = spool->durable_size;
    if (ftruncate(spool->fd, spool->size))
        log_event(LEVEL_WARNING, "spool", "detail=\"cannot shorten %s: %s\"", spool->path,
                  strerror(errno));
}

enum err spool_append(struct spool *spool, enum record_kind kind, struct json_object *object,
                      struct error *e)
{
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    char *line = xasprintf("%s\n", text);
    size_t length = strlen(line);

    pthread_mutex_lock(&spool->lock);
    enum err err = make_room(spool, length, e);
    if (!err && !file_write_at(spool->fd, line, length, spool->size))
        err = error_set(e, ERR_IO, "cannot write %s: %s", spool->path, strerror(errno));
    if (err)
        roll_back(spool);
    else
        add_place(spool, kind, (uid_t)ipc_number(object, "uid"), length);
    pthread_mutex_unlock(&spool->lock);
    free(line);
    return err;
}

enum err spool_sync(struct spool *spool, struct error *e)
{
    enum err err = ERR_OK;

    pthread_mutex_lock(&spool->lock);
    if (spool->durable < spool->count && fdatasync(spool->fd)) {
        err = error_set(e, ERR_IO, "cannot sync %s: %s", spool->path, strerror(errno));
        roll_back(spool);
    }
    spool->durable = spool->count;
    spool->durable_size = spool->size;
    pthread_mutex_unlock(&spool->lock);
    return err;
}

/* --- sending --------------------------------------------------------------------------------- */

void spool_put_back(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->taken = 0;
    pthread_mutex_unlock(&spool->lock);
}

/* The lines are copied: a rewrite of the file, for room, may move them while they are sent. */
size_t spool_take(struct spool *spool, struct record *out, size_t room, size_t bytes)
{
    struct error e = {0};
    size_t count = 0, sum = 0;

    pthread_mutex_lock(&spool->lock);
    for (size_t i = spool->head; i < spool->durable && count < room; i++) {
        const struct place *place = &spool->places[i];
        sum += place->length;
        if (count && sum > bytes)
            break;
        char *line = read_place(spool, place, &e);
        if (!line) {
            log_event(LEVEL_ERROR, "spool", "detail=\"%s\"", e.detail);
            break;
        }
        line[place->length - 1] = '\0';
        out[count++] = (struct record){place->kind, place->number, line, place->length - 1};
        spool->taken = place->number;
    }
    pthread_mutex_unlock(&spool->lock);
    return count;
}

/* Only an empty spool shrinks. To remove the head of a file is to rewrite it, and while vsay
 * answers, the spool keeps running empty. */
void spool_remove(struct spool *spool, uint64_t number)
{
    pthread_mutex_lock(&spool->lock);
    while (spool->head < spool->durable && spool->places[spool->head].number <= number)
        spool->head++;
    if (spool->head == spool->count && ftruncate(spool->fd, HEADER_LENGTH) == 0) {
        spool->head = spool->durable = spool->count = 0;
        spool->durable_size = spool->size = HEADER_LENGTH;
        spool->limit = spool->max;
    }
    pthread_mutex_unlock(&spool->lock);
}

void spool_each_end(struct spool *spool, void (*visit)(struct json_object *end, void *user),
                    void *user)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = spool->head; i < spool->durable; i++) {
        char *line =
            spool->places[i].kind == RECORD_END ? read_place(spool, &spool->places[i], NULL) : NULL;
        struct json_object *end = line ? json_tokener_parse(line) : NULL;
        if (end)
            visit(end, user);
        json_object_put(end);
        free(line);
    }
    pthread_mutex_unlock(&spool->lock);
}

void spool_count_lost(struct spool *spool, uint64_t commands)
{
    pthread_mutex_lock(&spool->lock);
    spool->dropped += commands;
    if (!put_header(spool))
        log_event(LEVEL_WARNING, "spool", "detail=\"cannot count in %s: %s\"", spool->path,
                  strerror(errno));
    pthread_mutex_unlock(&spool->lock);
}

uint64_t spool_dropped(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t dropped = spool->dropped;
    pthread_mutex_unlock(&spool->lock);
    return dropped;
}
