/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "machine/ipc.h"

#include <errno.h>
#include <json.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/xalloc.h"

/* The kernel counts its own overhead for a packet against the buffer, and refuses a packet that the
 * buffer cannot take at all (EMSGSIZE). */
void ipc_widen(int fd)
{
    int size = 2 * IPC_PACKET_MAX;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

void ipc_make_directory(const char *path)
{
    char *copy = xstrdup(path);
    const char *directory = dirname(copy);

    if (mkdir(directory, 0755) == 0) /* a failure shows in bind(2) */
        chmod(directory, 0755);      /* whatever the umask */
    free(copy);
}

enum err ipc_connect(const char *path, int *fd, struct error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(e, ERR_IO, "%s is too long for the path of a socket", path);
    strcpy(address.sun_path, path);
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (struct sockaddr *)&address, sizeof address) == 0) {
        ipc_widen(*fd);
        return ERR_OK;
    }
    error_set(e, ERR_IO, "cannot connect to %s: %s", path, strerror(errno));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return ERR_IO;
}

enum err ipc_send(int fd, struct json_object *object)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

    if (length > IPC_PACKET_MAX)
        return ERR_TOO_LARGE;
    while (send(fd, text, length, MSG_NOSIGNAL) < 0) {
        if (errno == EAGAIN)
            return ERR_BUSY;
        if (errno == EMSGSIZE)
            return ERR_TOO_LARGE;
        if (errno != EINTR)
            return ERR_IO;
    }
    return ERR_OK;
}

struct json_object *ipc_parse(const char *text, size_t length)
{
    struct json_object *object = NULL;

    json_read(text, length, &object);
    return object;
}

/* Returns the length of the next packet without removing it, 0 at the end, -1 with errno. When a
 * peer closes without having read everything, ECONNRESET is reported once before its last packets,
 * so it is skipped. */
static ssize_t peek(int fd)
{
    char byte;
    ssize_t length;

    do
        length = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC);
    while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    return length;
}

/* The length is read first, so a packet gets as much memory as it needs and no more. One that is
 * too large is read into a single byte, which makes the kernel discard it. */
enum err ipc_receive(int fd, struct json_object **out)
{
    ssize_t length = peek(fd);

    *out = NULL;
    if (length <= 0)
        return length < 0 && errno == EAGAIN ? ERR_BUSY : ERR_IO;
    size_t room = length <= IPC_PACKET_MAX ? (size_t)length : 1;
    char *text = xcalloc(1, room);
    if (recv(fd, text, room, MSG_DONTWAIT) == length)
        *out = ipc_parse(text, room);
    free(text);
    return *out ? ERR_OK : ERR_REQUEST;
}

const char *ipc_text(const struct json_object *object, const char *member)
{
    struct json_object *value;

    if (!json_object_object_get_ex(object, member, &value) ||
        !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

int64_t ipc_number(const struct json_object *object, const char *member)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, member, &value);
    return json_object_get_int64(value);
}

struct json_object *ipc_array(const struct json_object *object, const char *member)
{
    struct json_object *array = NULL;

    json_object_object_get_ex(object, member, &array);
    return json_object_is_type(array, json_type_array) ? array : NULL;
}

const char *ipc_text_at(const struct json_object *array, size_t index)
{
    struct json_object *item = json_object_array_get_idx(array, index);

    return json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
}
