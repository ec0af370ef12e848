/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections: racing addresses, pulling, closing.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tcp.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/ws_peer.h"

typedef struct client {
  daytona__tcp_t tcp;
  size_t connected, readable, drained, closed;
  int status;
  bool pulls; /* take everything that comes */
  char data[1 << 16];
  size_t size;
  ptrdiff_t last;
} client_t;

typedef struct scene {
  stage_t stage;
  daytona__tcp_env_t env;
  ws_peer_t peer;
  client_t client;
} scene_t;

static void on_connected(daytona__tcp_t *tcp, int status) {
  client_t *client = DAYTONA__CONTAINER(tcp, client_t, tcp);
  client->connected++;
  client->status = status;
  if (status == 0) daytona__tcp_set_reading(tcp, true);
}

static void pull(client_t *client, size_t most) {
  do {
    size_t room = sizeof client->data - client->size;
    client->last = daytona__tcp_read(&client->tcp, client->data + client->size, most < room ? most : room);
    if (client->last > 0) client->size += (size_t)client->last;
  } while (client->last > 0 && client->pulls);
}

static void on_readable(daytona__tcp_t *tcp) {
  client_t *client = DAYTONA__CONTAINER(tcp, client_t, tcp);
  client->readable++;
  if (client->pulls) pull(client, sizeof client->data);
}

static void on_drained(daytona__tcp_t *tcp) { DAYTONA__CONTAINER(tcp, client_t, tcp)->drained++; }
static void on_closed(daytona__tcp_t *tcp) { DAYTONA__CONTAINER(tcp, client_t, tcp)->closed++; }

static void client_init(scene_t *scene) {
  client_t *client = &scene->client;
  memset(client, 0, sizeof *client);
  daytona__tcp_init(&client->tcp, &scene->env);
  client->tcp.on_connected = on_connected;
  client->tcp.on_readable = on_readable;
  client->tcp.on_drained = on_drained;
  client->tcp.on_closed = on_closed;
  client->pulls = true;
}

static void keep_raw(ws_link_t *link) {}

static void scene_open(scene_t *scene) {
  stage_open(&scene->stage);
  assert_int_equal(daytona__tcp_env_init(&scene->env, scene->stage.loop), 0);
  ws_peer_open(&scene->peer, &scene->stage.uv);
  scene->peer.on_raw = keep_raw;
  client_init(scene);
}

static void scene_close(scene_t *scene) {
  daytona__tcp_close(&scene->client.tcp);
  assert_int_equal(scene->client.closed, 0);
  daytona__tcp_close(&scene->client.tcp);
  stage_until_count(&scene->stage, &scene->client.closed, 1);
  ws_peer_close(&scene->peer);
  while (scene->peer.open != 0) uv_run(&scene->stage.uv, UV_RUN_ONCE);
  daytona__tcp_env_clear(&scene->env);
  stage_close(&scene->stage);
}

static daytona__addresses_t addresses(const char *first, const char *second) {
  daytona__addresses_t list = {0};
  const char *texts[] = {first, second};
  for (size_t i = 0; i < 2 && texts[i] != NULL; i++, list.count++) {
    struct sockaddr_storage *item = &list.items[i];
    if (strchr(texts[i], ':') != NULL)
      uv_ip6_addr(texts[i], 0, (struct sockaddr_in6 *)item);
    else
      uv_ip4_addr(texts[i], 0, (struct sockaddr_in *)item);
  }
  return list;
}

static void start(scene_t *scene, const char *first, const char *second, int64_t race_ms) {
  daytona__addresses_t list = addresses(first, second);
  assert_int_equal(daytona__tcp_connect(&scene->client.tcp, &list, scene->peer.port, race_ms), 0);
  assert_int_equal(scene->client.connected, 0);
}

/* A listener whose queue is full: connecting to it takes for ever. */
typedef struct hole {
  int listener, fillers[8];
} hole_t;

