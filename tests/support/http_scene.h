/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage with a resolver, an HTTP transport and a scripted peer, for the tests of the transport.
 */
#ifndef TESTS_SUPPORT_HTTP_SCENE_H
#define TESTS_SUPPORT_HTTP_SCENE_H

#include "net/http.h"
#include "peer.h"
#include "stage.h"

typedef struct scene {
  stage_t stage;
  daytona__resolver_t *resolver;
  daytona__http_t *http;
  daytona__net_options_t options; /* of the transport; change and scene_reopen() */
  peer_t peer;
  size_t done; /* calls that have ended */
} scene_t;

typedef struct request {
  daytona__http_call_t call; /* first */
  scene_t *scene;
  size_t done;
  void (*then)(struct request *request); /* after it was counted */
} request_t;

void scene_open(scene_t *scene);
void scene_reopen(scene_t *scene); /* the transport again, with scene->options */
void scene_close(scene_t *scene);  /* checks that nothing is left */

/* Close only the transport; done when this returns. */
void scene_close_http(scene_t *scene);

/* Zero `request` and fill in method and URL; then scene_start(). */
void scene_prepare(scene_t *scene, request_t *request, const char *method, const char *url);
void scene_start(request_t *request);

/* All of it: prepare, start, wait for the end. The response stays until scene_clear(). */
void scene_run(scene_t *scene, request_t *request, const char *method, const char *url);
void scene_wait(request_t *request);
void scene_clear(request_t *request);

/* Turn the loop until the peer has seen `count` requests, or connections. */
void scene_until_requests(scene_t *scene, size_t count);
void scene_until_accepted(scene_t *scene, size_t count);

extern const char scene_ok[]; /* 200, JSON "{}" */

#endif
