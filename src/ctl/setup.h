/* SPDX-License-Identifier: MIT */
/* vsayctl setup: its state, and its steps.
 *
 * A step looks for what it would make, keeps it if it is there, and says which of the two it did.
 * So setup has no memory of its own: it may stop anywhere and be run again, on a new host as on one
 * that was set up by hand. */
#ifndef CTL_SETUP_H
#define CTL_SETUP_H

#include "ctl/setup_plan.h"
#include "store/db.h"

struct setup {
    struct setup_plan plan;
    char *worker_grants, *operator_grants; /* SQL */
    struct settings ctx;                   /* for the administrator; borrows from the plan */
    struct db *db;
    char *from; /* the host that database users connect from */
};

/* --- the database, as its administrator: setup_db.c ------------------------------------------ */

/* Connects, if need be with a password that is asked for, and finds the host of the users. */
enum err setup_connect(struct setup *setup, struct error *e);

enum err setup_make_database(struct setup *setup, struct error *e);

/* Makes the users of workers and operators, and the files with their passwords. */
enum err setup_make_accounts(struct setup *setup, struct error *e);

enum err setup_make_schema(struct setup *setup, struct error *e);
enum err setup_make_rights(struct setup *setup, struct error *e);

#endif
