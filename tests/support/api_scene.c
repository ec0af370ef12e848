/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See api_scene.h. Notes and answers come from malloc, not from the library.
 */
#include "api_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "call/sandbox_object.h"
#include "support/check.h"

enum { GUARD_MS = 20 * 1000 };

const char api_silence[] = "(silence)";
const char api_break[] = "(break)";

/* --- the server -------------------------------------------------------------------------------- */

static bool has_line(const char *request, const char *line) {
  size_t size = strlen(line);
  return strncmp(request, line, size) == 0 && (request[size] == ' ' || request[size] == '?');
}

static api_route_t *find_route(api_scene_t *scene, const char *request) {
  for (size_t i = 0; i < scene->route_count; i++)
    if (has_line(request, scene->routes[i].line)) return &scene->routes[i];
  return NULL;
}

static void on_request(peer_conn_t *conn, const char *request, size_t size) {
  static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  api_scene_t *scene = conn->peer->user;
  assert_true(scene->request_count < API_REQUESTS);
  char *copy = malloc(size + 1);
  if (copy == NULL) abort();
  memcpy(copy, request, size + 1);
  scene->requests[scene->request_count++] = copy;
  api_route_t *route = find_route(scene, request);
  if (route == NULL || route->count == 0) {
    peer_puts(conn, missing);
    return;
  }
  const char *answer = route->answers[route->given < route->count ? route->given : route->count - 1];
  route->given++;
  if (strcmp(answer, api_break) == 0)
    peer_end(conn);
  else if (strcmp(answer, api_silence) != 0)
    peer_puts(conn, answer);
  if (strstr(answer, "Connection: close\r\n") != NULL) peer_end(conn);
}

void api_answer_with(api_scene_t *scene, const char *line, int status, const char *headers,
                     const char *body) {
  static const char format[] =
    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s";
  size_t room = sizeof format + strlen(headers) + strlen(body) + 40;
  char *answer = malloc(room);
  if (answer == NULL) abort();
  if (status == 0)
    snprintf(answer, room, "%s", body);
  else
    snprintf(answer, room, format, status, headers, strlen(body), body);
  api_route_t *route = NULL;
  for (size_t i = 0; i < scene->route_count; i++)
    if (strcmp(scene->routes[i].line, line) == 0) route = &scene->routes[i];
  if (route == NULL) {
    assert_true(scene->route_count < API_ROUTES);
    route = &scene->routes[scene->route_count++];
    memset(route, 0, sizeof *route);
    snprintf(route->line, sizeof route->line, "%s", line);
  }
  assert_true(route->count < API_ANSWERS);
  route->answers[route->count++] = answer;
}

void api_answer(api_scene_t *scene, const char *line, int status, const char *body) {
  api_answer_with(scene, line, status, "", body);
}

void api_forget(api_scene_t *scene, const char *line) {
  for (size_t i = 0; i < scene->route_count; i++) {
    api_route_t *route = &scene->routes[i];
    if (strcmp(route->line, line) != 0) continue;
    for (size_t n = 0; n < route->count; n++) free(route->answers[n]);
    route->count = route->given = 0;
  }
}

/* --- notes ------------------------------------------------------------------------------------- */

size_t api_count(const api_scene_t *scene, const char *line) {
  size_t count = 0;
  for (size_t i = 0; i < scene->request_count; i++) count += has_line(scene->requests[i], line);
  return count;
}

const char *api_request(const api_scene_t *scene, const char *line, size_t n) {
  for (size_t i = 0; i < scene->request_count; i++)
    if (has_line(scene->requests[i], line) && n-- == 0) return scene->requests[i];
  fail_msg("%s was not asked for", line);
  return NULL;
}

const char *api_body_of(const char *request) {
  const char *end = strstr(request, "\r\n\r\n");
  assert_non_null(end);
  return end + 4;
}

