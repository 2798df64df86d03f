/* SPDX-License-Identifier: MIT */
/* A file with the certificate authorities to trust, before a TLS library is given it: these only
 * look when they connect, and say little. */
#ifndef BASE_CERTIFICATES_H
#define BASE_CERTIFICATES_H

#include "base/error.h"

/* Whether the file can be read and holds certificates in PEM form (RFC 7468 section 5), one at
 * least, each of them whole. ERR_CONFIG with the reason otherwise. */
enum err certificates_check(const char *path, struct error *e);

#endif
