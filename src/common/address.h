/* SPDX-License-Identifier: MIT */
/* The parts of addresses as they stand in configurations: RFC 3986 section 3, and no more of it
 * than is of use there. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct address {
    const char *host; /* in the text, without brackets */
    size_t host_length;
    unsigned port; /* 0: none is given */
    bool is_ipv6;
};

/* Reads HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, of `length` bytes; a host is a name or an IPv4
 * address. NULL, or what is wrong with it (static). */
const char *address_parse(const char *text, size_t length, struct address *out);

/* Whether a path, "" or segments that each begin with a slash, comes through web servers as it is.
 * NULL, or what is wrong with it (static). */
const char *address_check_path(const char *path);

/* Whether `text` is an origin as browsers send it (RFC 6454 section 6.2). NULL, or what is wrong
 * with it (static). */
const char *address_check_origin(const char *text);

enum { ADDRESS_IP_MAX = 45 }; /* the longest IPv6 address, as text */

/* Reads an IPv4 or IPv6 address of `length` bytes and writes it in the form that all have in common
 * (RFC 5952), without a zone; an IPv4 address that is mapped into IPv6 as IPv4. False when it is
 * none. */
bool address_ip(const char *text, size_t length, char out[ADDRESS_IP_MAX + 1]);

struct db_address {
    char *host; /* NULL for a UNIX socket */
    char *socket;
    unsigned port; /* 0: the default */
};

/* Parses HOST, HOST:PORT, [IPV6]:PORT or /path/of/socket. ERR_CONFIG for anything else. The caller
 * calls address_free_db in either case. */
enum err address_parse_db(const char *text, struct db_address *out, struct error *e);
void address_free_db(struct db_address *address);

#endif
