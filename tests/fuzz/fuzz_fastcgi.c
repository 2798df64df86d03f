/* SPDX-License-Identifier: MIT */
/* api/records and api/exchange with libfcgi behind them: FastCGI records as they come on a socket,
 * whole or in pieces. The first byte of the input is the length of a piece (0: whole); the rest is
 * what the web server sends before it hangs up. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/app.h"
#include "api/exchange.h"
#include "fuzz_api.h"

/* libfcgi keeps 48 bytes of some requests that break off while it reads them: its own leak. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfcgi.so";
}

/* Reads the request, and answers it. */
static void serve(struct exchange *exchange)
{
    struct error e = {0};
    struct reply *reply;
    enum err err = exchange_parse(exchange, &e);

    if (!err)
        err = request_discard_body(&exchange->request, 64 * 1024, &e);
    reply = err ? reply_error(err, &e) : reply_message(200, "It came");
    exchange_write(exchange, reply);
    reply_release(reply);
}

/* As api/gateway_fcgi does: collects, and reads what there is when it is complete, or broke off
 * where it can be answered. libfcgi has to take all that. */
static void receive(struct exchange *exchange, int peer, struct text input, size_t piece)
{
    enum progress progress = PROGRESS_MORE;

    MUST(incoming_open(&exchange->incoming));
    while (input.length && progress == PROGRESS_MORE) {
        size_t length = piece && piece < input.length ? piece : input.length;
        ssize_t sent = send(peer, input.bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        MUST(sent > 0);
        input.bytes += sent;
        input.length -= (size_t)sent;
        progress = incoming_receive(&exchange->incoming, exchange_socket(exchange));
    }
    shutdown(peer, SHUT_WR);
    if (progress == PROGRESS_COMPLETE || incoming_answerable(&exchange->incoming)) {
        MUST(exchange_read_collected(exchange));
        serve(exchange);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    int ends[2];

    if (size == 0 || size > 64 * 1024)
        return 0;
    if (!begun)
        exchange_library_init();
    begun = true;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    struct exchange *exchange = exchange_new(fuzz_app()->settings);
    exchange_open(exchange, ends[0]);
    receive(exchange, ends[1], (struct text){(const char *)data + 1, size - 1}, data[0]);
    exchange_free(exchange);
    close(ends[1]);
    return 0;
}
