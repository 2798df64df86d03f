/* SPDX-License-Identifier: MIT */
/* api/request, api/route, api/dispatch, api/json_body: a request up to the database. The input is
 * the CGI variables as lines NAME=VALUE, an empty line, and the body. ROLE=user, or another role,
 * stands for a valid token. */
#include "config.h"

#include <string.h>

#include "api/request.h"
#include "base/xalloc.h"
#include "fuzz_api.h"

enum { VARIABLES_MAX = 32 };

static char *variable(struct text line)
{
    char *text = xstrndup(line.bytes, line.length);
    const char *bearer = strncmp(text, "ROLE=", 5) == 0 ? fuzz_bearer(text + 5) : NULL;

    if (!bearer)
        return text;
    free(text);
    return xasprintf("HTTP_AUTHORIZATION=%s", bearer);
}

/* Removes the variables from `input`, leaving the body. */
static void read_variables(struct text *input, char *envp[VARIABLES_MAX + 1])
{
    struct text line;

    for (int i = 0; i < VARIABLES_MAX && (line = fuzz_cut(input, "\n")).length; i++)
        envp[i] = variable(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text body = {(const char *)data, size};
    char *envp[VARIABLES_MAX + 1] = {NULL};
    struct request request;
    struct error e = {0};

    read_variables(&body, envp);
    if (request_parse(&request, envp, "", fuzz_read_body, &body, &e) == ERR_OK)
        fuzz_dispatch(&request);
    for (char **one = envp; *one; one++)
        free(*one);
    return 0;
}
