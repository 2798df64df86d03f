/* SPDX-License-Identifier: MIT */
/* The threads that ask the database. The first one only reads, if there are others. */
#ifndef API_ANSWERER_H
#define API_ANSWERER_H

/* Runs one answerer of a struct worker until the board is stopped and empty. */
void answerer_run(void *worker);

#endif
