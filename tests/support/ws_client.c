/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ws_client.h.
 */
#include "support/ws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

void ws_client_url(const ws_client_t *client, const char *scheme, char *out, size_t size) {
  snprintf(out, size, "%s://127.0.0.1:%d/toolbox/x?y=1", scheme, client->peer.port);
}

void ws_client_open(ws_client_t *client, const daytona__net_options_t *options) {
  static const daytona__net_options_t defaults = {.happy_eyeballs_ms = -1};
  memset(client, 0, sizeof *client);
  stage_open(&client->stage);
  client->options = options != NULL ? *options : defaults;
  ws_peer_open(&client->peer, &client->stage.uv);
  static const daytona_header_t common = {"Authorization", "Bearer secret"};
  if (daytona__resolver_new(client->stage.loop, &client->resolver) != 0) client->resolver = NULL;
  client->env_code =
    client->resolver == NULL
      ? DAYTONA_ENOMEM
      : daytona__ws_env_new(client->stage.loop, &client->options, client->resolver, &common, 1, &client->env);
  if (client->env_code != 0) client->env = NULL;
}

void ws_client_close(ws_client_t *client) {
  stage_alloc_restore();
  if (client->env != NULL) {
    daytona__ws_env_close(client->env, stage_set_flag, &client->env_closed);
    stage_until(&client->stage, &client->env_closed);
  }
  if (client->resolver != NULL) {
    daytona__resolver_close(client->resolver, stage_set_flag, &client->resolver_closed);
    stage_until(&client->stage, &client->resolver_closed);
  }
  ws_peer_close(&client->peer);
  while (client->peer.open != 0) uv_run(&client->stage.uv, UV_RUN_ONCE);
  stage_close(&client->stage);
}

static void on_open(daytona__ws_t *ws, const char *protocol) {
  ws_seen_t *seen = daytona__ws_user(ws);
  assert_int_equal(seen->closed, 0);
  seen->opened++;
  snprintf(seen->protocol, sizeof seen->protocol, "%s", protocol != NULL ? protocol : "");
  if (seen->cancels_on_open) daytona__ws_cancel(ws);
  if (seen->closes_on_open) assert_int_equal(daytona__ws_close(ws, 1000, NULL), 0);
}

static void on_data(daytona__ws_t *ws, const daytona__ws_chunk_t *piece) {
  ws_seen_t *seen = daytona__ws_user(ws);
  assert_int_equal(seen->opened, 1);
  assert_int_equal(seen->closed, 0);
  seen->pieces++;
  if (piece->is_final) seen->messages++;
  seen->last_is_text = piece->is_text;
  if (seen->data_size + piece->size >= seen->data_room) {
    seen->data_room = (seen->data_size + piece->size + 1) * 2;
    seen->data = realloc(seen->data, seen->data_room);
    assert_non_null(seen->data);
  }
  memcpy(seen->data + seen->data_size, piece->bytes, piece->size);
  seen->data_size += piece->size;
  seen->data[seen->data_size] = '\0';
  if (seen->then != NULL) seen->then(seen);
  if (seen->pauses_after_piece) daytona__ws_pause(ws);
  if (seen->cancels_on_data) daytona__ws_cancel(ws);
  if (seen->releases_on_data) {
    seen->ws = NULL;
    daytona__ws_release(ws);
  }
}

static void on_drain(daytona__ws_t *ws) {
  ws_seen_t *seen = daytona__ws_user(ws);
  seen->drains++;
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  ws_seen_t *seen = daytona__ws_user(ws);
  assert_int_equal(seen->closed, 0);
  seen->closed++;
  seen->how = close->how;
  seen->code = close->response.code;
  seen->was_open = close->was_open;
  seen->was_asked = close->was_asked;
  seen->close_code = close->close_code;
  seen->status = close->response.status;
  assert_non_null(close->response.message);
  assert_int_equal(strlen(close->response.body) <= close->response.body_size, 1);
  snprintf(seen->reason, sizeof seen->reason, "%s", close->reason);
  snprintf(seen->message, sizeof seen->message, "%s", close->response.message);
  snprintf(seen->body, sizeof seen->body, "%s", close->response.body);
  for (size_t i = 0; i < close->response.header_count; i++)
    if (strcmp(close->response.headers[i].name, "X-Test") == 0)
      snprintf(seen->header, sizeof seen->header, "%s", close->response.headers[i].value);
  if (seen->releases_on_close) {
    seen->ws = NULL;
    daytona__ws_release(ws);
  }
}

int ws_client_connect(ws_client_t *client, ws_seen_t *seen, daytona__ws_opts_t opts) {
  char url[128];
  ws_client_url(client, "ws", url, sizeof url);
  if (opts.url == NULL) opts.url = url;
  opts.on_open = on_open;
  opts.on_data = on_data;
  opts.on_drain = on_drain;
  opts.on_close = on_close;
  opts.user = seen;
  seen->client = client;
  int code = daytona__ws_open(client->env, &opts, &seen->ws);
  assert_int_equal(seen->opened + seen->closed, 0); /* never inside the call */
  return code;
}

void ws_client_connect_open(ws_client_t *client, ws_seen_t *seen, daytona__ws_opts_t opts) {
  assert_int_equal(ws_client_connect(client, seen, opts), 0);
  stage_until_count(&client->stage, &seen->opened, 1);
}

void ws_client_until_closed(ws_seen_t *seen) { stage_until_count(&seen->client->stage, &seen->closed, 1); }

void ws_client_release(ws_seen_t *seen) {
  daytona__ws_release(seen->ws);
  seen->ws = NULL;
  free(seen->data);
  seen->data = NULL;
}

void ws_client_begin(ws_client_t *client, ws_seen_t *seen) {
  ws_client_open(client, NULL);
  ws_client_connect_open(client, seen, (daytona__ws_opts_t){0});
}

void ws_client_end(ws_client_t *client, ws_seen_t *seen) {
  ws_client_release(seen);
  ws_client_close(client);
}
