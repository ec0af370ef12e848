/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a session's command: one stream of bytes in which 01 01 01 says that stdout follows and 02 02 02
 * that stderr does. Pure: bytes in, segments out, whatever the cuts.
 */
#ifndef DAYTONA_WIRE_DEMUX_H
#define DAYTONA_WIRE_DEMUX_H

#include <stddef.h>

enum { DAYTONA__DEMUX_NONE, DAYTONA__DEMUX_OUT, DAYTONA__DEMUX_ERR };

/* All zero at the beginning of a log. */
typedef struct daytona__demux {
  unsigned char stream; /* of what comes next */
  unsigned char byte;   /* of a marker that may have begun */
  unsigned char kept;   /* how many of them: 0 to 2 */
} daytona__demux_t;

/* `size` bytes, never 0, of DAYTONA__DEMUX_OUT or DAYTONA__DEMUX_ERR. Valid during the call. */
typedef void (*daytona__demux_cb)(void *user, int stream, const char *bytes, size_t size);

/*
 * More of the log. Bytes before the first marker are dropped; up to two that may begin a marker are kept back. Lines of
 * one stream that follow each other are delivered together, without the markers between them: programs are called
 * once for a chunk of the log and not for each of its lines.
 */
void daytona__demux_feed(daytona__demux_t *demux, const char *bytes, size_t size, daytona__demux_cb emit,
                         void *user);

/* The log has ended: what was kept back is data. */
void daytona__demux_end(daytona__demux_t *demux, daytona__demux_cb emit, void *user);

#endif