static void hole_open(hole_t *hole, const char *address, int port) {
  struct sockaddr_in name;
  uv_ip4_addr(address, port, &name);
  hole->listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(hole->listener, (struct sockaddr *)&name, sizeof name), 0);
  assert_int_equal(listen(hole->listener, 0), 0);
  for (size_t i = 0; i < 8; i++) {
    hole->fillers[i] = socket(AF_INET, SOCK_STREAM, 0);
    fcntl(hole->fillers[i], F_SETFL, O_NONBLOCK);
    if (connect(hole->fillers[i], (struct sockaddr *)&name, sizeof name) == 0) continue;
  }
}

static void hole_close(hole_t *hole) {
  for (size_t i = 0; i < 8; i++) close(hole->fillers[i]);
  close(hole->listener);
}

static void tcp_connects_and_talks(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.1", NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  assert_int_equal(scene.client.status, 0);
  stage_until_count(&scene.stage, &scene.peer.accepted, 1);
  assert_int_equal(daytona__tcp_write(&scene.client.tcp, "ping", 4), 0);
  while (scene.peer.link->in_size < 4) stage_spin(&scene.stage, 1);
  ws_link_send(scene.peer.link, "pong", 4);
  while (scene.client.size < 4) stage_spin(&scene.stage, 1);
  assert_memory_equal(scene.client.data, "pong", 4);
  assert_int_equal(scene.client.last, 0);
  ws_link_shut(scene.peer.link);
  while (scene.client.last == 0) stage_spin(&scene.stage, 1);
  assert_int_equal(scene.client.last, DAYTONA__TCP_END);
  assert_int_equal(scene.client.tcp.end, UV_EOF);
  scene_close(&scene);
}

static void tcp_goes_on_to_the_next_address(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.9", "127.0.0.1", INT64_MAX); /* refused, then good */
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  assert_int_equal(scene.client.status, 0);
  scene_close(&scene);
}

static void tcp_reports_the_last_failure(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.9", "127.0.0.8", -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  assert_int_equal(scene.client.status, UV_ECONNREFUSED);
  scene_close(&scene);
}

static void tcp_without_addresses_fails_later(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, NULL, NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  assert_int_equal(scene.client.status, UV_EADDRNOTAVAIL);
  scene_close(&scene);
}

static void tcp_races_a_silent_address(void **state) {
  scene_t scene;
  hole_t hole;
  scene_open(&scene);
  hole_open(&hole, "127.0.0.2", scene.peer.port);
  start(&scene, "127.0.0.2", "127.0.0.1", -1);
  stage_spin(&scene.stage, 20);
  assert_int_equal(scene.client.connected, 0);
  daytona__loop_advance(scene.stage.loop, 251);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  assert_int_equal(scene.client.status, 0);
  hole_close(&hole);
  scene_close(&scene);
}

static void tcp_does_not_race_when_told(void **state) {
  scene_t scene;
  hole_t hole;
  scene_open(&scene);
  hole_open(&hole, "127.0.0.2", scene.peer.port);
  start(&scene, "127.0.0.2", "127.0.0.1", INT64_MAX);
  daytona__loop_advance(scene.stage.loop, 1000000);
  stage_spin(&scene.stage, 20);
  assert_int_equal(scene.client.connected, 0);
  assert_int_equal(scene.peer.accepted, 0);
  scene_close(&scene); /* while connecting */
  hole_close(&hole);
}

static void tcp_stops_reading_what_is_not_pulled(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.1", NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  stage_until_count(&scene.stage, &scene.peer.accepted, 1);
  scene.client.pulls = false;
  ws_link_send(scene.peer.link, "0123456789", 10);
  stage_until_count(&scene.stage, &scene.client.readable, 1);
  ws_link_send(scene.peer.link, "abc", 3);
  stage_spin(&scene.stage, 20);
  assert_int_equal(scene.client.readable, 1); /* not told again, and nothing read */
  pull(&scene.client, 4);
  assert_int_equal(scene.client.last, 4);
  pull(&scene.client, 4);
  pull(&scene.client, 4);
  assert_int_equal(scene.client.last, 2);
  scene.client.pulls = true; /* what was kept is gone: reading goes on by itself */
  stage_until_count(&scene.stage, &scene.client.readable, 2);
  assert_int_equal(scene.client.size, 13);
  assert_memory_equal(scene.client.data, "0123456789abc", 13);
  scene_close(&scene);
}

