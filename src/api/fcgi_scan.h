/* SPDX-License-Identifier: MIT */
/* Finds requests in the bytes from a web server (FastCGI 1.0 section 3.3), and validates them
 * before libfcgi sees the first byte.
 *
 * libfcgi trusts its peer. Two PARAMS lengths whose sum exceeds INT_MAX abort the process (found by
 * fuzzing), and it blocks on missing bytes. A valid request here is BEGIN_REQUEST for a responder,
 * all of PARAMS, then STDIN, all with one request id. Records that belong to no request are
 * reported as a `notice`, for the caller to answer. */
#ifndef API_FCGI_SCAN_H
#define API_FCGI_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum { RECORD_HEADER = 8 };

/* Limit for all PARAMS of a request: twice nginx's default for a request head. */
enum { RECORD_PARAMS_MAX = 64 * 1024 };

/* Limit for the content of BEGIN_REQUEST and GET_VALUES. */
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
    RECORDS_WHOLE, /* the request is complete */
    RECORDS_BAD    /* malformed; final */
};

/* Records that the caller must act on. */
enum record_notice {
    NOTICE_NONE,
    NOTICE_VALUES,         /* GET_VALUES, complete in `record` (section 4.1) */
    NOTICE_UNKNOWN_TYPE,   /* another management record (section 4.2) */
    NOTICE_UNKNOWN_ROLE,   /* a request for an authorizer or a filter */
    NOTICE_CANT_MULTIPLEX, /* a request that begins before the first has ended */
    NOTICE_ABORT           /* of the current request (section 5.4) */
};

/* Bytes of the current request. */
struct record_piece {
    const unsigned char *bytes;
    size_t length;
};

/* Zero-initialise. Callers may read the members up to `used`. */
struct fcgi_scan {
    enum record_stage stage;
    unsigned request_id;
    bool keep_conn;            /* the request has FCGI_KEEP_CONN */
    bool mixed;                /* some bytes so far must not reach libfcgi */
    enum record_notice notice; /* of the last step */
    unsigned notice_id, notice_type;
    size_t notice_length;  /* of the content in `record` */
    bool notice_keep_conn; /* the refused request has FCGI_KEEP_CONN */
    unsigned char record[RECORD_HEADER + RECORD_SMALL_MAX]; /* header, and content if small */
    size_t used;

    int kind;                 /* enum kind, of the current record */
    size_t content, padding;  /* bytes left of it */
    unsigned ended_id;        /* of a finished request: its late records are skipped */
    unsigned char lengths[8]; /* the two lengths of a pair, as received so far */
    size_t lengths_used;
    size_t pair;   /* bytes left of the current name and value */
    size_t params; /* bytes of PARAMS, including those announced */
};

/* Takes one step: consumes some of the `count` > 0 bytes and returns how many. *piece receives
 * bytes of the request to keep for libfcgi; they lie in the input or in the scan. Consumes nothing
 * once the request is complete or bad. */
size_t fcgi_scan(struct fcgi_scan *scan, const unsigned char *bytes, size_t count,
                 struct record_piece *piece);

/* Returns whether no request is under way and the next byte begins a record. */
bool fcgi_scan_between(const struct fcgi_scan *scan);

/* Prepares for the next request on the connection. */
void fcgi_scan_next(struct fcgi_scan *scan);

#endif
