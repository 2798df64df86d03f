/* SPDX-License-Identifier: MIT */
/* The plan of `vsayctl setup`: what is configured already wins, then the command line, then answers
 * given on a terminal. The plan is complete before anything is changed, so a wrong answer costs
 * nothing.
 *
 * Without a terminal there are no answers, and defaults take their place: the same command works in
 * a script. An option that contradicts the configuration is an error, not ignored: setup never
 * changes a setting that somebody made. */
#ifndef CTL_SETUP_PLAN_H
#define CTL_SETUP_PLAN_H

#include <pwd.h>

#include "common/settings.h"
#include "ctl/ctl.h"
#include "ctl/setup_files.h"

enum setup_option {
    SETUP_HOST,
    SETUP_NAME,
    SETUP_ADMIN,
    SETUP_ADMIN_PASSWORD_FILE,
    SETUP_FROM,
    SETUP_ONE_USER,
    SETUP_RUN_AS,
    SETUP_DIR,
    SETUP_YES
};

/* Owns everything except `flags`. */
struct setup_plan {
    const char *const *flags; /* by enum setup_option */
    bool asks;                /* a person at a terminal answers */
    char *conf;               /* absolute path of the configuration file */
    char *directory;          /* of it and of the secrets */
    bool conf_there;
    char *text;               /* text of the configuration, or of the sample */
    struct settings settings; /* as in the text, without the environment */
    char *host, *name;        /* of the database */
    char *admin;              /* its administrator */
    char *password;           /* the administrator's; NULL: none, or not asked for yet */
    bool one_user;            /* workers and operators work as the administrator too */
    char *worker;             /* the database user of workers */
    char *worker_file, *operator_file, *key_file; /* secrets */
    struct readers readers;                       /* for secrets that workers read */
    struct passwd *run_as; /* the user that workers run as; NULL: the present user. Static */
};

/* The caller calls setup_plan_free, also on error. */
enum err setup_plan_make(struct setup_plan *plan, const struct invocation *invocation,
                         struct error *e);
void setup_plan_free(struct setup_plan *plan);

/* Path of an installed file, in the directory of the migrations. The caller frees it. */
char *setup_plan_installed(const struct setup_plan *plan, const char *name);

/* Makes workers and operators work as the administrator. ERR_CONFIG when the configuration names
 * another user. */
enum err setup_plan_one_user(struct setup_plan *plan, struct error *e);

/* Asks for the administrator's password. False: there is no answer. */
bool setup_plan_ask_password(struct setup_plan *plan);

/* Asks a question. True: the answer is yes. */
bool setup_plan_confirm(const struct setup_plan *plan, const char *question);

#endif
