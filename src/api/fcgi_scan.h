/* SPDX-License-Identifier: MIT */
/* Finds the requests in the bytes that a web server sends (FastCGI 1.0 section 3.3), and checks
 * them before libfcgi sees the first byte. libfcgi trusts its peer: lengths in PARAMS over INT_MAX
 * abort the process, and it waits for whatever is missing. A request that is good here is
 * BEGIN_REQUEST of a responder, then all of PARAMS, then STDIN, all of one request id. Records
 * between these that are no part of it are found too: they are answered apart (`notice`). */
#ifndef API_FCGI_SCAN_H
#define API_FCGI_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum { RECORD_HEADER = 8 };

/* For all PARAMS of a request: twice what nginx takes for a head by default. */
enum { RECORD_PARAMS_MAX = 64 * 1024 };

/* Of BEGIN_REQUEST and GET_VALUES. */
enum { RECORD_SMALL_MAX = 512 };

enum record_type {
    RECORD_BEGIN = 1,
    RECORD_ABORT = 2,
    RECORD_END = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6,
    RECORD_GET_VALUES = 9,
    RECORD_VALUES = 10,
    RECORD_UNKNOWN_TYPE = 11
};

enum record_stage {
    RECORDS_BEGIN, /* no request has begun */
    RECORDS_PARAMS,
    RECORDS_BODY,  /* PARAMS are complete, STDIN is not */
    RECORDS_WHOLE, /* the request has ended */
    RECORDS_BAD    /* it is none that can be served; so it stays */
};

/* What wants an answer of its own. */
enum record_notice {
    NOTICE_NONE,
    NOTICE_VALUES,         /* GET_VALUES, all of it in `record` (section 4.1) */
    NOTICE_UNKNOWN_TYPE,   /* another management record (section 4.2) */
    NOTICE_UNKNOWN_ROLE,   /* a request to an authorizer or a filter */
    NOTICE_CANT_MULTIPLEX, /* a request that begins before the first has ended */
    NOTICE_ABORT           /* of the request that is under way (section 5.4) */
};

/* Bytes of the request under way. */
struct record_piece {
    const unsigned char *bytes;
    size_t length;
};

/* Zero-initialise; the members up to `used` are the caller's to read. */
struct fcgi_scan {
    enum record_stage stage;
    unsigned request_id;
    bool keeps;                /* the request has FCGI_KEEP_CONN */
    bool mixed;                /* not all bytes so far are libfcgi's to read */
    enum record_notice notice; /* of the last step */
    unsigned notice_id, notice_type;
    size_t notice_length; /* of the content in `record` */
    bool notice_keeps;    /* the refused request has FCGI_KEEP_CONN */
    unsigned char record[RECORD_HEADER + RECORD_SMALL_MAX]; /* a header, and what is SMALL */
    size_t used;

    int kind;                 /* of the record under way */
    size_t content, padding;  /* left of it */
    unsigned ended_id;        /* of a request that is over: the rest of it is skipped */
    unsigned char lengths[8]; /* of a name and its value, as far as they have come */
    size_t lengths_used;
    size_t pair;   /* left of the name and value under way */
    size_t params; /* bytes of PARAMS, and of the pair that they have announced */
};

/* One step: takes some of the `count` > 0 bytes and returns how many. *piece are bytes of the
 * request, to be kept for libfcgi; they are of the input or of the scan. Takes nothing once the
 * request is whole or bad. */
size_t fcgi_scan(struct fcgi_scan *scan, const unsigned char *bytes, size_t count,
                 struct record_piece *piece);

/* Whether the next byte is the first of a record, and no request is under way. */
bool fcgi_scan_between(const struct fcgi_scan *scan);

/* Gets ready for the next request on the connection. */
void fcgi_scan_next(struct fcgi_scan *scan);

#endif
