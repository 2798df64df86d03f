/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/limits.h"

#include <sys/resource.h>

size_t limits_descriptors(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}
