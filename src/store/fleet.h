/* SPDX-License-Identifier: MIT */
/* How the whole fleet is doing, in numbers, for who watches the service. */
#ifndef STORE_FLEET_H
#define STORE_FLEET_H

#include "store/db.h"

enum fleet_number {
    FLEET_ONLINE, /* machines */
    FLEET_OFFLINE,
    FLEET_NEVER,   /* that were never heard of */
    FLEET_DROPPED, /* commands that their agents had to give up */
    FLEET_UI,      /* active sessions, by source */
    FLEET_CLI,
    FLEET_VSCODE,
    FLEET_PENDING,        /* terminations that did not happen yet */
    FLEET_OLDEST_PENDING, /* s; 0: there is none */
    FLEET_RECENT_PENDING, /* of the 1,000 terminations that were asked for last, by outcome */
    FLEET_RECENT_CONFIRMED,
    FLEET_RECENT_VANISHED,
    FLEET_RECENT_EXPIRED,
    FLEET_NUMBERS
};

/* Loads them. Each machine is read once, and each session that did not end; no history is. */
enum err fleet_load(struct db *db, uint64_t out[FLEET_NUMBERS], struct error *e);

#endif
