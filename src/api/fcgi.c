/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/fcgi.h"

#include <fcgiapp.h>
#include <stdlib.h>

#include "base/xalloc.h"

void fcgi_library_init(void)
{
    FCGX_Init();
}

struct FCGX_Request *fcgi_new(void)
{
    FCGX_Request *fcgi = xcalloc(1, sizeof *fcgi);

    FCGX_InitRequest(fcgi, -1, 0);
    return fcgi;
}

void fcgi_free(struct FCGX_Request *fcgi)
{
    if (!fcgi)
        return;
    fcgi_finish(fcgi);
    free(fcgi);
}

/* libfcgi would accept a connection by itself and read from it without a time limit. With a
 * descriptor in place and keepConnection set, it reads from that descriptor instead. After a
 * malformed request it closes the descriptor, tries to accept from its listener, which is -1, and
 * fails. */
bool fcgi_decode(struct FCGX_Request *fcgi, int fd, bool *keep_alive)
{
    fcgi->ipcFd = fd;
    fcgi->keepConnection = 1;
    FCGX_Detach(fcgi); /* otherwise it waits up to 2 s for the peer to close */
    if (FCGX_Accept_r(fcgi) != 0)
        return false;
    *keep_alive = fcgi->keepConnection != 0;
    return true;
}

char *const *fcgi_variables(const struct FCGX_Request *fcgi)
{
    return fcgi->envp;
}

int fcgi_request_id(const struct FCGX_Request *fcgi)
{
    return fcgi->requestId;
}

long fcgi_read(struct FCGX_Request *fcgi, char *buffer, size_t size)
{
    int n = FCGX_GetStr(buffer, (int)size, fcgi->in);

    return n == 0 && FCGX_GetError(fcgi->in) ? -1 : n;
}

/* The input buffer is half of the memory of a waiting request. */
void fcgi_end_reading(struct FCGX_Request *fcgi)
{
    char buffer[4096];

    if (!fcgi->in)
        return;
    while (fcgi_read(fcgi, buffer, sizeof buffer) > 0)
        ;
    FCGX_FreeStream(&fcgi->in);
}

/* Does what FCGX_Finish_r does, but also works once the input stream is freed. */
bool fcgi_encode(struct FCGX_Request *fcgi, int fd, const char *head, size_t head_length,
                 const char *body, size_t body_length)
{
    fcgi->ipcFd = fd;
    FCGX_PutStr(head, (int)head_length, fcgi->out);
    FCGX_PutStr(body, (int)body_length, fcgi->out);
    bool written = FCGX_FClose(fcgi->err) == 0;
    written = FCGX_FClose(fcgi->out) == 0 && written;
    fcgi_finish(fcgi);
    return written;
}

void fcgi_finish(struct FCGX_Request *fcgi)
{
    FCGX_Free(fcgi, 0);
    fcgi->ipcFd = -1;
}
