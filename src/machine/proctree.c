/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "machine/proctree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/xalloc.h"

/* Everything is read from /proc/PID/stat: it has pid, parent, session and start time in one line,
 * is readable for all users (unless hidepid forbids it), and is read by one system call, so its
 * fields belong together. The table as a whole is no snapshot: processes come and go while it is
 * read. So nothing is concluded from one reading that a second one could refute.
 *
 * The three values of `enum sight` matter. GONE must be certain, since vsay confirms the end of a
 * session by it. What cannot be read, for want of rights or of descriptors, is HIDDEN. */

/* The number of times that proctree_gone reads the process table at most. */
enum { LOOKS_MAX = 5 };

enum sight { GONE, SEEN, HIDDEN };

/* A process in the table; see proc(5). */
struct entry {
    pid_t pid, parent, session;
    unsigned long long start;
    bool lives; /* false for a zombie, which may still have living children */
    bool in_tree;
};

struct table {
    struct entry *entries;
    size_t count;
    bool whole;  /* no process is missing because of an error, such as no descriptors */
    bool denied; /* some processes may not be read by us */
};

/* Parses /proc/PID/stat. The name, in parentheses, may contain anything. If the main thread has
 * called pthread_exit(3), the state is that of a zombie although the process lives. */
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

/* Reads a process. ESRCH means that it exited after its file was opened. */
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

/* Returns whether other users' processes can be seen. hidepid, proc(5), may change at any time. */
static bool sees_others(void)
{
    struct entry first;

    return read_entry(1, &first) == SEEN;
}

static void add_entry(struct table *table, const struct entry *entry)
{
    table->entries = xrealloc(table->entries, (table->count + 1) * sizeof *entry);
    table->entries[table->count++] = *entry;
}

static void read_table(struct table *table)
{
    DIR *directory = opendir("/proc");
    const struct dirent *found;
    struct entry entry;

    table->whole = directory && sees_others();
    while (directory && (found = readdir(directory))) {
        long pid = strtol(found->d_name, NULL, 10);
        enum sight sight = pid > 0 ? read_entry((pid_t)pid, &entry) : GONE;
        bool denied = sight == HIDDEN && (errno == EPERM || errno == EACCES);
        table->denied = table->denied || denied;
        table->whole = table->whole && (sight != HIDDEN || denied);
        if (sight == SEEN)
            add_entry(table, &entry);
    }
    if (directory)
        closedir(directory);
    if (table->count)
        qsort(table->entries, table->count, sizeof entry, by_pid);
}

/* The table is sorted because a tree is found by looking up each process's parent. */
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

/* Under hidepid a hidden process looks like none at all, so that counts only if we see others. */
static enum sight look_at(const struct process *process)
{
    struct entry entry;
    enum sight sight = process->pid > 0 ? read_entry(process->pid, &entry) : GONE;

    if (sight == GONE && process->pid > 0 && !sees_others())
        return HIDDEN;
    return sight == SEEN && !(entry.lives && is(&entry, process)) ? GONE : sight;
}

bool process_seen(const struct process *process)
{
    return look_at(process) == SEEN;
}

bool process_alive(const struct process *process)
{
    return look_at(process) != GONE;
}

/* Calls pidfd_open(2), for which older C libraries lack a wrapper. Returns -1 with ENOSYS on
 * kernels before 5.3 and in containers that forbid it. */
static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0 && errno == EPERM)
        errno = ENOSYS;
    return fd;
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

static bool send_signal(int pidfd, pid_t pid, int number)
{
#ifdef SYS_pidfd_send_signal
    if (pidfd >= 0)
        return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) == 0;
#endif
    return kill(pid, number) == 0;
}

/* The order makes it safe: a pidfd stands for one process, whatever becomes of its pid. If it is
 * the right one after the pidfd was opened, the signal cannot reach another. */
bool process_signal(const struct process *process, int number)
{
    int fd = process->pid > 0 ? open_pidfd(process->pid) : -1;

    if (process->pid <= 0 || (fd < 0 && errno != ENOSYS))
        return false;
    enum sight sight = look_at(process);
    if (sight == GONE)
        errno = ESRCH;
    bool sent = sight == SEEN && send_signal(fd, process->pid, number);
    int cause = errno;
    if (fd >= 0)
        close(fd);
    errno = cause;
    return sent;
}

