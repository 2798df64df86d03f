/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

enum { SYSTEMD_FD = 3, BACKLOG = 1024 };

static bool is_listening(int fd)
{
    int on = 0;
    socklen_t size = sizeof on;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on;
}

/* LISTEN_PID guards against variables that were meant for a parent process. */
int listen_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (pid && count && atol(pid) == (long)getpid() && atol(count) >= 1)
        return is_listening(SYSTEMD_FD) ? SYSTEMD_FD : -1;
    return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

static enum err bind_and_listen(int fd, const struct sockaddr *address, socklen_t length)
{
    return bind(fd, address, length) == 0 && listen(fd, BACKLOG) == 0 ? ERR_OK : ERR_IO;
}

/* Removes a socket that refuses connections, which a killed process leaves behind; bind would fail
 * on it for ever. Leaves one that is in use, and any other file: the path may be a typing error. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (stat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static enum err listen_unix(const char *path, int *fd, struct error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    remove_stale(&address);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind_and_listen(*fd, (struct sockaddr *)&address, sizeof address))
        return error_set(e, ERR_IO, "cannot listen on unix:%s: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err listen_tcp(const char *host, const char *port, int *fd, struct error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int on = 1;
    int status = getaddrinfo(*host ? host : NULL, port, &hints, &found);

    if (status != 0)
        return error_set(e, ERR_IO, "%s:%s: %s", host, port, gai_strerror(status));
    *fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* else a restart fails while the kernel remembers old connections (TIME_WAIT) */
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    enum err err = *fd < 0 ? ERR_IO : bind_and_listen(*fd, found->ai_addr, found->ai_addrlen);
    if (err)
        error_set(e, err, "cannot listen on %s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    return err;
}

/* Needed because getaddrinfo takes 65616 for 80. Port 0 would mean any port, which nobody could
 * configure in the web server. */
static bool is_port(const char *text)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);

    return number >= 1 && number <= 65535 && !*end;
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

enum err listen_check(const char *address, struct error *e)
{
    const char *path = address + strlen("unix:"), *colon = strrchr(address, ':');
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

    if (!is_unix(address) && (!colon || !is_port(colon + 1)))
        return error_set(e, ERR_CONFIG, "--listen: %s: neither unix:PATH nor HOST:PORT", address);
    if (is_unix(address) && !*path)
        return error_set(e, ERR_CONFIG,
                         "--listen: unix: needs a path, as in unix:/run/vsay/api.sock");
    if (is_unix(address) && strlen(path) > room)
        return error_set(e, ERR_CONFIG,
                         "--listen: %s: longer than the %zu bytes of a socket's name", path, room);
    return ERR_OK;
}

/* The brackets of an IPv6 address keep its colons apart from the port's. */
enum err listen_on(const char *address, int *fd, struct error *e)
{
    enum err wrong = listen_check(address, e);

    *fd = -1;
    if (wrong)
        return wrong;
    if (is_unix(address))
        return listen_unix(address + strlen("unix:"), fd, e);

    const char *colon = strrchr(address, ':');
    bool bracketed = *address == '[' && colon > address && colon[-1] == ']';
    char *host = xstrndup(address + bracketed, (size_t)(colon - address) - 2u * bracketed);
    enum err err = listen_tcp(host, colon + 1, fd, e);
    free(host);
    return err;
}

/* --- connections ------------------------------------------------------------------------------ */

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;

    if (address->ss_family == AF_INET)
        return ntohl(ipv4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr);
}

static bool is_tcp(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET || address->ss_family == AF_INET6;
}

/* The numeric host of an address. An IPv4 address that came over IPv6 is written as IPv4. */
static void host_of(const struct sockaddr_storage *address, char out[NI_MAXHOST])
{
    static const char mapped[] = "::ffff:";

    *out = '\0';
    getnameinfo((const struct sockaddr *)address, sizeof *address, out, NI_MAXHOST, NULL, 0,
                NI_NUMERICHOST);
    if (strncmp(out, mapped, strlen(mapped)) == 0 && strchr(out, '.'))
        memmove(out, out + strlen(mapped), strlen(out + strlen(mapped)) + 1);
}

