/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/records.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    RECORD_VERSION = 1,
    CONTENT_MAX = 32 * 1024,
    PIECE = 16 * 1024,
    REQUEST_MAX = 8 << 20,    /* bytes of one request, more than any route takes */
    COLLECTED_MAX = 256 << 20 /* bytes of all that are collected and not read yet */
};

/* --- incoming -------------------------------------------------------------------------------- */

static atomic_size_t collected;

bool incoming_open(struct incoming *incoming)
{
    *incoming = (struct incoming){.file = memfd_create("request", MFD_CLOEXEC)};
    return incoming->file >= 0;
}

static bool keep(struct incoming *incoming, const unsigned char *bytes, size_t count)
{
    if (incoming->size + count > REQUEST_MAX || atomic_load(&collected) + count > COLLECTED_MAX ||
        write(incoming->file, bytes, count) != (ssize_t)count)
        return false;
    incoming->size += count;
    atomic_fetch_add(&collected, count);
    return true;
}

enum progress incoming_receive(struct incoming *incoming, int fd)
{
    unsigned char piece[PIECE];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0) {
        if (!keep(incoming, piece, (size_t)n))
            return PROGRESS_BROKEN;
        switch (record_scan(&incoming->scan, piece, (size_t)n)) {
        case RECORDS_WHOLE:
            return PROGRESS_COMPLETE;
        case RECORDS_BAD:
            return PROGRESS_BROKEN;
        default:
            break;
        }
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? PROGRESS_MORE : PROGRESS_BROKEN;
}

bool incoming_answerable(const struct incoming *incoming)
{
    return incoming->scan.stage == RECORDS_BODY || incoming->scan.stage == RECORDS_WHOLE;
}

int incoming_take(struct incoming *incoming)
{
    int file = incoming->file;

    lseek(file, 0, SEEK_SET);
    incoming->file = -1;
    return file;
}

void incoming_close(struct incoming *incoming)
{
    if (incoming->file >= 0)
        close(incoming_take(incoming));
    atomic_fetch_sub(&collected, incoming->size);
    incoming->size = 0;
}

/* --- outgoing -------------------------------------------------------------------------------- */

static void put_header(unsigned char header[RECORD_HEADER], int type, int request_id, size_t length)
{
    const unsigned char bytes[RECORD_HEADER] = {RECORD_VERSION,
                                                (unsigned char)type,
                                                (unsigned char)(request_id >> 8),
                                                (unsigned char)request_id,
                                                (unsigned char)(length >> 8),
                                                (unsigned char)length};

    memcpy(header, bytes, RECORD_HEADER);
}

static void start_record(struct outgoing *outgoing, const char *content, size_t length)
{
    put_header(outgoing->header, RECORD_STDOUT, outgoing->request_id, length);
    outgoing->content = content;
    outgoing->length = length;
    outgoing->sent = 0;
}

void outgoing_start(struct outgoing *outgoing, int request_id, const char *head, size_t head_length,
                    const char *body, size_t body_length)
{
    *outgoing =
        (struct outgoing){.request_id = request_id, .body = body, .body_length = body_length};
    put_header(outgoing->end, RECORD_END, request_id, RECORD_HEADER);
    start_record(outgoing, head, head_length);
}

/* The next piece of the body, or the empty record that ends the stream, with that of the request.
 * False when all is sent. */
static bool next_record(struct outgoing *outgoing)
{
    size_t n = outgoing->body_length < CONTENT_MAX ? outgoing->body_length : CONTENT_MAX;

    if (outgoing->ended)
        return false;
    if (n) {
        start_record(outgoing, outgoing->body, n);
        outgoing->body += n;
        outgoing->body_length -= n;
        return true;
    }
    start_record(outgoing, NULL, 0);
    outgoing->content = (const char *)outgoing->end;
    outgoing->length = sizeof outgoing->end;
    outgoing->ended = true;
    return true;
}

static ssize_t send_record(struct outgoing *outgoing, int fd)
{
    size_t of_header = outgoing->sent < RECORD_HEADER ? RECORD_HEADER - outgoing->sent : 0;
    size_t of_content = outgoing->sent - (RECORD_HEADER - of_header);
    struct iovec parts[] = {
        {outgoing->header + RECORD_HEADER - of_header, of_header},
        {(void *)(uintptr_t)(outgoing->content + of_content), outgoing->length - of_content}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

enum progress outgoing_send(struct outgoing *outgoing, int fd)
{
    do {
        while (outgoing->sent < RECORD_HEADER + outgoing->length) {
            ssize_t n = send_record(outgoing, fd);
            if (n < 0)
                return errno == EAGAIN || errno == EINTR ? PROGRESS_MORE : PROGRESS_BROKEN;
            outgoing->sent += (size_t)n;
        }
    } while (next_record(outgoing));
    return PROGRESS_COMPLETE;
}
