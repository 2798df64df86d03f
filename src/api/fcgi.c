/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/xalloc.h"

/* --- libfcgi ---------------------------------------------------------------------------------- */

/* Installs libfcgi's handlers for signals too. They do nothing here, since all threads block
 * signals, and the main thread takes them with sigtimedwait. */
void fcgi_library_init(void)
{
    FCGX_Init();
}

struct FCGX_Request *fcgi_new(void)
{
    FCGX_Request *fcgi = xcalloc(1, sizeof *fcgi);

    FCGX_InitRequest(fcgi, -1, 0);
    return fcgi;
}

void fcgi_free(struct FCGX_Request *fcgi)
{
    if (!fcgi)
        return;
    fcgi_finish(fcgi);
    free(fcgi);
}

/* libfcgi would accept a connection by itself and read from it without a time limit. With a
 * descriptor in place and keepConnection set, it reads from that descriptor instead. After a
 * malformed request it closes the descriptor, tries to accept from its listener, which is -1, and
 * fails. */
bool fcgi_decode(struct FCGX_Request *fcgi, int fd, bool *keep_alive)
{
    fcgi->ipcFd = fd;
    fcgi->keepConnection = 1;
    FCGX_Detach(fcgi); /* otherwise it waits up to 2 s for the peer to close */
    if (FCGX_Accept_r(fcgi) != 0)
        return false;
    *keep_alive = fcgi->keepConnection != 0;
    return true;
}

char *const *fcgi_variables(const struct FCGX_Request *fcgi)
{
    return fcgi->envp;
}

int fcgi_request_id(const struct FCGX_Request *fcgi)
{
    return fcgi->requestId;
}

long fcgi_read(struct FCGX_Request *fcgi, char *buffer, size_t size)
{
    int n = FCGX_GetStr(buffer, (int)size, fcgi->in);

    return n == 0 && FCGX_GetError(fcgi->in) ? -1 : n;
}

/* The input buffer is half of the memory of a waiting request. */
void fcgi_end_reading(struct FCGX_Request *fcgi)
{
    char buffer[4096];

    if (!fcgi->in)
        return;
    while (fcgi_read(fcgi, buffer, sizeof buffer) > 0)
        ;
    FCGX_FreeStream(&fcgi->in);
}

/* Does what FCGX_Finish_r does, but also works once the input stream is freed. */
bool fcgi_encode(struct FCGX_Request *fcgi, int fd, const char *head, size_t head_length,
                 const char *body, size_t body_length)
{
    fcgi->ipcFd = fd;
    FCGX_PutStr(head, (int)head_length, fcgi->out);
    FCGX_PutStr(body, (int)body_length, fcgi->out);
    bool written = FCGX_FClose(fcgi->err) == 0;
    written = FCGX_FClose(fcgi->out) == 0 && written;
    fcgi_finish(fcgi);
    return written;
}

void fcgi_finish(struct FCGX_Request *fcgi)
{
    FCGX_Free(fcgi, 0);
    fcgi->ipcFd = -1;
}

enum {
    RECORD_VERSION = 1,
    CONTENT_MAX = 32 * 1024,
    RECORDS_AT_ONCE = 2,
    SENT_AT_ONCE = 16 * 1024, /* a UNIX socket reports progress only for whole writes */
    IN_MEMORY = 64 * 1024,    /* larger requests go to a memory file */
    REQUEST_MAX = 8 << 20,    /* bytes of one request: more than any route accepts */
    COLLECTED_MAX = 256 << 20 /* bytes of all requests being collected, in all threads */
};

/* --- incoming --------------------------------------------------------------------------------- */

/* Bytes kept by all threads. A limit for each request alone would not hold: a thousand slow clients
 * with 8 MiB each are 8 GB. */
static atomic_size_t collected;

/* A memory file grows or fails at once, so a short write is a failure. */
static bool put(struct incoming *incoming, const unsigned char *bytes, size_t length)
{
    return write(incoming->file, bytes, length) == (ssize_t)length;
}

