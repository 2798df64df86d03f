/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/xalloc.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum { HOST_MAX = 253, PORT_MAX = 65535, PORT_DIGITS = 5 };

/* Returns whether there is at least one byte, and all of them are in `set`. */
static bool consists_of(const char *text, size_t length, const char *set)
{
    for (size_t i = 0; i < length; i++) {
        if (!text[i] || !strchr(set, text[i]))
            return false;
    }
    return length > 0;
}

/* Parses an address of `family`. An IPv6 address may have a zone, as in fe80::1%eth0. */
static bool read_ip(int family, const char *text, size_t length, void *out)
{
    char copy[INET6_ADDRSTRLEN];
    const char *zone = family == AF_INET6 ? memchr(text, '%', length) : NULL;
    size_t used = zone ? (size_t)(zone - text) : length;

    if (used >= sizeof copy)
        return false;
    memcpy(copy, text, used);
    copy[used] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static bool is_ipv6(const char *text, size_t length)
{
    struct in6_addr address;

    return read_ip(AF_INET6, text, length, &address);
}

bool address_ip(const char *text, size_t length, char out[ADDRESS_IP_MAX + 1])
{
    struct in6_addr six;
    struct in_addr four;

    if (memchr(text, '\0', length))
        return false;
    if (read_ip(AF_INET, text, length, &four))
        return inet_ntop(AF_INET, &four, out, ADDRESS_IP_MAX + 1);
    if (!read_ip(AF_INET6, text, length, &six))
        return false;
    /* A socket for both families reports IPv4 peers like this; people search for 192.0.2.7. */
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return inet_ntop(AF_INET, &six.s6_addr[12], out, ADDRESS_IP_MAX + 1);
    return inet_ntop(AF_INET6, &six, out, ADDRESS_IP_MAX + 1);
}

static const char *parse_port(const char *text, size_t length, unsigned *port)
{
    *port = 0;
    if (length > PORT_DIGITS || !consists_of(text, length, DIGITS))
        return "its port is not a number from 1 to 65535";
    for (size_t i = 0; i < length; i++)
        *port = *port * 10 + (unsigned)(text[i] - '0');
    return *port >= 1 && *port <= PORT_MAX ? NULL : "its port is not a number from 1 to 65535";
}

/* An IPv6 address needs brackets even without a port: ::1:80 is an address, too. */
const char *address_parse(const char *text, size_t length, struct address *out)
{
    const char *bracket = length && *text == '[' ? memchr(text, ']', length) : NULL;
    const char *end = bracket ? bracket + 1 : memchr(text, ':', length);

    *out = (struct address){.host = text, .host_length = end ? (size_t)(end - text) : length};
    if (bracket) {
        out->host++;
        out->host_length -= 2;
        out->is_ipv6 = true;
        if (!is_ipv6(out->host, out->host_length))
            return "its brackets hold no IPv6 address";
    } else if (is_ipv6(text, length)) {
        return "put an IPv6 address in brackets: [ADDRESS]";
    } else if (out->host_length > HOST_MAX ||
               !consists_of(text, out->host_length, LOWER UPPER DIGITS ".-_")) {
        return "it has no valid host name";
    }
    if (!end || end == text + length)
        return NULL;
    return *end == ':' ? parse_port(end + 1, (size_t)(text + length - end - 1), &out->port)
                       : "only a port may follow its brackets";
}

/* --- paths and origins ----------------------------------------------------------------------- */

/* Web servers decode, merge slashes and resolve dots before they pass a path on. A prefix that they
 * would change could never match. */
const char *address_check_path(const char *path)
{
    static const char plain[] = LOWER UPPER DIGITS "-._~!$&'()*+,;=:@";

    while (*path) {
        if (*path++ != '/')
            return "it must begin with a slash";
        size_t length = strcspn(path, "/");
        if (length == 0)
            return "it ends with a slash or has two in a row";
        if (!consists_of(path, length, plain))
            return "it has a character that a path may not have, or that web servers decode";
        if (path[0] == '.' && (length == 1 || (length == 2 && path[1] == '.')))
            return "it has a segment of dots, which clients remove";
        path += length;
    }
    return NULL;
}

/* An origin is compared with the header byte by byte, so it must have the one form that browsers
 * send. */
const char *address_check_origin(const char *text)
{
    const char *host = strstr(text, "://");
    struct address address;

    if (strcmp(text, "*") == 0)
        return "name each origin; there is no wildcard";
    if (!host || !consists_of(text, (size_t)(host - text), LOWER DIGITS "+-."))
        return "it is not SCHEME://HOST or SCHEME://HOST:PORT";
    host += strlen("://");
    if (strchr(host, '/'))
        return "an origin has no path and no final slash";
    const char *why = address_parse(host, strlen(host), &address);
    if (why)
        return why;
    if (strpbrk(host, UPPER))
        return "write the host in lower case, as browsers send it";
    bool https = strncmp(text, "https:", 6) == 0, http = strncmp(text, "http:", 5) == 0;
    if ((https && address.port == 443) || (http && address.port == 80))
        return "leave out the default port, as browsers do";
    return NULL;
}

/* --- database servers ------------------------------------------------------------------------ */

/* A missing socket is no mistake: the server may start later. */
static enum err check_socket(const char *path, struct error *e)
{
    struct sockaddr_un address;
    struct stat st;

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(e, ERR_CONFIG,
                         "db.host: %s is longer than the %zu bytes of a socket's path", path,
                         sizeof address.sun_path - 1);
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return error_set(e, ERR_CONFIG, "db.host: %s is not a socket", path);
    return ERR_OK;
}

enum err address_parse_db(const char *text, struct db_address *out, struct error *e)
{
    struct address address;

    *out = (struct db_address){0};
    if (*text == '/') {
        out->socket = xstrdup(text);
        return check_socket(text, e);
    }
    const char *why = address_parse(text, strlen(text), &address);
    if (why)
        return error_set(e, ERR_CONFIG, "db.host: %s: %s", text, why);
    out->host = xstrndup(address.host, address.host_length);
    out->port = address.port;
    return ERR_OK;
}

void address_free_db(struct db_address *address)
{
    free(address->host);
    free(address->socket);
}
