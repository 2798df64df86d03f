/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/exchange.h"

#include <fcgiapp.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/route.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { DRAIN_MAX = 8 << 20 }; /* bytes of an unread body that are read before an early answer */

struct large {
    struct reply *reply;
    char head[REPLY_HEAD_MAX];
    struct outgoing outgoing;
};

void exchange_library_init(void)
{
    FCGX_Init();
}

struct exchange *exchange_new(const struct settings *settings)
{
    struct exchange *exchange = xcalloc(1, sizeof *exchange);

    exchange->settings = settings;
    exchange->fcgi = xcalloc(1, sizeof *exchange->fcgi);
    FCGX_InitRequest(exchange->fcgi, -1, 0);
    exchange->incoming.file = exchange->peer = -1;
    return exchange;
}

/* libfcgi has read all from the file in memory: back to the socket. */
static void return_to_peer(struct exchange *exchange)
{
    if (exchange->peer < 0)
        return;
    close(exchange->fcgi->ipcFd);
    incoming_close(&exchange->incoming);
    exchange->fcgi->ipcFd = exchange->peer;
    exchange->peer = -1;
}

void exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return;
    question_free(exchange->waiter.question);
    if (exchange->large)
        reply_release(exchange->large->reply);
    free(exchange->large);
    return_to_peer(exchange);
    incoming_close(&exchange->incoming);
    FCGX_Detach(exchange->fcgi); /* no waiting for the peer to close */
    FCGX_Free(exchange->fcgi, 1);
    free(exchange->fcgi);
    free(exchange);
}

/* --- reading --------------------------------------------------------------------------------- */

void exchange_open(struct exchange *exchange, int fd)
{
    exchange->fcgi->ipcFd = fd;
    exchange->read_until = board_now() + exchange->settings->api.body_timeout * 1000;
}

int exchange_socket(const struct exchange *exchange)
{
    return exchange->fcgi->ipcFd;
}

/* libfcgi would accept by itself, and then read the parameters without a time limit. A request that
 * says it keeps its connection, with a descriptor in place, makes it read from that instead; after
 * a malformed one it turns to its own listener, which is -1, and fails. */
bool exchange_read(struct exchange *exchange)
{
    exchange->fcgi->keepConnection = 1;
    if (FCGX_Accept_r(exchange->fcgi) == 0)
        return true;
    log_event(LEVEL_WARNING, "request", "detail=\"not a whole FastCGI request\"");
    exchange->fcgi->keepConnection = 0;
    return false;
}

bool exchange_read_collected(struct exchange *exchange)
{
    exchange->peer = exchange->fcgi->ipcFd;
    exchange_open(exchange, incoming_take(&exchange->incoming));
    return exchange_read(exchange);
}

/* A peer that sends a byte now and then is cut off by read_until, a silent one by io_timeout. */
static long read_body(void *context, char *buffer, size_t size)
{
    struct exchange *exchange = context;

    if (board_now() > exchange->read_until)
        return -1;
    int n = FCGX_GetStr(buffer, (int)size, exchange->fcgi->in);
    return n == 0 && FCGX_GetError(exchange->fcgi->in) ? -1 : n;
}

enum err exchange_parse(struct exchange *exchange, struct error *e)
{
    return request_parse(&exchange->request, exchange->fcgi->envp, exchange->settings->api.prefix,
                         read_body, exchange, e);
}

/* The input buffer is half of what a parked request would hold. */
void exchange_shrink(struct exchange *exchange)
{
    FCGX_FreeStream(&exchange->fcgi->in);
    return_to_peer(exchange);
}

/* --- writing --------------------------------------------------------------------------------- */

/* A connection closed with unread input would reset what was written. */
static void drain(struct exchange *exchange)
{
    char buffer[4096];
    long n, total = 0;

    if (!exchange->fcgi->in || exchange->peer >= 0) /* the socket was read to the request's end */
        return;
    while ((n = read_body(exchange, buffer, sizeof buffer)) > 0 && total < DRAIN_MAX)
        total += n;
}

/* FCGX_Finish_r, also for a request whose input was freed already. */
static void finish(FCGX_Request *fcgi)
{
    FCGX_Detach(fcgi); /* no waiting for the peer to close */
    FCGX_FClose(fcgi->err);
    FCGX_FClose(fcgi->out);
    FCGX_Free(fcgi, 1);
}

void exchange_write(struct exchange *exchange, struct reply *reply)
{
    char head[REPLY_HEAD_MAX];
    size_t head_length = reply_head(reply, &exchange->request, exchange->settings, head);
    size_t body_length = reply_body_length(reply, &exchange->request);

    drain(exchange);
    return_to_peer(exchange);
    FCGX_PutStr(head, (int)head_length, exchange->fcgi->out);
    FCGX_PutStr(reply->body, (int)body_length, exchange->fcgi->out);
    reply_log(reply, &exchange->request);
    finish(exchange->fcgi);
}

void exchange_write_large(struct exchange *exchange, struct reply *reply)
{
    struct large *large = xcalloc(1, sizeof *large);
    size_t head_length = reply_head(reply, &exchange->request, exchange->settings, large->head);

    exchange->large = large;
    large->reply = reply_hold(reply);
    outgoing_start(&large->outgoing, exchange->fcgi->requestId, large->head, head_length,
                   reply->body, reply_body_length(reply, &exchange->request));
}

enum progress exchange_send(struct exchange *exchange)
{
    return outgoing_send(&exchange->large->outgoing, exchange->fcgi->ipcFd);
}

void exchange_log(const struct exchange *exchange)
{
    reply_log(exchange->large->reply, &exchange->request);
}