static void tcp_gives_what_came_before_the_reset(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.1", NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  stage_until_count(&scene.stage, &scene.peer.accepted, 1);
  daytona__tcp_set_reading(&scene.client.tcp, false);
  ws_link_send(scene.peer.link, "last words", 10);
  ws_link_shut(scene.peer.link);
  stage_spin(&scene.stage, 10);
  /* Writing to a peer that has gone: no signal, no error here, and nothing of its words is lost. */
  for (int i = 0; i < 5; i++) {
    assert_int_equal(daytona__tcp_write(&scene.client.tcp, "x", 1), 0);
    stage_spin(&scene.stage, 2);
  }
  daytona__tcp_set_reading(&scene.client.tcp, true);
  while (scene.client.last != DAYTONA__TCP_END) stage_spin(&scene.stage, 1);
  assert_int_equal(scene.client.size, 10);
  scene_close(&scene);
}

static void tcp_queues_for_a_slow_peer_in_order(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.1", NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  stage_until_count(&scene.stage, &scene.peer.accepted, 1);
  uv_read_stop((uv_stream_t *)&scene.peer.link->handle);
  enum { PIECE = 100000, PIECES = 150 };
  char *piece = malloc(PIECE);
  for (int i = 0; i < PIECES; i++) {
    memset(piece, i, PIECE);
    assert_int_equal(daytona__tcp_write(&scene.client.tcp, piece, PIECE), 0);
  }
  free(piece);
  assert_true(daytona__tcp_queued(&scene.client.tcp) > 0);
  assert_int_equal(scene.client.drained, 0);
  ws_link_read(scene.peer.link);
  stage_until_count(&scene.stage, &scene.client.drained, 1);
  assert_int_equal(daytona__tcp_queued(&scene.client.tcp), 0);
  while (scene.peer.link->in_size < (size_t)PIECE * PIECES) stage_spin(&scene.stage, 1);
  for (size_t i = 0; i < (size_t)PIECE * PIECES; i++)
    if (scene.peer.link->in[i] != (char)(i / PIECE)) fail_msg("byte %zu is out of order", i);
  assert_int_equal(scene.client.drained, 1);
  scene_close(&scene);
}

static void tcp_closes_with_a_full_queue(void **state) {
  scene_t scene;
  scene_open(&scene);
  start(&scene, "127.0.0.1", NULL, -1);
  stage_until_count(&scene.stage, &scene.client.connected, 1);
  stage_until_count(&scene.stage, &scene.peer.accepted, 1);
  uv_read_stop((uv_stream_t *)&scene.peer.link->handle);
  char *piece = calloc(1, 8 << 20);
  while (daytona__tcp_queued(&scene.client.tcp) == 0)
    assert_int_equal(daytona__tcp_write(&scene.client.tcp, piece, 8 << 20), 0);
  free(piece);
  scene_close(&scene);
  assert_int_equal(scene.client.drained, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(tcp_connects_and_talks),
    cmocka_unit_test(tcp_goes_on_to_the_next_address),
    cmocka_unit_test(tcp_reports_the_last_failure),
    cmocka_unit_test(tcp_without_addresses_fails_later),
    cmocka_unit_test(tcp_races_a_silent_address),
    cmocka_unit_test(tcp_does_not_race_when_told),
    cmocka_unit_test(tcp_stops_reading_what_is_not_pulled),
    cmocka_unit_test(tcp_gives_what_came_before_the_reset),
    cmocka_unit_test(tcp_queues_for_a_slow_peer_in_order),
    cmocka_unit_test(tcp_closes_with_a_full_queue),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
