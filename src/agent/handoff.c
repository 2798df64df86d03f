/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/handoff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/report_handler.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

enum {
    DIRECTORY_MODE = 03733, /* set-group-id: files belong to the agent's group, which may read */
    FILE_SIZE_MAX = 4 * 1024 * 1024,
    ENTRIES_MAX = 1000, /* directory entries per scan */
    SCAN_MS = 100       /* duration of a scan after which no more files are opened */
};

struct handoff {
    struct agent *agent;
    char *path;
    DIR *directory;
};

enum err handoff_open(struct agent *agent, struct handoff **out, struct error *e)
{
    struct handoff *handoff = xcalloc(1, sizeof *handoff);

    handoff->agent = agent;
    /* The name is older than the module's. It stays, since vsay-shells of an older version that
     * still run write to it. */
    handoff->path = xasprintf("%s/drop", agent->options->agent.state_dir);
    if ((mkdir(handoff->path, 0700) && errno != EEXIST) ||
        chown(handoff->path, (uid_t)-1, getegid()) || chmod(handoff->path, DIRECTORY_MODE) ||
        !(handoff->directory = opendir(handoff->path))) {
        error_set(e, ERR_IO, "cannot make %s: %s", handoff->path, strerror(errno));
        handoff_close(handoff);
        return ERR_IO;
    }
    *out = handoff;
    return ERR_OK;
}

void handoff_close(struct handoff *handoff)
{
    if (!handoff)
        return;
    if (handoff->directory)
        closedir(handoff->directory);
    free(handoff->path);
    free(handoff);
}

/* --- one file -------------------------------------------------------------------------------- */

/* Handles one report of the session `id`. A file is about one session, the one in its name: that
 * session's vsay-shell was seen to be gone. */
static enum err receive_line(struct agent *agent, struct origin *origin, const char *id,
                             const char *line, size_t length, struct error *e)
{
    struct json_object *packet = length <= IPC_PACKET_MAX ? ipc_parse(line, length) : NULL;
    struct json_object *reply = NULL;
    const char *opens = ipc_text(packet, "session_id");
    enum err err = ERR_REQUEST;

    if (packet && (!opens || strcmp(opens, id) == 0))
        err = report_handler_receive(agent, origin, packet, &reply, e);
    json_object_put(reply);
    json_object_put(packet);
    return err;
}

/* Handles a file's reports, line by line, in the name of its owner. Stops at the first invalid
 * one. */
static enum err receive_lines(struct agent *agent, uid_t owner, const char *id, const char *text,
                              struct error *e)
{
    struct origin origin = {.uid = owner};
    enum err err = ERR_OK;

    while (!err && *text) {
        size_t length = strcspn(text, "\n");
        err = receive_line(agent, &origin, id, text, length, e);
        text += length + (text[length] == '\n');
    }
    if (err == ERR_REQUEST)
        log_event(LEVEL_WARNING, "handoff",
                  "session=%s uid=%lu detail=\"stopped at a line that is not a report\"", id,
                  (unsigned long)owner);
    err = err && err != ERR_REQUEST ? err : report_handler_sync(agent, e);
    if (!err && origin.session)
        report_handler_mark_stored(origin.session, origin.session->seen);
    return err;
}

/* Reads the `size` bytes that the file had when it was opened, and no more: its owner could make it
 * grow for ever. The caller frees them. */
