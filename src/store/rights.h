/* SPDX-License-Identifier: MIT */
/* Whether a database user was granted what db/grants.sql or db/grants-operator.sql grant. */
#ifndef STORE_RIGHTS_H
#define STORE_RIGHTS_H

#include "store/db.h"

enum rights { RIGHTS_WORKER, RIGHTS_OPERATOR };

/* Tries what earlier releases did not grant, on no rows. *missing is the first right that is not
 * there, such as `INSERT on audit`, or NULL; static. */
enum err rights_check(struct db *db, enum rights rights, const char **missing, struct error *e);

#endif
