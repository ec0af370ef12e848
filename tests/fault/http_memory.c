/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lack of memory at every single allocation, from the making of the transport to its close: each call still
 * ends once, with DAYTONA_ENOMEM or well, and nothing is lost.
 */
#include <stdio.h>
#include <string.h>

#include "http_scene.h"
#include "support/check.h"

static const daytona_header_t common[] = {{"Authorization", "Bearer secret"}};
static const daytona_header_t own[] = {{"X-One", "1"}};

static ptrdiff_t give(daytona__http_call_t *call, char *buffer, size_t size) {
  memcpy(buffer, "abc", 3);
  return 3;
}

static size_t take(daytona__http_call_t *call, const char *bytes, size_t size) { return size; }

/* --- what is tried ------------------------------------------------------------------------------ */

static void plain(request_t *request) { (void)request; }

static void with_headers(request_t *request) {
  request->call.headers = own;
  request->call.header_count = 1;
  request->call.keeps_headers = true;
}

static void uploading(request_t *request) {
  request->call.method = "PUT";
  request->call.source = give;
  request->call.source_size = 3;
}

static void downloading(request_t *request) { request->call.sink = take; }

static const struct variant {
  const char *name, *answer;
  void (*set_up)(request_t *request);
  bool is_name;
} variants[] = {
  {"plain", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok", plain, false},
  {"name", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", plain, true},
  {"failure", "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", with_headers, false},
  {"upload", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", uploading, false},
  {"download", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", downloading, false},
  {"redirect", "HTTP/1.1 303 Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", plain, false},
};

static int fake_getaddrinfo(const char *host, daytona__addresses_t *out) {
  uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&out->items[0]);
  out->count = 1;
  return 0;
}

static const struct variant *trying;

static void answer(peer_conn_t *conn, const char *request, size_t size) {
  peer_puts(conn, strstr(request, "/there") != NULL ? scene_ok : trying->answer);
}

/* One run, in which allocation number `n` fails; false once there are not that many. */
static bool try_once(const struct variant *variant, size_t n) {
  scene_t scene;
  request_t request;
  char url[64];
  trying = variant;
  scene_open(&scene);
  scene_close_http(&scene);
  scene.peer.on_request = answer;
  daytona__resolver_set_getaddrinfo(scene.resolver, fake_getaddrinfo);
  snprintf(url, sizeof url, "http://%s:%d/", variant->is_name ? "name.example" : "127.0.0.1",
           scene.peer.port);
  scene.options.tls.ca_file = "/nowhere";
  scene.options.proxy.no_proxy = "nothing";
  stage_fail_alloc(n);
  int error = daytona__http_new(scene.stage.loop, &scene.options, scene.resolver, common, 1, &scene.http);
  if (error == 0) {
    scene_prepare(&scene, &request, "GET", url);
    variant->set_up(&request);
    scene_start(&request);
    scene_wait(&request);
  }
  bool has_failed = stage_alloc_failed();
  if (error == 0) {
    bool is_memory = request.call.response.code == DAYTONA_ENOMEM;
    if (is_memory && !has_failed) fail_msg("%s: no memory without reason", variant->name);
    if (!is_memory) {
      assert_int_equal(request.call.response.code,
                       strcmp(variant->name, "failure") == 0 ? DAYTONA_EFAILED : DAYTONA_OK);
      assert_null(request.call.response.message);
    } else {
      assert_non_null(request.call.response.message);
    }
    stage_alloc_restore();
    scene_clear(&request);
    /* The transport is still good. */
    scene_prepare(&scene, &request, "GET", url);
    request.call.url = peer_url(&scene.peer, "/there");
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    scene_clear(&request);
  } else {
    assert_int_equal(error, DAYTONA_ENOMEM);
    assert_true(has_failed);
  }
  scene_close(&scene);
  return has_failed;
}

static void every_allocation_may_fail(void **state) {
  for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
    size_t n = 0;
    while (try_once(&variants[i], n)) n++;
    assert_true(n > 10);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests_name("http_memory", tests, NULL, NULL);
}
