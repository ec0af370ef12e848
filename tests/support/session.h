/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client against the daytona-local that runs this program (`daytona-local run -- PROGRAM`), and calls of its
 * admin interface. Every test ends with the client closed, the loop empty and no allocation left.
 */
#ifndef TESTS_SUPPORT_SESSION_H
#define TESTS_SUPPORT_SESSION_H

#include <stdbool.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "support/must.h"

typedef struct session {
  uv_loop_t uv;
  daytona_client_t *client;
  size_t blocks_before;
} session_t;

/* Setup and teardown for cmocka: *state is a session_t with a client from the environment. */
int session_setup(void **state);
int session_teardown(void **state);

/* The same by hand, with a configuration. */
void session_open(session_t *session, const daytona_config_t *config);
void session_close(session_t *session);

/* A started sandbox, one reference for the caller, and its end. */
daytona_sandbox_t *session_sandbox(session_t *session, const daytona_sandbox_create_opts_t *opts);
void session_delete(daytona_sandbox_t *sandbox);

/* Run a shell command and check its exit code and, unless NULL, its output. */
void session_expect(daytona_sandbox_t *sandbox, const char *command, int exit_code, const char *output);

/* A blocking request to daytona-local's admin interface; returns the HTTP status. */
int session_admin(const char *method, const char *path, const char *body);

/* From now on such requests trust `ca` and show a certificate. Borrowed. */
void session_admin_over_tls(const char *ca, const char *cert, const char *key);

/* A blocking GET of any URL with an optional extra header; returns the status, the body goes to `body`. */
int session_fetch(const char *url, const char *header, char *body, size_t size);

/* A blocking POST of a form whose field `file` has the content; returns the status. */
int session_upload(const char *url, const char *content);

#endif