/* Returns whether the comma-separated list contains the host. */
static bool list_has(const char *list, const char *host)
{
    size_t length = strlen(host);

    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " ");
        if (strncmp(p, host, length) == 0 && strchr(", ", p[length]))
            return true;
    }
    return false;
}

/* The only hosts that may connect over TCP (FastCGI 1.0 section 3.2); NULL: any. */
static const char *web_servers(void)
{
    const char *list = getenv("FCGI_WEB_SERVER_ADDRS");

    return list && *list ? list : NULL;
}

/* A peer that reaches the port can pose as the web server: it can set any variable, though not
 * forge tokens. */
static void warn_if_open(int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[NI_MAXHOST];

    if (getsockname(listener, (struct sockaddr *)&address, &size) || !is_tcp(&address) ||
        is_loopback(&address) || web_servers())
        return;
    host_of(&address, host);
    log_event(
        LEVEL_WARNING, "listen",
        "address=%s detail=\"any host that reaches this port can pose as the web server: listen on "
        "a UNIX socket or on 127.0.0.1, or set FCGI_WEB_SERVER_ADDRS\"",
        host);
}

/* The list is FastCGI's only access control (FastCGI 1.0 section 3.2). Workers that listen on a
 * UNIX socket leave that to its file mode. */
static bool may_connect(const struct sockaddr_storage *peer)
{
    char host[NI_MAXHOST];

    if (!is_tcp(peer) || !web_servers())
        return true;
    host_of(peer, host);
    if (list_has(web_servers(), host))
        return true;
    log_event(LEVEL_WARNING, "accept", "peer=%s detail=\"not in FCGI_WEB_SERVER_ADDRS\"", host);
    return false;
}

void listen_prepare(int listener)
{
    warn_if_open(listener);
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
}

/* Without TCP_NODELAY, the end of a response written in two pieces waits for the web server's
 * acknowledgement. */
int listen_accept(int listener, bool *exhausted)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    int on = 1,
        fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        *exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (*exhausted)
            log_event(LEVEL_ERROR, "accept", "detail=\"%s\"", strerror(errno));
        return -1;
    }
    if (!may_connect(&peer)) {
        close(fd);
        return -1;
    }
    if (is_tcp(&peer))
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* --- connections handed from worker to worker ------------------------------------------------- */

/* A message with the mark and one descriptor. */
struct descriptor_message {
    unsigned char mark;
    struct iovec part;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr header;
};

/* Prepares a message for either direction, and returns the place of its descriptor. */
static struct cmsghdr *prepare(struct descriptor_message *message)
{
    *message = (struct descriptor_message){.mark = HANDOVER_MARK};
    message->part = (struct iovec){&message->mark, 1};
    message->header = (struct msghdr){.msg_iov = &message->part,
                                      .msg_iovlen = 1,
                                      .msg_control = message->control,
                                      .msg_controllen = sizeof message->control};
    return CMSG_FIRSTHDR(&message->header);
}

/* Connects to the listener's own address; -1 on failure. */
static int connect_to(int listener)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;

    if (getsockname(listener, (struct sockaddr *)&address, &length) ||
        address.sun_family != AF_UNIX)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool listen_hand_over(int listener, int fd)
{
    struct descriptor_message message;
    struct cmsghdr *control = prepare(&message);
    int carrier = connect_to(listener);

    if (carrier < 0)
        return false;
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    bool sent = sendmsg(carrier, &message.header, MSG_NOSIGNAL) == 1;
    close(carrier);
    return sent;
}

int listen_take_over(int fd)
{
    struct descriptor_message message;
    struct cmsghdr *control = prepare(&message);
    int received = -1;

    if (recvmsg(fd, &message.header, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    if (message.header.msg_controllen >= CMSG_LEN(sizeof received) &&
        control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
        memcpy(&received, CMSG_DATA(control), sizeof received);
    return received;
}
