/* SPDX-License-Identifier: MIT */
/* Checks a file of trusted certificate authorities when the configuration is read. TLS libraries
 * read the file only when they connect, and then report little more than failure.
 *
 * vsay-agent uses TLS through libcurl and links no TLS library itself. So this looks only at the
 * frame of each certificate. That finds another kind of file, one that was cut off, and a line that
 * was lost in pasting. Whether a certificate can be trusted, the library decides. */
#ifndef BASE_CERTIFICATES_H
#define BASE_CERTIFICATES_H

#include "base/error.h"

/* Returns whether the file can be read and holds at least one certificate in PEM form (RFC 7468
 * section 5), and none that is cut off. ERR_CONFIG with the reason otherwise. */
enum err certificates_check(const char *path, struct error *e);

#endif
