/* SPDX-License-Identifier: MIT */
/* The file is opened under a lock, since workers start at the same time: systemd starts all
 * instances at once, and only one may write the header. A lock that another process holds is tried
 * again for two seconds, and then the worker counts for itself: metrics must not keep it from
 * serving. */
#include "config.h"
#include "api/metrics_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters of several processes cannot have locks");

/* The file: a page with this header, then the slots. */
struct header {
    char magic[8];
    uint64_t meaning, counters, gauges, slots;
};

static const char magic[8] = "vsaymtr";

enum { PAGE = 4096, LINE = 64 /* cache line: no two workers count in the same one */ };

struct metrics_memory {
    int fd; /* -1: private memory */
    char *base;
    size_t size;   /* of the mapping */
    size_t stride; /* bytes per slot */
    size_t counters;
    size_t own; /* our slot */
    atomic_bool lost;
};

static metric *slot_at(const struct metrics_memory *memory, size_t slot)
{
    return (metric *)(memory->base + PAGE + slot * memory->stride);
}

/* --- locks: byte 0 for preparing the file, byte 1 + n for slot n ------------------------------ */

/* POSIX locks end with their process, however it ends. They also end when any descriptor of the
 * file is closed, so there must be only one. */
static struct flock lock_of(short type, size_t byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
}

static bool lock(int fd, size_t byte)
{
    struct flock range = lock_of(F_WRLCK, byte);

    return fcntl(fd, F_SETLK, &range) == 0;
}

static void unlock(int fd, size_t byte)
{
    struct flock range = lock_of(F_UNLCK, byte);

    fcntl(fd, F_SETLK, &range);
}

