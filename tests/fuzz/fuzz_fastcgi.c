/* SPDX-License-Identifier: MIT */
/* api/connection and libfcgi: the bytes that a web server sends on one connection before it closes
 * it. The first byte of the input is the size of the pieces (0: all at once). Only FastCGI records
 * may come back, and no connection may be left open. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/io.h"
#include "fuzz_api.h"

/* libfcgi itself leaks 48 bytes when some requests break off while it reads them. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfcgi.so";
}

/* A worker whose database is down, so calls are refused at once. */
static struct io *new_io(void)
{
    static struct scheduler scheduler;
    struct io_shared *shared = fuzz_shared();

    fcgi_library_init();
    shared->connections_max = 10;
    shared->scheduler = &scheduler;
    scheduler_open(&scheduler, shared->settings, shared->connections_max);
    return io_new(shared, -1);
}

/* Reads the responses; at the end, checks that they are complete records. */
static void check_answers(int peer, bool closed)
{
    static unsigned char bytes[1 << 20];
    static size_t count;
    ssize_t n;

    while ((n = recv(peer, bytes + count, sizeof bytes - count, MSG_DONTWAIT)) > 0)
        count += (size_t)n;
    if (!closed)
        return;
    for (size_t at = 0; at < count;) {
        MUST(at + RECORD_HEADER <= count && bytes[at] == 1);
        MUST(bytes[at + 1] == RECORD_END || bytes[at + 1] == RECORD_STDOUT ||
             bytes[at + 1] == RECORD_VALUES || bytes[at + 1] == RECORD_UNKNOWN_TYPE);
        at += RECORD_HEADER + ((size_t)bytes[at + 4] << 8 | bytes[at + 5]) + bytes[at + 6];
        MUST(at <= count);
    }
    count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct io *io;
    int ends[2];

    if (size == 0 || size > 64 * 1024)
        return 0;
    if (!io)
        io = new_io();
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    connection_open(io, ends[0]);
    for (size_t at = 1; at < size && io->count;) {
        size_t length = data[0] && data[0] < size - at ? data[0] : size - at;
        ssize_t sent = send(ends[1], data + at, length, MSG_NOSIGNAL);
        MUST(sent > 0);
        at += (size_t)sent;
        io_turn(io, 0);
        check_answers(ends[1], false);
    }
    shutdown(ends[1], SHUT_WR);
    for (int turns = 0; io->count; turns++) {
        MUST(turns < 100);
        io_turn(io, 0);
        check_answers(ends[1], false);
    }
    check_answers(ends[1], true);
    close(ends[1]);
    return 0;
}
