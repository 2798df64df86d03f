/* SPDX-License-Identifier: MIT */
/* Addresses in configurations and reports: hosts, paths, origins, IP addresses and database
 * servers. Parses the parts of RFC 3986 section 3 that are needed, and is strict: a mistake in an
 * address otherwise shows only when a request or a connection fails.
 *
 * Checks need no name service, so a configuration can be checked without a network. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct address {
    const char *host; /* points into the text; without brackets */
    size_t host_length;
    unsigned port; /* 0: none is given */
    bool is_ipv6;
};

/* Parses HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, of `length` bytes; a host is a name or an IPv4
 * address. Returns NULL, or what is wrong (static). */
const char *address_parse(const char *text, size_t length, struct address *out);

/* Checks a path, "" or segments that each begin with a slash: web servers must pass it on
 * unchanged. Returns NULL, or what is wrong (static). */
const char *address_check_path(const char *path);

/* Checks an origin as browsers send it (RFC 6454 section 6.2). Returns NULL, or what is wrong
 * (static). */
const char *address_check_origin(const char *text);

enum { ADDRESS_IP_MAX = 45 }; /* the longest IPv6 address, as text */

/* Parses an IPv4 or IPv6 address of `length` bytes and writes its canonical form (RFC 5952),
 * without a zone. An IPv4 address mapped into IPv6 is written as IPv4. False when the text is no IP
 * address. */
bool address_ip(const char *text, size_t length, char out[ADDRESS_IP_MAX + 1]);

/* One item of db.host: a database server. */
struct db_address {
    char *host; /* NULL for a UNIX socket */
    char *socket;
    unsigned port; /* 0: the default */
};

/* Parses HOST, HOST:PORT, [IPV6]:PORT or /path/of/socket. ERR_CONFIG for anything else. The caller
 * calls address_free_db, also on error. */
enum err address_parse_db(const char *text, struct db_address *out, struct error *e);
void address_free_db(struct db_address *address);

#endif
