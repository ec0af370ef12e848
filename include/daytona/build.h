/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds: what a program sees of an image while it is pulled or built for a snapshot or a sandbox.
 *
 * Protocol: control plane and its proxy, build-logs-url.
 */
#ifndef DAYTONA_BUILD_H
#define DAYTONA_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>

DAYTONA_BEGIN

/** What has happened. */
typedef struct daytona_build_event {
  const char *state_name; /**< of the snapshot or sandbox, as received last: "building"; never NULL */
  const char *text;       /**< output of the build; NULL: the state has changed */
  size_t size;            /**< bytes of `text`; 0 with NULL */
  uint64_t offset;        /**< where `text` begins in the log, in bytes of UTF-8 */
} daytona_build_event_t;

/**
 * The state has changed, or the build has written something.
 *
 * Text is UTF-8 with whole characters; what is not UTF-8 in the log is U+FFFD. It is cut anywhere else, and a line may come
 * in several events. A connection that breaks is made again, and the log continues where it was cut; a server whose log has
 * changed meanwhile, which is logged, may leave a gap. A log that cannot be read is logged, and fails nothing.
 *
 * On the loop's thread, from a turn of its own, never after the future has settled. `event` is borrowed for the call.
 * You may call anything.
 */
typedef void (*daytona_build_cb)(const daytona_build_event_t *event, void *user);

DAYTONA_END

#endif