/* A slot's lock is its owner's sign of life, without a heartbeat that could be late. */
static bool locked_by_other(int fd, size_t byte)
{
    struct flock range = lock_of(F_WRLCK, byte);

    return fcntl(fd, F_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

/* --- the file --------------------------------------------------------------------------------- */

enum { TRIES = 100, PAUSE_MS = 20 };

enum verdict { FILE_GOOD, FILE_AGAIN, FILE_UNUSABLE };

static enum verdict unusable(struct error *e, const char *path, const char *why)
{
    error_set(e, ERR_CONFIG, "metrics.file: %s: %s", path, why);
    return FILE_UNUSABLE;
}

/* Allocates all blocks now: a full disk later would be a SIGBUS. */
static enum verdict fill_in(int fd, const char *path, const struct header *header, size_t size,
                            struct error *e)
{
    ssize_t written = pwrite(fd, header, sizeof *header, 0);
    int error = written == sizeof *header ? posix_fallocate(fd, 0, (off_t)size) : ENOSPC;

    if (!error)
        return FILE_GOOD;
    if (ftruncate(fd, 0) != 0)
        unlink(path);
    return unusable(e, path, strerror(error));
}

/* The caller holds the lock. A wrong file of ours is replaced by a new one; its current users go on
 * without the others. */
static enum verdict examine(int fd, const char *path, const struct header *expected, size_t size,
                            struct error *e)
{
    struct header found = {0};
    struct stat status;

    if (fstat(fd, &status) != 0)
        return unusable(e, path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return unusable(e, path, "is not a file");
    if (status.st_nlink == 0) /* another worker has just replaced it */
        return FILE_AGAIN;
    if (status.st_size == 0)
        return fill_in(fd, path, expected, size, e);
    if (pread(fd, &found, sizeof found, 0) < (ssize_t)sizeof found.magic ||
        memcmp(found.magic, magic, sizeof magic) != 0)
        return unusable(e, path, "is not a metrics file");
    if (memcmp(&found, expected, sizeof found) == 0 && status.st_size == (off_t)size)
        return FILE_GOOD;
    return unlink(path) == 0 ? FILE_AGAIN : unusable(e, path, strerror(errno));
}

/* Does not wait in fcntl: a stopped or hung process may hold the lock for ever. */
static enum verdict take_file(int fd, const char *path, const struct header *expected, size_t size,
                              struct error *e)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

    if (lock(fd, 0))
        return examine(fd, path, expected, size, e);
    if (errno != EAGAIN && errno != EACCES)
        return unusable(e, path, strerror(errno));
    nanosleep(&pause, NULL);
    error_set(e, ERR_CONFIG, "metrics.file: %s: another process keeps it locked", path);
    return FILE_AGAIN;
}

/* Opens and locks the file; -1 on failure. Opens it again after each failed try, since it may have
 * been replaced meanwhile. O_NOFOLLOW and O_NONBLOCK: the path may be in a directory that others
 * can write to, and a FIFO there must not block the start. */
static int open_file(const char *path, const struct header *expected, size_t size, struct error *e)
{
    enum verdict verdict = FILE_AGAIN;

    for (int i = 0; i < TRIES && verdict == FILE_AGAIN; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        verdict =
            fd >= 0 ? take_file(fd, path, expected, size, e) : unusable(e, path, strerror(errno));
        if (verdict == FILE_GOOD)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* The lowest free slot, so that the numbers of workers stay small over restarts. */
static bool take_slot(struct metrics_memory *memory)
{
    for (memory->own = 0; memory->own < METRICS_SLOTS; memory->own++) {
        if (lock(memory->fd, 1 + memory->own))
            return true;
    }
    return false;
}

static enum err open_shared(struct metrics_memory *memory, const char *path,
                            const struct header *header, struct error *e)
{
    void *base = MAP_FAILED;

    memory->fd = open_file(path, header, memory->size, e);
    if (memory->fd < 0)
        return ERR_CONFIG;
    bool taken = take_slot(memory);
    unlock(memory->fd, 0);
    if (taken)
        base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
    if (base != MAP_FAILED) {
        memory->base = base;
        return ERR_OK;
    }
    unusable(e, path, taken ? strerror(errno) : "has no free slot for another worker");
    close(memory->fd);
    memory->fd = -1;
    return ERR_CONFIG;
}

/* --- truncation while in use ------------------------------------------------------------------ */

static _Atomic(struct metrics_memory *) guarded;

static void *map_private(void *where, size_t size)
{
    int fixed = where ? MAP_FIXED : 0;

    return mmap(where, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
}

/* Counting in a page that was truncated raises SIGBUS. Put private memory in its place and go on:
 * an operator's `> metrics` must not end a worker that serves. Only mmap and atomics are used,
 * which are safe in a handler. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    struct metrics_memory *memory = atomic_load(&guarded);
    const char *at = info->si_addr;

    (void)context;
    if (memory && at >= memory->base && at < memory->base + memory->size &&
        map_private(memory->base, memory->size) != MAP_FAILED)
        atomic_store(&memory->lost, true);
    else
        signal(number, SIG_DFL);
}

static void guard(struct metrics_memory *memory)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    atomic_store(&guarded, memory);
    sigaction(SIGBUS, &action, NULL);
}

/* --- public ----------------------------------------------------------------------------------- */

enum err metrics_memory_open(const char *path, const struct metrics_layout *layout,
                             struct metrics_memory **out, struct error *e)
{
    struct metrics_memory *memory = *out = xcalloc(1, sizeof *memory);
    struct header header = {.meaning = layout->meaning,
                            .counters = layout->counters,
                            .gauges = layout->gauges,
                            .slots = METRICS_SLOTS};
    size_t bytes = (layout->counters + layout->gauges) * sizeof(metric);
    enum err err = ERR_OK;

    memcpy(header.magic, magic, sizeof magic);
    memory->fd = -1;
    memory->counters = layout->counters;
    memory->stride = (bytes + LINE - 1) / LINE * LINE;
    memory->size = PAGE + METRICS_SLOTS * memory->stride;
    if (path)
        err = open_shared(memory, path, &header, e);
    if (memory->fd < 0) {
        memory->own = 0;
        memory->base = map_private(NULL, memory->size);
        if (memory->base == MAP_FAILED)
            abort();
    }
    guard(memory);
    for (size_t i = 0; i < layout->gauges; i++)
        atomic_store(&metrics_memory_gauges(memory)[i], 0);
    return err;
}

void metrics_memory_close(struct metrics_memory *memory)
{
    if (!memory)
        return;
    atomic_store(&guarded, NULL);
    munmap(memory->base, memory->size);
    if (memory->fd >= 0)
        close(memory->fd);
    free(memory);
}

/* Counters start where the last owner of the slot left them, so the sum over all slots never falls,
 * which Prometheus would take for a restart. */
metric *metrics_memory_counters(const struct metrics_memory *memory)
{
    return slot_at(memory, memory->own);
}

metric *metrics_memory_gauges(const struct metrics_memory *memory)
{
    return slot_at(memory, memory->own) + memory->counters;
}

void metrics_memory_sum(const struct metrics_memory *memory, uint64_t *sums)
{
    for (size_t slot = 0; slot < METRICS_SLOTS; slot++) {
        const metric *counters = slot_at(memory, slot);
        for (size_t i = 0; i < memory->counters; i++)
            sums[i] += atomic_load_explicit(&counters[i], memory_order_relaxed);
    }
}

const metric *metrics_memory_live_gauges(const struct metrics_memory *memory, size_t slot)
{
    bool lives = slot == memory->own ||
                 (metrics_memory_shared(memory) && locked_by_other(memory->fd, 1 + slot));

    return lives ? slot_at(memory, slot) + memory->counters : NULL;
}

bool metrics_memory_shared(const struct metrics_memory *memory)
{
    return memory->fd >= 0 && !atomic_load(&memory->lost);
}
