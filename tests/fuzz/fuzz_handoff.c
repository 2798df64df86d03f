/* SPDX-License-Identifier: MIT */
/* Fuzzes agent/handoff: of a file that a user leaves in the name of a vsay-shell the agent stores
 * only what vsay-api accepts. The input is the file. */
#include "config.h"

#include <unistd.h>

#include "agent/handoff.h"
#include "fuzz_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    struct agent *agent = fuzz_agent("http://127.0.0.1");

    if (!path)
        path = fuzz_path("state/drop/" SESSION ".jsonl");
    fuzz_write(path, data, size);
    MUST(handoff_collect(agent->handoff, SESSION, ""));
    MUST(access(path, F_OK) != 0);
    fuzz_agent_empty(agent);
    return 0;
}
