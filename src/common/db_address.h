/* SPDX-License-Identifier: MIT */
/* One item of db.host: where a database server is. */
#ifndef COMMON_DB_ADDRESS_H
#define COMMON_DB_ADDRESS_H

#include "base/error.h"

struct db_address {
    char *host; /* NULL for a UNIX socket */
    char *socket;
    unsigned port; /* 0: the default */
};

/* Parses HOST, HOST:PORT, [IPV6]:PORT or /path/of/socket. ERR_CONFIG for anything else. The caller
 * calls db_address_free in either case. */
enum err db_address_parse(const char *text, struct db_address *out, struct error *e);
void db_address_free(struct db_address *address);

#endif
