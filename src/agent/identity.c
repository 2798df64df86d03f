/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

enum { PART_LENGTH = 16, INSTANCE_LENGTH = 2 * PART_LENGTH + 1 };

struct identity {
    char instance[INSTANCE_LENGTH + 1];
    pthread_mutex_t lock; /* of `last` */
    char *seq_path;
    int64_t last;
};

/* --- the instance ---------------------------------------------------------------------------- */

/* Reads the first line of a file, "" when there is none. The caller frees it. */
static char *read_line(const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "re");

    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (file)
        fclose(file);
    return xstrdup(line);
}

/* Describes the machine, boot and directory for which a name is valid. Images of machines often
 * keep their machine-id, but no copy runs in the same boot with the same directory. The caller
 * frees it. */
static char *find_place(const char *directory)
{
    struct stat st = {0};
    char *machine = read_line("/etc/machine-id");
    char *boot = read_line("/proc/sys/kernel/random/boot_id");

    stat(directory, &st);
    char *place =
        xasprintf("%s/%s/%jx:%jx", machine, boot, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    free(boot);
    free(machine);
    return place;
}

/* Reads a name of `length` characters from a file, which holds it, a blank, and the place. Returns
 * false unless the place is this one. */
static bool load(const char *path, const char *directory, size_t length, char *out)
{
    char *line = read_line(path), *place = find_place(directory);
    bool good = strspn(line, "0123456789abcdef.") == length && line[length] == ' ' &&
                strcmp(line + length + 1, place) == 0;

    if (good)
        snprintf(out, length + 1, "%s", line);
    free(place);
    free(line);
    return good;
}

/* Stores a name. A failure is only logged; its cost is that vsay takes the agent for another one
 * after a restart, and refuses it until the first one's heartbeats are overdue. */
static void store(const char *path, const char *directory, const char *name)
{
    struct error e = {0};
    char *place = find_place(directory), *line = xasprintf("%s %s\n", name, place);

    if (file_replace(path, line, strlen(line), &e))
        log_event(LEVEL_WARNING, "instance", "detail=\"%s\"", e.detail);
    free(line);
    free(place);
}

static enum err make_part(char out[PART_LENGTH + 1], struct error *e)
{
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return error_set(e, ERR_IO, "cannot get random numbers: %s", strerror(errno));
    snprintf(out, PART_LENGTH + 1, "%016" PRIx64, number);
    return ERR_OK;
}

/* Reads or makes the first part, which is kept beside the socket. */
static enum err find_part(const char *socket, char out[PART_LENGTH + 1], struct error *e)
{
    char *path = xasprintf("%s.instance", socket), *copy = xstrdup(socket);
    const char *directory = dirname(copy);
    enum err err = ERR_OK;

    ipc_make_directory(socket);
    if (!load(path, directory, PART_LENGTH, out)) {
        err = make_part(out, e);
        if (!err)
            store(path, directory, out);
    }
    free(copy);
    free(path);
    return err;
}

/* The whole name is stored with the sessions' files, the first part also beside the socket. So an
 * agent that has lost its sessions comes back as the same machine, with a new second part, which
 * tells vsay to wait until its vsay-shells have reconnected. */
static enum err open_instance(struct identity *identity, const char *sessions, const char *socket,
                              struct error *e)
{
    char *path = xasprintf("%s/instance", sessions), *out = identity->instance;
    char first[PART_LENGTH + 1], second[PART_LENGTH + 1];
    enum err err = ERR_OK;

    if (!load(path, sessions, INSTANCE_LENGTH, out)) {
        err = find_part(socket, first, e);
        if (!err)
            err = make_part(second, e);
        if (!err)
            snprintf(out, INSTANCE_LENGTH + 1, "%s.%s", first, second);
        if (!err)
            store(path, sessions, out);
    }
    free(path);
    return err;
}

const char *identity_instance(const struct identity *identity)
{
    return identity->instance;
}

/* --- the sequence number --------------------------------------------------------------------- */

static enum err open_sequence(struct identity *identity, struct error *e)
{
    FILE *file = fopen(identity->seq_path, "re");

    if (!file && errno != ENOENT)
        return error_set(e, ERR_IO, "cannot open %s: %s", identity->seq_path, strerror(errno));
    if (file && fscanf(file, "%" SCNd64, &identity->last) != 1)
        log_event(LEVEL_WARNING, "sequence", "detail=\"%s does not hold a number\"",
                  identity->seq_path);
    if (file)
        fclose(file);
    return ERR_OK;
}

int64_t identity_next_seq(struct identity *identity)
{
    struct error e = {0};
    char text[24];

    pthread_mutex_lock(&identity->lock);
    int64_t now = clock_realtime_ms();
    int64_t next = now > identity->last ? now : identity->last + 1;
    identity->last = next;
    int length = snprintf(text, sizeof text, "%" PRId64 "\n", next);
    if (file_replace(identity->seq_path, text, (size_t)length, &e))
        log_event(LEVEL_WARNING, "sequence", "detail=\"%s\"", e.detail);
    pthread_mutex_unlock(&identity->lock);
    return next;
}

/* --- both ------------------------------------------------------------------------------------ */

enum err identity_open(const char *state_dir, const char *socket, struct identity **out,
                       struct error *e)
{
    struct identity *identity = xcalloc(1, sizeof *identity);
    char *sessions = xasprintf("%s/sessions", state_dir);

    pthread_mutex_init(&identity->lock, NULL);
    identity->seq_path = xasprintf("%s/seq", state_dir);
    enum err err = open_instance(identity, sessions, socket, e);
    if (!err)
        err = open_sequence(identity, e);
    free(sessions);
    if (err)
        identity_close(identity);
    else
        *out = identity;
    return err;
}

void identity_close(struct identity *identity)
{
    if (!identity)
        return;
    pthread_mutex_destroy(&identity->lock);
    free(identity->seq_path);
    free(identity);
}
