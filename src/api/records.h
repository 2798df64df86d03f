/* SPDX-License-Identifier: MIT */
/* FastCGI records (FastCGI 1.0 section 3.3) to and from sockets that must not be waited for.
 * libfcgi, which waits, does the rest. */
#ifndef API_RECORDS_H
#define API_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/pump.h"
#include "api/record_scan.h"

/* A request that is collected in a file in memory. */
struct incoming {
    int file; /* -1: none */
    size_t size;
    struct record_scan scan;
};

/* False when there is no file to be had. */
bool incoming_open(struct incoming *incoming);

/* Takes what has come on socket `fd`. Once it is complete, `file` is to be read from its start. */
enum progress incoming_receive(struct incoming *incoming, int fd);

/* Whether what has come is enough for an answer, if only that the body broke off. */
bool incoming_answerable(const struct incoming *incoming);

/* Hands over the file, at its start; the caller closes it, before incoming_close. */
int incoming_take(struct incoming *incoming);

/* Closes the file unless it was handed over, and gives its room back. */
void incoming_close(struct incoming *incoming);

/* An answer on its way; the texts are borrowed. */
struct outgoing {
    int request_id;
    const char *body;
    size_t body_length;
    unsigned char header[RECORD_HEADER], end[2 * RECORD_HEADER];
    const char *content; /* of the record under way */
    size_t length, sent; /* of its content; of header and content */
    bool ended;
};

void outgoing_start(struct outgoing *outgoing, int request_id, const char *head, size_t head_length,
                    const char *body, size_t body_length);

/* Sends as much as socket `fd` takes. */
enum progress outgoing_send(struct outgoing *outgoing, int fd);

#endif
