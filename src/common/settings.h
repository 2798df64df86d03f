/* SPDX-License-Identifier: MIT */
/* vsay.conf: the one table of options, and the struct that it fills. */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include "base/conf.h"

enum { TLS_OFF, TLS_VERIFY };

struct settings {
    struct {
        char *prefix;
        long io_threads, db_workers;
        long max_parked;
        long deadline, io_timeout, body_timeout, shutdown_after; /* s */
        struct strlist cors_origins;
    } api;
    struct {
        struct strlist host;
        char *user, *password_file, *name;
        const char *password; /* in place of what is in the file; borrowed, NULL: there is none */
        long connect_timeout, read_timeout; /* s */
        int tls;
        char *tls_ca;
    } db;
    struct {
        struct strlist keys;
        char *jwks;
        struct strlist claim_user, claim_username, claim_tenant, claim_role, roles;
        int default_role; /* enum role */
        char *issuer, *audience;
        long leeway; /* s */
    } auth;
    struct {
        long offline_after, heartbeat_interval, signal_expires; /* s */
        long usage_history;                                     /* s; 0: none */
    } agents;
    struct {
        char *file; /* "": none */
    } metrics;
    struct {
        int target;   /* 0 stderr, 1 syslog */
        int level;    /* enum log_level */
        int requests; /* whether each is logged */
    } log;
    struct strlist obsolete; /* options that are given, and have no effect */
};

extern const struct conf_option settings_options[];
extern const size_t settings_options_count;

/* What a program is about to use, beside what the file says: its files are checked too. */
enum { SETTINGS_DB = 1, SETTINGS_KEYS = 2 };

/* Loads `path`, or when NULL $VSAY_CONF, or the installed default. `use` is of SETTINGS_*. *out is
 * zeroed first; the caller calls settings_free, on error too. Opens the log as configured for
 * `program`, if not NULL. */
enum err settings_load(const char *program, const char *path, unsigned use, struct settings *out,
                       struct error *e);

/* Reads the first line of the file db.password_file. ERR_CONFIG when it is unusable. The caller
 * wipes and frees *out. */
enum err settings_read_password(const char *path, char **out, struct error *e);
void settings_free(struct settings *settings);

#endif
