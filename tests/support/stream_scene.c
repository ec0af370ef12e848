/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stream_scene.h.
 */
#include "stream_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ws_peer.h"

#define HTML(line, length, body) \
  "HTTP/1.1 " line "\r\nContent-Type: text/html\r\nContent-Length: " length "\r\n\r\n" body

const char stream_stopped_sandbox[] =
  "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n"
  "{\"statusCode\":400,\"message\":\"bad request: no IP address found. Is the Sandbox started?\\n\"}";

const stream_front_t stream_fronts[STREAM_FRONTS] = {
  {200, HTML("200 OK", "18", "<html>hello</html>")},
  {403, HTML("403 Forbidden", "22", "<html>Forbidden</html>")},
  {404, HTML("404 Not Found", "22", "<html>Not Found</html>")},
  {401, HTML("401 Unauthorized", "20", "<html>log in!</html>")},
  {400, HTML("400 Bad Request", "0", "")},
  {426, HTML("426 Upgrade Required", "0", "")},
  {502, HTML("502 Bad Gateway", "24", "<html>Bad Gateway</html>")},
};

/* --- scripts ----------------------------------------------------------------------------------- */

void stream_frame(stream_script_t *script, int opcode, const char *bytes, size_t size) {
  script->bytes = realloc(script->bytes, script->size + size + 16);
  if (script->bytes == NULL) abort();
  script->size += ws_frame_build(script->bytes + script->size, opcode, true, bytes, size);
}

void stream_close_frame(stream_script_t *script, int code, const char *reason) {
  char payload[125] = {(char)(code >> 8), (char)code};
  snprintf(payload + 2, sizeof payload - 2, "%s", reason);
  stream_frame(script, 8, payload, 2 + strlen(reason));
}

void stream_script_clear(stream_script_t *script) {
  free(script->bytes);
  memset(script, 0, sizeof *script);
}

void stream_play(stream_scene_t *scene, const stream_script_t *script, size_t size, stream_fate_t fate) {
  assert_true(scene->script_count < STREAM_SCRIPTS && size <= script->size);
  stream_script_t *own = &scene->scripts[scene->script_count++];
  own->bytes = malloc(size + 1);
  if (own->bytes == NULL) abort();
  if (size != 0) memcpy(own->bytes, script->bytes, size);
  own->size = size;
  own->fate = fate;
}

/* --- the server -------------------------------------------------------------------------------- */

static void take_frame(stream_scene_t *scene, int opcode, const char *bytes, size_t size) {
  if (opcode == 8) {
    char answer[16];
    scene->close_code = size >= 2 ? ((unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]) : 1005;
    peer_send(scene->socket, answer, ws_frame_build(answer, 8, true, bytes, size < 2 ? 0 : 2));
    peer_end(scene->socket);
    return;
  }
  scene->pings += opcode == 9;
  if (opcode == 9 && scene->answers_pings) stream_send(scene, 10, bytes, size);
  if (opcode > 2) return;
  assert_true(scene->received_size + size < sizeof scene->received);
  memcpy(scene->received + scene->received_size, bytes, size);
  scene->received_size += size;
  scene->received[scene->received_size] = '\0';
  scene->frames++;
  if (size > scene->largest) scene->largest = size;
  if (scene->on_message != NULL) scene->on_message(scene, opcode, bytes, size);
}

/* One masked frame at the front of `in`, if it is whole. */
static bool parse(stream_scene_t *scene) {
  unsigned char *in = (unsigned char *)scene->in;
  if (scene->in_size < 2) return false;
  size_t size = in[1] & 0x7F, head = 2;
  if (size == 126) head = 4;
  if (size == 127) head = 10;
  if (scene->in_size < head + 4) return false;
  if (head != 2) size = 0;
  for (size_t i = 2; i < head; i++) size = size << 8 | in[i];
  if (scene->in_size < head + 4 + size) return false;
  assert_true((in[1] & 0x80) != 0);
  for (size_t i = 0; i < size; i++) in[head + 4 + i] ^= in[head + i % 4];
  size_t whole = head + 4 + size;
  char *payload = malloc(size + 1);
  if (payload == NULL) abort();
  memcpy(payload, in + head + 4, size);
  int opcode = in[0] & 0x0F;
  memmove(in, in + whole, scene->in_size - whole);
  scene->in_size -= whole;
  take_frame(scene, opcode, payload, size);
  free(payload);
  return true;
}

static void on_bytes(peer_conn_t *conn, const char *bytes, size_t size) {
  stream_scene_t *scene = conn->peer->user;
  if (conn != scene->socket) return;
  assert_true(scene->in_size + size <= sizeof scene->in);
  memcpy(scene->in + scene->in_size, bytes, size);
  scene->in_size += size;
  while (parse(scene)) continue;
}

