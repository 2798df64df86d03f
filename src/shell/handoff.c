/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/buffer.h"
#include "base/xalloc.h"

static void add_line(struct buffer *lines, struct json_object *object)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

    buffer_add(lines, text, length);
    buffer_add(lines, "\n", 1);
}

/* Writes to a name with a leading dot, which the agent ignores, and renames the complete file. The
 * directory is set-group-id, so the file gets the agent's group, and mode 0640 lets an agent read
 * it that is not root. syncfs, because a directory that we may not read cannot be synced. */
static bool write_file(int directory, const char *name, const struct buffer *lines)
{
    char *hidden = xasprintf(".%s", name);
    int fd = openat(directory, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && fchmod(fd, 0640) == 0 &&
                   durable_write_at(fd, lines->bytes, lines->length, 0) && fsync(fd) == 0 &&
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

enum err handoff_write(const char *state_dir, const char *session_id, const char *key,
                       struct json_object *const *objects, size_t count, struct error *e)
{
    char *path = xasprintf("%s/drop", state_dir);
    struct buffer lines = {0};
    enum err err = ERR_OK;

    for (size_t i = 0; i < count; i++)
        add_line(&lines, objects[i]);
    /* O_PATH: users may write to the directory, but not list it */
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || !write_lines(directory, session_id, key, &lines))
        err = error_set(e, ERR_IO, "cannot write to %s: %s", path, strerror(errno));
    if (directory >= 0)
        close(directory);
    buffer_free(&lines);
    free(path);
    return err;
}
