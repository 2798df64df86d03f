/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keeper.h"
#include "agent/link.h"
#include "base/log.h"
#include "base/xalloc.h"

/* Set-group-id, so that files are readable for the group of this program, which need not be root.
 */
enum { DIRECTORY_MODE = 03733, FILE_SIZE_MAX = 64 * 1024 * 1024 };

static char *directory_of(const struct agent *agent)
{
    return xasprintf("%s/drop", agent->options->agent.state_dir);
}

enum err drop_open(const struct agent *agent, struct error *e)
{
    char *path = directory_of(agent);
    enum err err = ERR_OK;

    if ((mkdir(path, 0700) && errno != EEXIST) || chown(path, (uid_t)-1, getegid()) ||
        chmod(path, DIRECTORY_MODE))
        err = error_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
    free(path);
    return err;
}

/* Reports line after line, in the name of the file's owner. */
static enum err take_lines(struct agent *agent, FILE *file, uid_t owner, const char *id,
                           struct error *e)
{
    struct origin origin = {.uid = owner};
    char *line = NULL;
    size_t room = 0;
    enum err err = ERR_OK;

    while (!err && getline(&line, &room, file) > 0) {
        struct json_object *packet = json_tokener_parse(line), *reply = NULL;
        const char *opens = link_text(packet, "session_id");
        if (json_object_is_type(packet, json_type_object) && (!opens || strcmp(opens, id) == 0))
            err = keeper_take(agent, &origin, packet, &reply, e);
        json_object_put(reply);
        json_object_put(packet);
        if (!origin.held)
            break; /* the open was refused */
    }
    free(line);
    return err ? err : keeper_sync(agent, e);
}

/* Others made the file: it may be anything. */
static bool is_usable(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 &&
           st->st_size <= FILE_SIZE_MAX;
}

static enum err take_file(struct agent *agent, const char *path, const char *id, struct error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (fd < 0)
        return error_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    FILE *file = is_usable(fd, &st) ? fdopen(fd, "r") : NULL;
    if (!file) {
        close(fd);
        remove(path);
        return error_set(e, ERR_IO, "%s was not made by vsay-shell", path);
    }
    enum err err = take_lines(agent, file, st.st_uid, id, e);
    fclose(file);
    if (!err && unlink(path))
        err = error_set(e, ERR_IO, "cannot remove %s: %s", path, strerror(errno));
    if (!err)
        log_event(LEVEL_INFO, "drop", "session=%s uid=%lu", id, (unsigned long)st.st_uid);
    return err;
}

void drop_take(struct agent *agent, const char *session_id)
{
    struct error e = {0};
    char *directory = directory_of(agent);
    char *path = xasprintf("%s/%s.jsonl", directory, session_id);

    if (take_file(agent, path, session_id, &e))
        log_event(LEVEL_ERROR, "drop", "detail=\"%s\"", e.detail);
    free(path);
    free(directory);
}

/* A session whose vsay-shell lives is not over, whatever a file of its user says. */
static bool is_due(struct agent *agent, const char *id)
{
    const struct held *held = held_find(agent->held, id);

    return !held || !process_alive(&held->tree.shell);
}

void drop_take_all(struct agent *agent)
{
    char *path = directory_of(agent);
    DIR *directory = opendir(path);
    const struct dirent *found;

    while (directory && !held_at(agent->held, HELD_MAX - 1) && (found = readdir(directory))) {
        char *id = xstrndup(found->d_name, strcspn(found->d_name, "."));
        if (held_id_valid(id) && strcmp(found->d_name + strlen(id), ".jsonl") == 0 &&
            is_due(agent, id))
            drop_take(agent, id);
        free(id);
    }
    if (directory)
        closedir(directory);
    free(path);
}
