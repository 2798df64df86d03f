/* SPDX-License-Identifier: MIT */
/* The thread that looks at the fleets once in each slot of usage over time (see
 * store/fleet_usage.h), if no other worker does. Returns when the coalescer is stopped. */
#ifndef API_SAMPLER_H
#define API_SAMPLER_H

void sampler_run(void *worker);

#endif
