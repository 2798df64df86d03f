/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/sequence.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"

struct sequence {
    pthread_mutex_t lock;
    char *path;
    int64_t last;
};

enum err sequence_open(const char *path, struct sequence **out, struct error *e)
{
    struct sequence *sequence = xcalloc(1, sizeof *sequence);
    FILE *file = fopen(path, "re");

    if (!file && errno != ENOENT) {
        free(sequence);
        return error_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    }
    if (file && fscanf(file, "%" SCNd64, &sequence->last) != 1)
        log_event(LEVEL_WARNING, "sequence", "detail=\"%s does not hold a number\"", path);
    if (file)
        fclose(file);
    pthread_mutex_init(&sequence->lock, NULL);
    sequence->path = xstrdup(path);
    *out = sequence;
    return ERR_OK;
}

void sequence_free(struct sequence *sequence)
{
    if (!sequence)
        return;
    pthread_mutex_destroy(&sequence->lock);
    free(sequence->path);
    free(sequence);
}

int64_t sequence_next(struct sequence *sequence)
{
    struct error e = {0};
    char text[24];

    pthread_mutex_lock(&sequence->lock);
    int64_t now = clock_realtime_ms();
    int64_t next = now > sequence->last ? now : sequence->last + 1;
    sequence->last = next;
    int length = snprintf(text, sizeof text, "%" PRId64 "\n", next);
    if (file_replace(sequence->path, text, (size_t)length, &e))
        log_event(LEVEL_WARNING, "sequence", "detail=\"%s\"", e.detail);
    pthread_mutex_unlock(&sequence->lock);
    return next;
}