/* Goes up by one parent at a time. Init ends it, and so does a process that cannot be read. */
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

/* The kernel's own list of children is short and quick to read; it covers the main thread, which is
 * the only one of vsay-shell and of shells. */
size_t process_children(pid_t pid, struct process *out, size_t room)
{
    char path[64];
    size_t count = 0;
    int child;

    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    FILE *file = fopen(path, "re");
    while (file && count < room && fscanf(file, "%d", &child) == 1)
        count += process_find(child, &out[count]);
    if (file)
        fclose(file);
    return count;
}

/* Returns whether the parent of `entry` is the tree's root or already known to be in the tree. */
static bool child(const struct table *table, const struct entry *entry, const struct process *root)
{
    const struct entry *parent = find(table, entry->parent);

    return parent && (parent->in_tree || is(parent, root));
}

static bool belongs_to(const struct entry *entry, uid_t uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%ld", (long)entry->pid);
    return stat(path, &st) == 0 && st.st_uid == uid;
}

/* Marks the members of the leader's session. The kernel never reuses a pid that is the id of a
 * session with members. So if a stranger has the leader's pid, no members are left. If no process
 * has it, the members found may be those of a later session with the same id. */
static void mark_members(struct table *table, const struct proctree *tree)
{
    const struct process *leader = &tree->leader;
    const struct entry *holder = find(table, leader->pid);

    if (leader->pid <= 0 || (holder ? !is(holder, leader) : !tree->leader_seen))
        return;
    for (size_t i = 0; i < table->count; i++) {
        struct entry *entry = &table->entries[i];
        entry->in_tree =
            entry == holder || (entry->session == leader->pid && entry->start >= leader->start &&
                                (holder || belongs_to(entry, tree->uid)));
    }
}

/* A parent may have a higher pid than its child, as pids wrap around; so it goes through the table
 * until nothing is added, mostly twice. */
static void mark_descendants(struct table *table, const struct process *root)
{
    bool found = true;

    while (found) {
        found = false;
        for (size_t i = 0; i < table->count; i++) {
            struct entry *entry = &table->entries[i];
            if (!entry->in_tree && !is(entry, root) && child(table, entry, root))
                entry->in_tree = found = true;
        }
    }
}

static void read_tree(struct table *table, const struct proctree *tree)
{
    *table = (struct table){0};
    read_table(table);
    mark_members(table, tree);
    mark_descendants(table, &tree->shell);
}

/* A table that is not whole counts as one process more, so the caller looks again. */
size_t proctree_signal(const struct proctree *tree, int number)
{
    struct table table;
    size_t count = 0;

    read_tree(&table, tree);
    for (size_t i = 0; i < table.count; i++) {
        const struct entry *entry = &table.entries[i];
        const struct process process = {entry->pid, entry->start};
        if (!entry->in_tree || !entry->lives)
            continue;
        count++;
        if (number)
            process_signal(&process, number);
    }
    free(table.entries);
    return table.whole ? count : count + 1;
}

/* Returns whether every process's parent is in the table. One that exited while the table was read
 * leaves its children without a place in the tree. */
static bool is_consistent(const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct entry *entry = &table->entries[i];
        if (entry->lives && entry->parent > 0 && !find(table, entry->parent))
            return false;
    }
    return true;
}

/* Two readings in a row must find nothing. A process that forks and exits while the table is read
 * may move to a part that was read already, but only once: when pids wrap around. */
bool proctree_gone(const struct proctree *tree)
{
    int empty = 0;

    for (int i = 0; i < LOOKS_MAX && empty < 2; i++) {
        struct table table;
        size_t left = 0;
        read_tree(&table, tree);
        for (size_t j = 0; j < table.count; j++)
            left += table.entries[j].in_tree && table.entries[j].lives;
        bool sure = table.whole && !table.denied && is_consistent(&table);
        free(table.entries);
        if (left || !process_seen(&tree->shell))
            return false;
        empty = sure ? empty + 1 : 0;
    }
    return empty == 2;
}
