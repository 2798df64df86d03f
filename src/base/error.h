/* SPDX-License-Identifier: MIT */
/* What can go wrong, and what the client is told about it. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

enum err {
    ERR_OK = 0,
    ERR_REQUEST,     /* malformed request */
    ERR_CREDENTIALS, /* more than one credential (RFC 6750 section 3.1, invalid_request) */
    ERR_NO_TOKEN,    /* no bearer token at all */
    ERR_TOKEN,       /* a token that is not valid (invalid_token) */
    ERR_FORBIDDEN,   /* valid token, not enough rights (insufficient_scope) */
    ERR_NOT_FOUND,
    ERR_METHOD,
    ERR_TOO_LARGE,
    ERR_INSTANCE, /* another instance of the machine's agent reports */
    ERR_FULL,     /* the machine has too many open sessions */
    ERR_INTERNAL,
    ERR_DB,          /* the database refused a statement */
    ERR_DB_DATA,     /* the database will never store a value of the request */
    ERR_DB_BUSY,     /* the database cannot do it now; the connection is good */
    ERR_DB_CONFLICT, /* deadlock, lock wait, certification: the transaction may be repeated */
    ERR_DB_AWAY,     /* no connection */
    ERR_DB_SCHEMA,   /* connected, but migrations are missing */
    ERR_BUSY,        /* too many requests parked */
    ERR_DEADLINE,    /* parked for too long */
    ERR_STOPPING,    /* this worker shuts down */
    ERR_CONFIG,      /* wrong configuration; the program does not start */
    ERR_IO,          /* file or socket trouble */
    ERR_COUNT
};

/* One row an error: the only place that maps an error to its reply and its log level. */
struct error_info {
    const char *name;      /* in the log */
    int status;            /* HTTP */
    int level;             /* enum log_level */
    const char *message;   /* body of the reply */
    const char *challenge; /* error code of WWW-Authenticate (RFC 6750 section 3.1), "" for a bare
                              challenge, NULL for none */
};

const struct error_info *error_info(enum err code);

/* Detail of one failure. Zero-initialise before use. */
struct error {
    enum err code;
    const char *public_message; /* static text for the client; NULL: the table's message */
    bool detail_is_public;      /* the client is told the detail */
    char detail[256];           /* for the log */
    unsigned db_number;         /* what the database server calls it; 0: not one of its errors */
};

/* Fills `e` (may be NULL) for the log and returns `code`. */
enum err error_set(struct error *e, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with `public_message`, a static text that the client sees too. */
enum err error_public(struct error *e, enum err code, const char *public_message);

/* The same with a text that is made here, of well-formed UTF-8. */
enum err error_public_format(struct error *e, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
