/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client against a scripted server, for the tests of the services: routes that answer in order, notes of what
 * was asked, and a clock that the test moves. api_scene_close() checks that the client leaves no handle on the
 * loop and no allocation.
 */
#ifndef TESTS_SUPPORT_API_SCENE_H
#define TESTS_SUPPORT_API_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/daytona.h>

#include "call/client_impl.h"
#include "peer.h"
#include "support/must.h"

/* What the server does instead of answering. */
extern const char api_silence[]; /* nothing */
extern const char api_break[];   /* close the connection */

enum { API_ROUTES = 32, API_ANSWERS = 16, API_REQUESTS = 16384 };

typedef struct api_route {
  char line[256]; /* "POST /api/sandbox": the request line up to its query */
  char *answers[API_ANSWERS];
  size_t count, given; /* the last response is given again and again */
} api_route_t;

typedef struct api_scene {
  uv_loop_t uv;
  uv_timer_t guard; /* ends a test that waits for something that never comes */
  peer_t peer;
  char api_url[64], toolbox_url[64];
  daytona_config_t config; /* complete; change and api_scene_client() */
  daytona_client_t *client;
  bool is_closed;
  api_route_t routes[API_ROUTES];
  size_t route_count;
  char *requests[API_REQUESTS]; /* whole, in the order of arrival */
  size_t request_count;
} api_scene_t;

/* With a client; the server answers 404 to what has no route. */
void api_scene_open(api_scene_t *scene);

/* The same without a client: change scene->config, then call api_scene_client(). */
void api_scene_open_bare(api_scene_t *scene);
void api_scene_client(api_scene_t *scene);

/* Close the client unless that was done, turn the loop to its end, check that nothing is left. */
void api_scene_close(api_scene_t *scene);

/* Begin the client's close and let its reference go; api_scene_close() does the rest. */
void api_scene_close_client(api_scene_t *scene);

/* One more answer for requests that begin with `line`. `status` 0: `body` is the whole response, after which the connection
   is closed if it says so, or a constant above. */
void api_answer(api_scene_t *scene, const char *line, int status, const char *body);
/* The same with header lines, each ended by CR LF. */
void api_answer_with(api_scene_t *scene, const char *line, int status, const char *headers, const char *body);
/* Forget the answers for `line`. */
void api_forget(api_scene_t *scene, const char *line);

/* How often `line` was asked for; the n-th of these requests from 0; a part of a request. */
size_t api_count(const api_scene_t *scene, const char *line);
const char *api_request(const api_scene_t *scene, const char *line, size_t n);
const char *api_body_of(const char *request);
bool api_has_header(const char *request, const char *name, const char *value); /* value NULL: any */
/* "METHOD /target" of a request, in a static buffer. */
const char *api_line_of(const char *request);

/* JSON of a sandbox with its toolbox on the peer, in one of some static buffers. `extra`: ",\"name\":...", or "". */
const char *api_sandbox_json(const api_scene_t *scene, const char *id, const char *state, const char *extra);

/* A sandbox of that state, one reference yours. */
daytona_sandbox_t *api_sandbox(api_scene_t *scene, const char *id, const char *state);

/* A sandbox "sb-1" that the server was never asked for; `toolbox` NULL: where its toolbox is will be. */
daytona_sandbox_t *api_sandbox_at(const api_scene_t *scene, const char *toolbox, const char *state);

/* A scene with a sandbox "sb-1", and its end. */
daytona_sandbox_t *api_open_with(api_scene_t *scene, const char *state);
void api_close_with(api_scene_t *scene, daytona_sandbox_t *sandbox);

/* What the client must keep out of all texts, as if it were its key. Before anything is asked. */
void api_keep_secret(api_scene_t *scene, const char *text);

/* Turn the loop until so many requests have come. */
void api_until_requests(api_scene_t *scene, size_t count);
void api_until(api_scene_t *scene, bool (*is_reached)(void *user), void *user);
/* Turns that wait for nothing. */
void api_spin(api_scene_t *scene, int turns);
/* Until nothing is in flight: what comes next waits for the clock. */
void api_settle(api_scene_t *scene);
/* Until no job of the client is on the thread pool, such as one on a local file, and then some turns. */
void api_until_no_job(api_scene_t *scene);

void api_advance(api_scene_t *scene, int64_t ms);
int64_t api_now(const api_scene_t *scene);

/* Let time pass in steps of `step_ms` whenever nothing is in flight, until the future has settled. Returns the
   milliseconds that passed. */
int64_t api_hurry(api_scene_t *scene, daytona_future_t *future, int64_t step_ms);

#endif