static void on_turn(uv_idle_t *idle) {
  stream_scene_t *scene = DAYTONA__CONTAINER(idle, stream_scene_t, breaker);
  if (++scene->turns < 4) return;
  uv_idle_stop(idle);
  for (peer_conn_t *conn = scene->api.peer.conns; conn != NULL; conn = conn->next)
    if (conn == scene->breaking) {
      peer_reset(conn);
      return;
    }
}

static void on_request(peer_conn_t *conn, const char *request, size_t size) {
  stream_scene_t *scene = conn->peer->user;
  char accept[29], head[256];
  if (strstr(request, "Sec-WebSocket-Key: ") == NULL) {
    scene->on_rest(conn, request, size);
    return;
  }
  size_t number = scene->upgrades++;
  snprintf(scene->upgrade, sizeof scene->upgrade, "%s", request);
  if (scene->refusal != NULL && (scene->refusals == 0 || number < scene->refusals)) {
    peer_puts(conn, scene->refusal);
    return;
  }
  ws_accept_key(request, accept);
  snprintf(head, sizeof head,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %s\r\n\r\n",
           accept);
  scene->socket = conn;
  scene->in_size = 0;
  conn->is_raw = true;
  peer_puts(conn, head);
  if (number >= scene->script_count) return;
  const stream_script_t *script = &scene->scripts[number];
  peer_send(conn, script->bytes, script->size);
  if (script->fate == STREAM_ENDS) peer_end(conn);
  if (script->fate != STREAM_BREAKS) return;
  scene->breaking = conn;
  scene->turns = 0;
  uv_idle_start(&scene->breaker, on_turn);
}

void stream_send(stream_scene_t *scene, int opcode, const char *bytes, size_t size) {
  stream_script_t frame = {0};
  stream_frame(&frame, opcode, bytes, size);
  peer_send(scene->socket, frame.bytes, frame.size);
  stream_script_clear(&frame);
}

void stream_send_close(stream_scene_t *scene, int code, const char *reason) {
  stream_script_t frame = {0};
  stream_close_frame(&frame, code, reason);
  peer_send(scene->socket, frame.bytes, frame.size);
  peer_end(scene->socket);
  stream_script_clear(&frame);
}

void stream_answer_text(stream_scene_t *scene, const char *line, const char *text) {
  static const char format[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s";
  size_t room = sizeof format + strlen(text) + 40;
  char *answer = malloc(room);
  if (answer == NULL) abort();
  snprintf(answer, room, format, strlen(text), text);
  api_answer(&scene->api, line, 0, answer);
  free(answer);
}

void stream_open_bare(stream_scene_t *scene) {
  memset(scene, 0, sizeof *scene);
  api_scene_open_bare(&scene->api);
  uv_idle_init(&scene->api.uv, &scene->breaker);
  scene->on_rest = scene->api.peer.on_request;
  scene->api.peer.on_request = on_request;
  scene->api.peer.on_bytes = on_bytes;
}

void stream_client(stream_scene_t *scene) {
  api_scene_client(&scene->api);
  scene->sandbox = api_sandbox(&scene->api, "sb-1", "started");
}

void stream_open(stream_scene_t *scene) {
  stream_open_bare(scene);
  stream_client(scene);
}

void stream_forget(stream_scene_t *scene) {
  api_spin(&scene->api, 6); /* a reset that is due */
  for (size_t i = 0; i < scene->script_count; i++) stream_script_clear(&scene->scripts[i]);
  scene->script_count = 0;
  scene->upgrades = scene->frames = scene->largest = scene->received_size = scene->in_size = 0;
  scene->socket = scene->breaking = NULL;
  scene->refusal = NULL;
  scene->refusals = 0;
  scene->close_code = 0;
}

void stream_close(stream_scene_t *scene) {
  daytona_sandbox_release(scene->sandbox);
  uv_close((uv_handle_t *)&scene->breaker, NULL);
  api_scene_close(&scene->api);
  for (size_t i = 0; i < scene->script_count; i++) stream_script_clear(&scene->scripts[i]);
  stream_script_clear(&scene->script);
}

void stream_again(stream_scene_t *scene) {
  stream_close(scene);
  stream_open(scene);
}

static stream_scene_t fixture;

int stream_setup(void **state) {
  stream_open(&fixture);
  *state = &fixture;
  return 0;
}

int stream_teardown(void **state) {
  stream_close(*state);
  return 0;
}