static char *read_bytes(int fd, size_t size)
{
    char *text = xcalloc(1, size + 1);
    size_t got = 0;
    ssize_t n = 1;

    while (got < size && n > 0) {
        n = pread(fd, text + got, size - got, (off_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    if (n >= 0)
        return text;
    free(text);
    return NULL;
}

/* Returns whether the file is a plain one of bearable size. Any user may have made it. */
static bool is_usable(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 &&
           st->st_size <= FILE_SIZE_MAX;
}

static enum err receive_open_file(struct agent *agent, int fd, const struct stat *st,
                                  const char *id, struct error *e)
{
    char *text = read_bytes(fd, (size_t)st->st_size);
    enum err err = text ? receive_lines(agent, st->st_uid, id, text, e)
                        : error_set(e, ERR_IO, "cannot read %s: %s", id, strerror(errno));

    free(text);
    return err;
}

/* Only these errors are the machine's. All others are about the file: it is a link, a device, or
 * unreadable, so vsay-shell did not make it. */
static bool may_work_later(int cause)
{
    return cause == EMFILE || cause == ENFILE || cause == ENOMEM || cause == EIO;
}

/* Takes in a file and removes it. ERR_BUSY: it stays, because too many sessions run. It is opened
 * without following links, since root would follow them anywhere, and without blocking, since it
 * may be a pipe. */
static enum err receive_file(struct agent *agent, const char *path, const char *id, struct error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int cause = errno;
    enum err err;

    if (fd < 0 && cause == ENOENT)
        return ERR_OK;
    if (fd < 0 && may_work_later(cause))
        return error_set(e, ERR_IO, "cannot open %s: %s", path, strerror(cause));
    if (fd >= 0 && is_usable(fd, &st))
        err = receive_open_file(agent, fd, &st, id, e);
    else
        err = error_set(e, ERR_REQUEST, "%s was not made by vsay-shell", path);
    if (fd >= 0)
        close(fd);
    if ((!err || err == ERR_REQUEST) && remove(path))
        return error_set(e, ERR_IO, "cannot remove %s: %s", path, strerror(errno));
    if (!err)
        log_event(LEVEL_INFO, "handoff", "session=%s uid=%lu", id, (unsigned long)st.st_uid);
    return err;
}

static bool receive_named(struct handoff *handoff, const char *session_id, const char *name)
{
    struct error e = {0};
    char *path = xasprintf("%s/%s", handoff->path, name);
    enum err err = receive_file(handoff->agent, path, session_id, &e);

    if (err && err != ERR_BUSY)
        log_event(LEVEL_ERROR, "handoff", "detail=\"%s\"", e.detail);
    free(path);
    return !err || err == ERR_REQUEST;
}

bool handoff_collect(struct handoff *handoff, const char *session_id, const char *key)
{
    char *plain = xasprintf("%s.jsonl", session_id);
    char *keyed = xasprintf("%s.%s.jsonl", session_id, key);
    bool taken = receive_named(handoff, session_id, plain);

    if (*key)
        taken = receive_named(handoff, session_id, keyed) && taken;
    free(keyed);
    free(plain);
    return taken;
}

/* --- the directory --------------------------------------------------------------------------- */

/* Returns whether files of this session count already. While its vsay-shell lives the session is
 * not over, whatever a file of its user claims. */
static bool is_due(struct agent *agent, const char *id)
{
    const struct session *session = session_find(agent->sessions, id);

    return !session || !process_alive(&session->tree.shell);
}

/* Returns whether `rest` of a file's name, after the session's id, is .jsonl or .KEY.jsonl. */
static bool is_report(const char *rest)
{
    size_t key = *rest == '.' ? strspn(rest + 1, "0123456789abcdef") : 0;

    return strcmp(rest + (key ? 1 + key : 0), ".jsonl") == 0;
}

/* Ignores everything but regular files: a directory, say, could not even be removed. */
static void check_entry(struct handoff *handoff, const struct dirent *found)
{
    char *id = xstrndup(found->d_name, strcspn(found->d_name, "."));

    if ((found->d_type == DT_REG || found->d_type == DT_UNKNOWN) && session_id_valid(id) &&
        is_report(found->d_name + strlen(id)) && is_due(handoff->agent, id))
        receive_named(handoff, id, found->d_name);
    free(id);
}

/* Continues where the last scan stopped. So any number of files that users make delays the others,
 * but cannot keep the agent from reaching them. */
void handoff_scan(struct handoff *handoff)
{
    int64_t end = clock_ms() + SCAN_MS;
    const struct dirent *found = NULL;

    for (int i = 0; i < ENTRIES_MAX && clock_ms() < end; i++) {
        found = readdir(handoff->directory);
        if (!found) {
            rewinddir(handoff->directory);
            return;
        }
        check_entry(handoff, found);
    }
}
