/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a build, followed while an operation waits for what is built.
 *
 *   GET .../build-logs-url -> GET url?follow=true -> (cut, or ended early) -> again, from where it was
 *                                                 -> (the build has ended) -> the rest -> on_end
 *
 * It never fails the operation: what goes wrong is logged, and the log ends.
 */
#ifndef DAYTONA_CALL_BUILD_LOG_H
#define DAYTONA_CALL_BUILD_LOG_H

#include "call/op.h"

typedef struct daytona__build_log daytona__build_log_t;

typedef struct daytona__build_log_opts {
  const daytona__method_t *url_method; /* made with DAYTONA__BUILD_LOG_URL() */
  const char *id;                      /* of the object that is built; copied */
  /* Whole characters. May end the operation, and stop the log. */
  void (*on_text)(void *user, const char *text, size_t size);
  /* No text follows. Once, from a later turn than that of daytona__build_log_finish(), unless the log was stopped. */
  void (*on_end)(void *user);
  void *user;
} daytona__build_log_opts_t;

extern const daytona__json_model_t daytona__build_log_url_model;

/* The request for the address of a log: one "{}" in the path, for the id. */
#define DAYTONA__BUILD_LOG_URL(noun, url_path)                                                         \
  DAYTONA__METHOD(noun, .prefix = "Failed to follow the build log: ", .verb = "GET", .path = url_path, \
                  .response = &daytona__build_log_url_model, .is_background = true)

/* Begin to follow. NULL without memory. */
daytona__build_log_t *daytona__build_log_new(daytona_client_t *client, const daytona__build_log_opts_t *opts);

/* The build has ended: on_end comes when its last output was delivered, or cannot be had. */
void daytona__build_log_finish(daytona__build_log_t *log);

/* Stop without a callback. Takes NULL; to be called once for each log, after its end, too. */
void daytona__build_log_stop(daytona__build_log_t *log);

#endif
