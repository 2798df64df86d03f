/* SPDX-License-Identifier: MIT */
/* vsay.conf: the table of options, and the struct that it fills. vsay-api and vsayctl share it, so
 * that `vsay-api --check-config`, a start and `vsayctl doctor` never disagree on what is right. The
 * sample file and the list in vsay.conf(5) are made from the same table. */
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
        const char *password;               /* replaces the file's; borrowed; NULL: use the file */
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
    struct strlist obsolete; /* options that were given but have no effect any more */
};

extern const struct conf_option settings_options[];
extern const size_t settings_options_count;

/* Parts of the settings that a program is about to use. The files that the settings name for it are
 * checked too. */
enum { SETTINGS_DB = 1, SETTINGS_KEYS = 2 };

/* Loads `path`; if it is NULL, $VSAY_CONF or the installed default. `use` is a set of SETTINGS_*.
 * Zeroes *out first; the caller calls settings_free, also on error. Opens the log for `program`,
 * unless that is NULL. */
enum err settings_load(const char *program, const char *path, unsigned use, struct settings *out,
                       struct error *e);

/* Reads the first line of db.password_file. ERR_CONFIG when the file is unusable. The caller wipes
 * and frees *out. */
enum err settings_read_password(const char *path, char **out, struct error *e);
void settings_free(struct settings *settings);

#endif