/* A large buffer that grew by realloc fragments the heap and is hard to give back to the system; a
 * memory file goes back whole. libfcgi reads it like a socket. */
static bool move_to_file(struct incoming *incoming)
{
    if (incoming->file >= 0)
        return true;
    incoming->file = memfd_create("request", MFD_CLOEXEC);
    if (incoming->file < 0 || !put(incoming, incoming->bytes, incoming->size))
        return false;
    free(incoming->bytes);
    incoming->bytes = NULL;
    return true;
}

bool incoming_keep(struct incoming *incoming, const struct record_piece *piece)
{
    size_t size = incoming->size + piece->length;

    incoming->truncated |= size > REQUEST_MAX;
    if (incoming->truncated)
        return true;
    if (atomic_load(&collected) + piece->length > COLLECTED_MAX)
        return false;
    if (size > IN_MEMORY) {
        if (!move_to_file(incoming) || !put(incoming, piece->bytes, piece->length))
            return false;
    } else {
        incoming->bytes = xrealloc(incoming->bytes, size);
        memcpy(incoming->bytes + incoming->size, piece->bytes, piece->length);
    }
    incoming->size = size;
    atomic_fetch_add(&collected, piece->length);
    return true;
}

int incoming_open(struct incoming *incoming)
{
    return move_to_file(incoming) && lseek(incoming->file, 0, SEEK_SET) == 0 ? incoming->file : -1;
}

void incoming_close(struct incoming *incoming)
{
    if (incoming->size == 0 && incoming->file < 0)
        return;
    if (incoming->file >= 0)
        close(incoming->file);
    free(incoming->bytes);
    atomic_fetch_sub(&collected, incoming->size);
    *incoming = (struct incoming){.file = -1};
}

/* --- outgoing --------------------------------------------------------------------------------- */

static void put_header(unsigned char *header, int type, unsigned request_id, size_t length)
{
    const unsigned char bytes[RECORD_HEADER] = {RECORD_VERSION,
                                                (unsigned char)type,
                                                (unsigned char)(request_id >> 8),
                                                (unsigned char)request_id,
                                                (unsigned char)(length >> 8),
                                                (unsigned char)length};

    memcpy(header, bytes, RECORD_HEADER);
}

/* The input of one sendmsg: a few records, from some offset within the first one. */
struct chunk {
    struct iovec parts[3 * RECORDS_AT_ONCE + 1];
    int count;
    size_t skip; /* bytes already sent */
    size_t room; /* bytes that may still be added */
    unsigned char headers[RECORDS_AT_ONCE][RECORD_HEADER], end[3 * RECORD_HEADER];
};

static void chunk_add(struct chunk *chunk, const void *bytes, size_t length)
{
    size_t skipped = chunk->skip < length ? chunk->skip : length;

    chunk->skip -= skipped;
    length = length - skipped < chunk->room ? length - skipped : chunk->room;
    chunk->room -= length;
    if (length)
        chunk->parts[chunk->count++] =
            (struct iovec){(void *)(uintptr_t)((const char *)bytes + skipped), length};
}

/* Adds the part of `text` that lies in [from, to) of the content; `text` begins at `start` of
 * it. */
static void chunk_add_text(struct chunk *chunk, const char *text, size_t length, size_t start,
                           size_t from, size_t to)
{
    size_t begin = from > start ? from - start : 0;
    size_t end = to > start ? to - start : 0;

    end = end < length ? end : length;
    if (begin < end)
        chunk_add(chunk, text + begin, end - begin);
}

/* Builds the next chunk from the number of bytes sent, and keeps no other state: all records but
 * the last have the same length, so a division finds where to go on. */