bool api_has_header(const char *request, const char *name, const char *value) {
  const char *end = strstr(request, "\r\n\r\n");
  size_t size = strlen(name);
  for (const char *line = strstr(request, "\r\n"); line != NULL && line < end;
       line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, size) != 0 || line[2 + size] != ':') continue;
    const char *at = line + 3 + size + strspn(line + 3 + size, " ");
    if (value == NULL) return true;
    return strncmp(at, value, strlen(value)) == 0 && strncmp(at + strlen(value), "\r\n", 2) == 0;
  }
  return false;
}

const char *api_line_of(const char *request) {
  static char line[4096];
  const char *end = strstr(request, " HTTP/1.1\r\n");
  assert_non_null(end);
  snprintf(line, sizeof line, "%.*s", (int)(end - request), request);
  return line;
}

/* --- the scene --------------------------------------------------------------------------------- */

static void on_guard(uv_timer_t *guard) {
  (void)guard;
  fail_msg("waited %d ms for something that does not come", (int)GUARD_MS);
}

static void on_closed(void *user) { *(bool *)user = true; }

void api_scene_open_bare(api_scene_t *scene) {
  memset(scene, 0, sizeof *scene);
  support_alloc_install();
  assert_int_equal(uv_loop_init(&scene->uv), 0);
  uv_timer_init(&scene->uv, &scene->guard);
  uv_timer_start(&scene->guard, on_guard, GUARD_MS, 0);
  uv_unref((uv_handle_t *)&scene->guard);
  peer_open(&scene->peer, &scene->uv);
  scene->peer.on_request = on_request;
  scene->peer.user = scene;
  snprintf(scene->api_url, sizeof scene->api_url, "http://127.0.0.1:%d/api", scene->peer.port);
  snprintf(scene->toolbox_url, sizeof scene->toolbox_url, "http://127.0.0.1:%d/toolbox", scene->peer.port);
  scene->config.api_key = "key";
  scene->config.api_url = scene->api_url;
  scene->config.ignores_environment = true;
}

void api_scene_client(api_scene_t *scene) {
  char reason[256] = "";
  if (daytona_client_new(&scene->uv, &scene->config, &scene->client) == 0) return;
  daytona_config_check(&scene->config, reason, sizeof reason);
  fail_msg("no client: %s", reason);
}

void api_scene_open(api_scene_t *scene) {
  api_scene_open_bare(scene);
  api_scene_client(scene);
}

void api_scene_close_client(api_scene_t *scene) {
  daytona_client_t *client = scene->client;
  scene->client = NULL;
  daytona_client_close(client, on_closed, &scene->is_closed);
  daytona_client_release(client);
}

static void on_left(uv_handle_t *handle, void *user) {
  (void)user;
  print_error("left on the loop: %s\n", uv_handle_type_name(handle->type));
}

void api_scene_close(api_scene_t *scene) {
  support_alloc_heal();
  if (scene->client != NULL) {
    api_scene_close_client(scene);
    while (!scene->is_closed && uv_run(&scene->uv, UV_RUN_ONCE) != 0) continue;
    assert_true(scene->is_closed);
  }
  uv_run(&scene->uv, UV_RUN_DEFAULT);
  peer_close(&scene->peer);
  uv_close((uv_handle_t *)&scene->guard, NULL);
  uv_run(&scene->uv, UV_RUN_DEFAULT);
  if (uv_loop_close(&scene->uv) != 0) {
    uv_walk(&scene->uv, on_left, NULL);
    fail_msg("the loop is not empty");
  }
  support_alloc_remove(); /* fails the test if a block is left */
  for (size_t i = 0; i < scene->route_count; i++) api_forget(scene, scene->routes[i].line);
  for (size_t i = 0; i < scene->request_count; i++) free(scene->requests[i]);
}

/* --- sandboxes --------------------------------------------------------------------------------- */

const char *api_sandbox_json(const api_scene_t *scene, const char *id, const char *state, const char *extra) {
  static char texts[8][2048];
  static unsigned next;
  char *text = texts[next++ % 8];
  snprintf(text, sizeof texts[0], "{\"id\":\"%s\",\"state\":\"%s\",\"toolboxProxyUrl\":\"%s\"%s}", id, state,
           scene->toolbox_url, extra);
  return text;
}

