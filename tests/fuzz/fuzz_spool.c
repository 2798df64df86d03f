/* SPDX-License-Identifier: MIT */
/* Fuzzes agent/spool: a file of any bytes is opened or refused. If it opens, its records are the
 * same when it is opened again, and it accepts new ones. The input is the file. */
#include "config.h"

#include <json.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "agent/spool.h"
#include "base/xalloc.h"
#include "fuzz.h"

enum { MAX = 64 * 1024, ROOM = 512 };

static char *path;

static struct spool *open_again(struct spool *spool)
{
    struct error e = {0};

    spool_close(spool);
    MUST(spool_open(path, MAX, &spool, &e) == ERR_OK);
    return spool;
}

/* Returns the lines of all records, and sets *last to the newest number. */
static char *lines_of(struct spool *spool, uint64_t *last)
{
    static struct record records[ROOM];
    size_t count = spool_take(spool, records, ROOM, SIZE_MAX), length = 0;
    char *text = NULL;
    FILE *out = xmemstream(&text, &length);

    for (size_t i = 0; i < count; i++) {
        struct json_object *object = ipc_parse(records[i].line, records[i].length);
        MUST(object && records[i].kind < RECORD_KINDS);
        MUST(strlen(records[i].line) == records[i].length);
        MUST(records[i].number > *last);
        *last = records[i].number;
        fprintf(out, "%s\n", records[i].line);
        json_object_put(object);
        free(records[i].line);
    }
    spool_put_back(spool);
    xfclose(out);
    return text;
}

static void append(struct spool *spool, enum record_kind kind, const char *type)
{
    struct json_object *object = json_object_new_object();
    struct error e = {0};

    json_object_object_add(object, "type", json_object_new_string(type));
    json_object_object_add(object, "uid", json_object_new_int(1000));
    enum err err = spool_append(spool, kind, object, &e);
    MUST(!err && !spool_sync(spool, &e));
    json_object_put(object);
}

static void visit(struct json_object *end, void *user)
{
    (void)user;
    MUST(json_object_is_type(end, json_type_object));
}

static void use(struct spool *spool)
{
    uint64_t last = 0, again = 0, dropped = spool_dropped(spool);
    char *before = lines_of(spool, &last);

    spool_each_end(spool, visit, NULL);
    spool = open_again(spool);
    MUST(spool_dropped(spool) == dropped);
    char *after = lines_of(spool, &again);
    MUST(strcmp(before, after) == 0);
    free(after);
    spool_remove(spool, again);
    append(spool, RECORD_COMMAND, "command");
    append(spool, RECORD_END, "end");
    spool = open_again(spool);
    after = lines_of(spool, &(uint64_t){0});
    MUST(strstr(after, "\"type\":\"end\""));
    free(after);
    free(before);
    spool_close(spool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool *spool = NULL;
    struct error e = {0};

    if (!path)
        path = fuzz_path("spool");
    fuzz_write(path, data, size);
    if (spool_open(path, MAX, &spool, &e) == ERR_OK)
        use(spool);
    return 0;
}