static void chunk_fill(struct chunk *chunk, const struct outgoing *out)
{
    size_t all = out->head_length + out->body_length;
    size_t from = out->sent / (RECORD_HEADER + CONTENT_MAX) * CONTENT_MAX;

    *chunk =
        (struct chunk){.skip = out->sent % (RECORD_HEADER + CONTENT_MAX), .room = SENT_AT_ONCE};
    if (from > all) { /* the last record is shorter than the others */
        chunk->skip += from - all;
        from = all;
    }
    for (int i = 0; i < RECORDS_AT_ONCE && from < all; i++) {
        size_t to = all - from < CONTENT_MAX ? all : from + CONTENT_MAX;
        put_header(chunk->headers[i], RECORD_STDOUT, out->request_id, to - from);
        chunk_add(chunk, chunk->headers[i], RECORD_HEADER);
        chunk_add_text(chunk, out->head, out->head_length, 0, from, to);
        chunk_add_text(chunk, out->body, out->body_length, out->head_length, from, to);
        from = to;
    }
    if (from < all)
        return;
    put_header(chunk->end, RECORD_STDOUT, out->request_id, 0);
    put_header(chunk->end + RECORD_HEADER, RECORD_END, out->request_id, RECORD_HEADER);
    chunk_add(chunk, chunk->end, sizeof chunk->end);
}

enum progress outgoing_send(struct outgoing *outgoing, int fd)
{
    struct chunk chunk;

    for (;;) {
        chunk_fill(&chunk, outgoing);
        if (chunk.count == 0)
            return PROGRESS_COMPLETE;
        struct msghdr message = {.msg_iov = chunk.parts, .msg_iovlen = (size_t)chunk.count};
        ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? PROGRESS_MORE : PROGRESS_BROKEN;
        outgoing->sent += (size_t)n;
    }
}

/* --- records outside a request ---------------------------------------------------------------- */

/* Writes a record of eight bytes of content; `first` is its first byte, the others are 0. */
static void put_record(unsigned char *out, int type, unsigned request_id, unsigned char first)
{
    put_header(out, type, request_id, RECORD_HEADER);
    memset(out + RECORD_HEADER, 0, RECORD_HEADER);
    out[RECORD_HEADER] = first;
}

size_t record_end(unsigned char out[RECORD_ANSWER_MAX], unsigned request_id,
                  enum protocol_status status)
{
    put_record(out, RECORD_END, request_id, 0);
    out[RECORD_HEADER + 4] = (unsigned char)status;
    return 2 * RECORD_HEADER;
}

size_t record_unknown_type(unsigned char out[RECORD_ANSWER_MAX], unsigned type)
{
    put_record(out, RECORD_UNKNOWN_TYPE, 0, (unsigned char)type);
    return 2 * RECORD_HEADER;
}

/* Returns whether GET_VALUES lists `name`. Its pairs have short names and empty values
 * (section 4.1), so lengths of four bytes are not understood. */
static bool lists_name(const unsigned char *content, size_t length, const char *name)
{
    size_t size = strlen(name);

    for (size_t at = 0; at + 2 <= length; at += 2u + content[at] + content[at + 1]) {
        if (content[at] == size && content[at + 1] == 0 && at + 2 + size <= length &&
            memcmp(content + at + 2, name, size) == 0)
            return true;
    }
    return false;
}

size_t record_values(unsigned char out[RECORD_ANSWER_MAX], const unsigned char *content,
                     size_t length, size_t connections)
{
    static const char *const names[] = {"FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"};
    size_t used = RECORD_HEADER;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t left = RECORD_ANSWER_MAX - used, size = strlen(names[i]);
        if (!lists_name(content, length, names[i]))
            continue;
        int digits = snprintf((char *)out + used + 2, left - 2, "%s%zu", names[i],
                              i == 2 ? 0 : connections) -
                     (int)size;
        out[used] = (unsigned char)size;
        out[used + 1] = (unsigned char)digits;
        used += 2 + size + (size_t)digits;
    }
    put_header(out, RECORD_VALUES, 0, used - RECORD_HEADER);
    return used;
}