daytona_sandbox_t *api_sandbox(api_scene_t *scene, const char *id, const char *state) {
  char line[256];
  snprintf(line, sizeof line, "GET /api/sandbox/%s", id);
  api_answer(scene, line, 200, api_sandbox_json(scene, id, state, ""));
  daytona_future_t *future = api_must(daytona_sandbox_get(scene->client, id, NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  api_forget(scene, line);
  free(scene->requests[--scene->request_count]);
  return sandbox;
}

daytona_sandbox_t *api_sandbox_at(const api_scene_t *scene, const char *toolbox, const char *state) {
  daytona__sandbox_data_t *data = daytona__sandbox_data_new();
  assert_non_null(data);
  daytona__sandbox_dto_t *dto = daytona__arena_alloc(&data->arena, sizeof *dto);
  assert_non_null(dto);
  dto->info.id = "sb-1";
  dto->info.organization_id = "org-1";
  dto->info.state_name = state;
  dto->info.toolbox_proxy_url = toolbox;
  daytona__sandbox_dto_finish(dto);
  daytona_sandbox_t *sandbox = daytona__sandbox_new(scene->client, data, dto);
  daytona__sandbox_data_release(data);
  return sandbox;
}

daytona_sandbox_t *api_open_with(api_scene_t *scene, const char *state) {
  api_scene_open(scene);
  return api_sandbox(scene, "sb-1", state);
}

void api_close_with(api_scene_t *scene, daytona_sandbox_t *sandbox) {
  daytona_sandbox_release(sandbox);
  api_scene_close(scene);
}

void api_keep_secret(api_scene_t *scene, const char *text) {
  daytona__secrets_add(&scene->client->secrets, &scene->client->arena, text);
}

/* --- futures and time -------------------------------------------------------------------------- */

void api_until(api_scene_t *scene, bool (*is_reached)(void *user), void *user) {
  while (!is_reached(user))
    if (uv_run(&scene->uv, UV_RUN_ONCE) == 0 && !is_reached(user))
      fail_msg("nothing is left that could happen");
}

void api_until_requests(api_scene_t *scene, size_t count) {
  while (scene->request_count < count)
    if (uv_run(&scene->uv, UV_RUN_ONCE) == 0 && scene->request_count < count)
      fail_msg("nothing is left that could happen");
}

void api_spin(api_scene_t *scene, int turns) {
  for (int i = 0; i < turns; i++) uv_run(&scene->uv, UV_RUN_NOWAIT);
}

static bool is_busy(const api_scene_t *scene) {
  size_t in_flight = 0, waiting = 0;
  daytona__http_counts(scene->client->http, &in_flight, &waiting);
  return in_flight + waiting != 0;
}

void api_settle(api_scene_t *scene) {
  api_spin(scene, 3);
  while (is_busy(scene)) uv_run(&scene->uv, UV_RUN_ONCE);
}

void api_until_no_job(api_scene_t *scene) {
  do {
    while (daytona__loop_job_count(scene->client->loop) != 0) uv_run(&scene->uv, UV_RUN_ONCE);
    api_spin(scene, 3);
  } while (daytona__loop_job_count(scene->client->loop) != 0);
}

void api_advance(api_scene_t *scene, int64_t ms) { daytona__loop_advance(scene->client->loop, ms); }

int64_t api_now(const api_scene_t *scene) { return daytona__loop_now(scene->client->loop); }

int64_t api_hurry(api_scene_t *scene, daytona_future_t *future, int64_t step_ms) {
  int64_t passed = 0;
  for (;;) {
    api_settle(scene);
    if (daytona_future_is_settled(future)) return passed;
    api_advance(scene, step_ms);
    passed += step_ms;
    assert_true(passed < 24 * 3600 * 1000);
  }
}
