/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/report_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

/* Bytes of JSON. All of it must fit into a handoff file, which may have 4 MiB. */
enum { UNACKED_MAX = 3 * 1024 * 1024 };

void report_queue_init(struct report_queue *queue)
{
    *queue = (struct report_queue){0};
    TAILQ_INIT(&queue->reports);
}

static void forget(struct report_queue *queue, struct report *report)
{
    TAILQ_REMOVE(&queue->reports, report, entry);
    queue->size -= report->size;
    json_object_put(report->body);
    free(report);
}

void report_queue_clear(struct report_queue *queue)
{
    while (!TAILQ_EMPTY(&queue->reports))
        forget(queue, TAILQ_FIRST(&queue->reports));
}

bool report_queue_empty(const struct report_queue *queue)
{
    return TAILQ_EMPTY(&queue->reports);
}

/* A number may appear twice: a command's start was sent, and its result is still to be sent. */
static struct report *find(struct report_queue *queue, long seq, bool sent)
{
    struct report *report;

    TAILQ_FOREACH (report, &queue->reports, entry) {
        if (report->seq == seq && report->sent == sent)
            return report;
    }
    return NULL;
}

/* --- adding, within the limit -------------------------------------------- */

/* Commands may be lost, but not uncounted: the next report says how many, and the agent adds that
 * to its own count. So each command that is dropped must be counted exactly once. */

/* Returns how many commands are lost when this report is dropped. A command has two reports, of its
 * start and its result, and is lost only if neither reaches the agent. */
static long count_lost(const struct report_queue *queue, const struct report *report)
{
    long seq = report->seq;
    const struct report *next = TAILQ_NEXT(report, entry);
    bool known = seq <= queue->acked || (next && next->seq == seq);

    return report->lost + !known;
}

/* Drops the oldest commands beyond the limit. Returns how many commands that loses. */
static long make_room(struct report_queue *queue)
{
    struct report *report = TAILQ_FIRST(&queue->reports), *next;
    long lost = 0;

    for (; report && queue->size > UNACKED_MAX; report = next) {
        next = TAILQ_NEXT(report, entry);
        if (report->seq == REPORT_END)
            continue;
        lost += count_lost(queue, report);
        forget(queue, report);
    }
    return lost;
}

/* Enforces the limit after `report`, a command's, was added as the last one. */
static void enforce_limit(struct report_queue *queue, struct report *report)
{
    report->lost += make_room(queue) + queue->lost;
    queue->lost = 0;
    if (report->lost)
        json_object_object_add(report->body, "lost", json_object_new_int64(report->lost));
}

void report_queue_add(struct report_queue *queue, long seq, struct json_object *body)
{
    struct report *report = find(queue, seq, false);

    if (report) {
        json_object_put(report->body);
    } else {
        report = xcalloc(1, sizeof *report);
        report->seq = seq;
        TAILQ_INSERT_TAIL(&queue->reports, report, entry);
    }
    queue->size -= report->size;
    report->body = body;
    json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
                                      &report->size);
    queue->size += report->size;
    if (seq != REPORT_END)
        enforce_limit(queue, report);
}

/* --- removing ------------------------------------------------------------ */

void report_queue_acknowledge(struct report_queue *queue, long seq)
{
    struct report *report = find(queue, seq, true);

    if (!report)
        return;
    queue->acked = seq > queue->acked ? seq : queue->acked;
    forget(queue, report);
}

/* There may be two: one on its way, and one that was added since. */
void report_queue_withdraw_end(struct report_queue *queue)
{
    for (int sent = 0; sent < 2; sent++) {
        struct report *end = find(queue, REPORT_END, sent);
        if (end)
            forget(queue, end);
    }
}

void report_queue_rewind(struct report_queue *queue)
{
    struct report *report;

    TAILQ_FOREACH (report, &queue->reports, entry)
        report->sent = false;
}

/* --- the handoff file ---------------------------------------------------- */

static void add_line(struct buffer *lines, struct json_object *object)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

    buffer_add(lines, text, length);
    buffer_add(lines, "\n", 1);
}

/* The directory belongs to the agent, and all users may create files in it; so a file must be
 * protected against them, and complete before the agent reads it.
 *
 * Writes to a name with a leading dot, which the agent ignores, and renames the complete file. The
 * directory is set-group-id, so the file gets the agent's group, and mode 0640 lets an agent read
 * it that is not root. syncfs, because a directory that we may not read cannot be synced. */
static bool write_file(int directory, const char *name, const struct buffer *lines)
{
    char *hidden = xasprintf(".%s", name);
    int fd = openat(directory, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && fchmod(fd, 0640) == 0 &&
                   file_write_at(fd, lines->bytes, lines->length, 0) && fsync(fd) == 0 &&
                   renameat(directory, hidden, directory, name) == 0 && syncfs(fd) == 0;
    int cause = errno;

    if (fd >= 0 && !written)
        unlinkat(directory, hidden, 0);
    if (fd >= 0)
        close(fd);
    free(hidden);
    errno = cause;
    return written;
}

/* Another user may have guessed and taken the first name, and in a sticky directory we cannot
 * remove that file. The second name cannot be guessed. */
static bool write_lines(int directory, const char *session_id, const char *key,
                        const struct buffer *lines)
{
    char *plain = xasprintf("%s.jsonl", session_id);
    char *keyed = key ? xasprintf("%s.%s.jsonl", session_id, key) : NULL;
    bool written =
        write_file(directory, plain, lines) || (keyed && write_file(directory, keyed, lines));
    int cause = errno;

    free(keyed);
    free(plain);
    errno = cause;
    return written;
}

enum err report_queue_hand_off(const struct report_queue *queue, const char *state_dir,
                               struct json_object *opening, struct error *e)
{
    char *path = xasprintf("%s/drop", state_dir);
    const struct report *report;
    struct buffer lines = {0};
    enum err err = ERR_OK;

    add_line(&lines, opening);
    TAILQ_FOREACH (report, &queue->reports, entry)
        add_line(&lines, report->body);
    /* O_PATH: users may write to the directory, but not list it */
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || !write_lines(directory, ipc_text(opening, "session_id"),
                                      ipc_text(opening, "drop_key"), &lines))
        err = error_set(e, ERR_IO, "cannot write to %s: %s", path, strerror(errno));
    if (directory >= 0)
        close(directory);
    buffer_free(&lines);
    free(path);
    return err;
}
