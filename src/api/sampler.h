/* SPDX-License-Identifier: MIT */
/* The sampler: a thread that records each tenant's fleet once in each slot of usage history (see
 * store/usage.h), unless another worker did. Ends when the coalescer is stopped. */
#ifndef API_SAMPLER_H
#define API_SAMPLER_H

#include "api/scheduler.h"

void sampler_run(struct scheduler *scheduler);

#endif
