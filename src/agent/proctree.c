/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/proctree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

enum sight { GONE, SEEN, HIDDEN };

/* One line of the process table, proc(5). */
struct entry {
    pid_t pid, parent, session;
    unsigned long long start;
    bool lives; /* or else it is a zombie, whose children are perhaps not */
    bool ours;
};

struct table {
    struct entry *entries;
    size_t count;
    bool whole;
};

/* The command, in parentheses, may hold anything. A main thread that has called pthread_exit(3) is
 * a zombie, and the process is not. */
static bool parse_stat(const char *text, struct entry *out)
{
    char state;
    int parent, session;
    long threads;
    const char *rest = strrchr(text, ')');

    if (!rest ||
        sscanf(rest + 1,
               " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu",
               &state, &parent, &session, &threads, &out->start) != 5)
        return false;
    out->parent = parent;
    out->session = session;
    out->lives = state != 'X' && (state != 'Z' || threads > 1);
    return true;
}

/* ESRCH comes when it has gone since the file was opened. */
static enum sight read_entry(pid_t pid, struct entry *out)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    bool gone = length < 0 && (errno == ENOENT || errno == ESRCH);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return gone ? GONE : HIDDEN;
    text[length] = '\0';
    *out = (struct entry){.pid = pid};
    return parse_stat(text, out) ? SEEN : HIDDEN;
}

static int by_pid(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

/* What an administrator hides from us (hidepid, proc(5)) is not missed. */
static void read_table(struct table *table)
{
    DIR *directory = opendir("/proc");
    const struct dirent *found;
    struct entry entry;

    table->whole = directory != NULL;
    while (directory && (found = readdir(directory))) {
        long pid = strtol(found->d_name, NULL, 10);
        enum sight sight = pid > 0 ? read_entry((pid_t)pid, &entry) : GONE;
        table->whole = table->whole && (sight != HIDDEN || errno == EPERM || errno == EACCES);
        if (sight != SEEN)
            continue;
        table->entries = xrealloc(table->entries, (table->count + 1) * sizeof entry);
        table->entries[table->count++] = entry;
    }
    if (directory)
        closedir(directory);
    if (table->count)
        qsort(table->entries, table->count, sizeof entry, by_pid);
}

static const struct entry *find(const struct table *table, pid_t pid)
{
    const struct entry key = {.pid = pid};

    return table->count ? bsearch(&key, table->entries, table->count, sizeof key, by_pid) : NULL;
}

static bool is(const struct entry *entry, const struct process *process)
{
    return entry->pid == process->pid && entry->start == process->start;
}

bool process_find(pid_t pid, struct process *out)
{
    struct entry entry;

    if (pid <= 0 || read_entry(pid, &entry) != SEEN || !entry.lives)
        return false;
    *out = (struct process){entry.pid, entry.start};
    return true;
}

static enum sight look_at(const struct process *process)
{
    struct entry entry;
    enum sight sight = process->pid > 0 ? read_entry(process->pid, &entry) : GONE;

    return sight == SEEN && !(entry.lives && is(&entry, process)) ? GONE : sight;
}

bool process_alive(const struct process *process)
{
    return look_at(process) != GONE;
}

bool process_signal(const struct process *process, int number)
{
    enum sight sight = look_at(process);

    if (sight == GONE)
        errno = ESRCH;
    return sight == SEEN && kill(process->pid, number) == 0;
}

bool process_descends(pid_t pid, pid_t ancestor)
{
    struct entry entry;

    while (pid > 1 && read_entry(pid, &entry) == SEEN) {
        pid = entry.parent;
        if (pid == ancestor)
            return true;
    }
    return false;
}

/* Whether the parent of `entry` is the tree's root or known to be ours. */
static bool child(const struct table *table, const struct entry *entry, const struct process *root)
{
    const struct entry *parent = find(table, entry->parent);

    return parent && (parent->ours || is(parent, root));
}

static bool belongs_to(const struct entry *entry, uid_t uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%ld", (long)entry->pid);
    return stat(path, &st) == 0 && st.st_uid == uid;
}

/* The kernel gives no process the id of a session that has members. So when the leader's id is a
 * stranger's, there are none; when it is nobody's, there may be a stranger's. */
static void mark_members(struct table *table, const struct proctree *tree)
{
    const struct process *leader = &tree->leader;
    const struct entry *holder = find(table, leader->pid);

    if (leader->pid <= 0 || (holder ? !is(holder, leader) : !tree->leader_seen))
        return;
    for (size_t i = 0; i < table->count; i++) {
        struct entry *entry = &table->entries[i];
        entry->ours =
            entry == holder || (entry->session == leader->pid && entry->start >= leader->start &&
                                (holder || belongs_to(entry, tree->uid)));
    }
}

static void mark_descendants(struct table *table, const struct process *root)
{
    bool found = true;

    while (found) {
        found = false;
        for (size_t i = 0; i < table->count; i++) {
            struct entry *entry = &table->entries[i];
            if (!entry->ours && !is(entry, root) && child(table, entry, root))
                entry->ours = found = true;
        }
    }
}

size_t proctree_signal(const struct proctree *tree, int number)
{
    struct table table = {0};
    size_t count = 0;

    read_table(&table);
    mark_members(&table, tree);
    mark_descendants(&table, &tree->shell);
    for (size_t i = 0; i < table.count; i++) {
        const struct entry *entry = &table.entries[i];
        const struct process process = {entry->pid, entry->start};
        if (!entry->ours || !entry->lives)
            continue;
        count++;
        if (number)
            process_signal(&process, number);
    }
    free(table.entries);
    return table.whole ? count : count + 1;
}
