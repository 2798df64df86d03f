/* SPDX-License-Identifier: MIT */
/* Errors, and what the client is told about each.
 *
 * There is one list of errors for all layers, because the decision what an error means is one: the
 * store knows whether a statement may be tried again, the API answers with a status, and the log
 * needs a level. With one code for all of them no layer has to translate another's.
 *
 * A function that can fail returns an enum err, and fills a struct error with the detail for the
 * log. Only the table in error.c maps an error to an HTTP status, a message and a log level, so a
 * detail of the database or of a file cannot reach a client by accident: only error_public and
 * error_public_format send text from the place of the failure. */
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
    ERR_INSTANCE, /* another instance of the machine's agent is reporting */
    ERR_FULL,     /* the machine has too many open sessions */
    ERR_INTERNAL,
    ERR_DB,          /* the database refused a statement */
    ERR_DB_DATA,     /* the database will never store a value of the request */
    ERR_DB_BUSY,     /* the database cannot do this now; the connection is good */
    ERR_DB_CONFLICT, /* deadlock, lock wait, certification: the transaction may be repeated */
    ERR_DB_AWAY,     /* no connection */
    ERR_DB_SCHEMA,   /* connected, but migrations are missing */
    ERR_BUSY,        /* too many requests are queued */
    ERR_DEADLINE,    /* queued for too long */
    ERR_STOPPING,    /* this worker shuts down */
    ERR_CONFIG,      /* configuration error; the program does not start */
    ERR_IO,          /* a file or a socket failed */
    ERR_COUNT
};

/* One row per error. */
struct error_info {
    const char *name;      /* in the log */
    int status;            /* HTTP */
    int level;             /* enum log_level */
    const char *message;   /* in the response's body */
    const char *challenge; /* error code of WWW-Authenticate (RFC 6750 section 3.1), "" for a bare
                              challenge, NULL for none */
};

const struct error_info *error_info(enum err code);

/* The detail of one failure. Zero-initialise before use. */
struct error {
    enum err code;
    const char *public_message; /* static text for the client; NULL: the table's message */
    bool detail_is_public;      /* the client gets `detail` as the message */
    char detail[256];           /* for the log */
    unsigned db_number;         /* the database server's error number; 0: not from the server */
};

/* Fills `e`, which may be NULL, for the log. Returns `code`, as the next two do. */
enum err error_set(struct error *e, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a static text that the client gets too. */
enum err error_public(struct error *e, enum err code, const char *public_message);

/* The same with a formatted text, which must be well-formed UTF-8. */
enum err error_public_format(struct error *e, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
