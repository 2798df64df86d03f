/* SPDX-License-Identifier: MIT */
/* Checks the records of one FastCGI request (FastCGI 1.0 section 3.3) as their bytes come, and
 * finds its end. libfcgi, which parses them afterwards, trusts its peer: lengths in PARAMS over
 * INT_MAX abort the process, and it waits for whatever is missing. So it only gets what was found
 * good here: BEGIN_REQUEST of a responder, then all of PARAMS, then STDIN, all of one request id.
 */
#ifndef API_RECORD_SCAN_H
#define API_RECORD_SCAN_H

#include <stddef.h>

enum { RECORD_HEADER = 8 };

/* For all PARAMS of a request: twice what nginx takes for a head by default. */
enum { RECORD_PARAMS_MAX = 64 * 1024 };

enum record_type {
    RECORD_BEGIN = 1,
    RECORD_END = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6
};

enum record_stage {
    RECORDS_BEGIN,
    RECORDS_PARAMS,
    RECORDS_BODY,  /* PARAMS are complete, STDIN is not */
    RECORDS_WHOLE, /* the request has ended; more bytes are not looked at */
    RECORDS_BAD    /* it is none that can be served; so it stays */
};

/* Zero-initialise; callers need no more than `stage`. */
struct record_scan {
    enum record_stage stage;
    unsigned char head[2 * RECORD_HEADER]; /* a header, or all of BEGIN_REQUEST */
    size_t head_used;
    size_t content, padding; /* left of the record under way */
    unsigned request_id;
    unsigned char lengths[8]; /* of a name and its value, as far as they have come */
    size_t lengths_used;
    size_t pair;   /* left of the name and value under way */
    size_t params; /* bytes of PARAMS, and of the pair that they have announced */
};

/* Takes the next bytes; returns `stage`. */
enum record_stage record_scan(struct record_scan *scan, const unsigned char *bytes, size_t count);

#endif
