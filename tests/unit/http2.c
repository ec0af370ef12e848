/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 against a real server (nghttpd of Debian's nghttp2-server): sharing connections, flow control with
 * paused sinks, streamed requests, and a server that goes away.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "http_scene.h"
#include "net/http_private.h"
#include "support/check.h"
#include "support/tls_matrix.h"

enum { LARGE = 3 << 20, CALLS = 80 };

static scene_t scene;
static const char *missing; /* why there is nothing to test */
static char ca[128], key[128], certificate[128], documents[64], url[128];

static struct {
  uv_process_t process;
  uv_pipe_t out;
  char text[65536];
  size_t size;
  bool is_gone, is_closed;
} server;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  size_t room = sizeof server.text - 1 - server.size;
  if (room < 1024) { /* the beginning is what is looked at */
    server.size = sizeof server.text / 2;
    room = sizeof server.text - 1 - server.size;
  }
  *buf = uv_buf_init(server.text + server.size, (unsigned)room);
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
  if (size < 0) {
    uv_close((uv_handle_t *)stream, NULL);
    server.is_closed = true;
    return;
  }
  server.size += (size_t)size;
  server.text[server.size] = '\0';
}

static void on_exit_seen(uv_process_t *process, int64_t status, int signal_number) {
  server.is_gone = true;
  uv_close((uv_handle_t *)process, NULL);
}

/* It says that it listens, but newer versions say it late when they write to a pipe. */
static bool is_up(int port) {
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", port, &address);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

static void start_server(void) {
  static char port[16];
  char *arguments[] = {"nghttpd",       "-v", "-a", "127.0.0.1", "-d", documents,
                       "--echo-upload", port, key,  certificate, NULL};
  snprintf(port, sizeof port, "%d", peer_dead_port());
  snprintf(url, sizeof url, "https://localhost:%s/", port);
  memset(&server, 0, sizeof server);
  uv_pipe_init(&scene.stage.uv, &server.out, 0);
  uv_stdio_container_t stdio[3] = {
    {.flags = UV_IGNORE},
    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&server.out},
    {.flags = UV_IGNORE},
  };
  uv_process_options_t options = {
    .file = arguments[0], .args = arguments, .exit_cb = on_exit_seen, .stdio_count = 3, .stdio = stdio};
  assert_int_equal(uv_spawn(&scene.stage.uv, &server.process, &options), 0);
  uv_read_start((uv_stream_t *)&server.out, on_alloc, on_output);
  while (!is_up(atoi(port)) && !server.is_gone) {
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
    usleep(2000);
  }
  assert_false(server.is_gone);
}

static void stop_server(void) {
  if (!server.is_gone) uv_process_kill(&server.process, SIGKILL);
  stage_until(&scene.stage, &server.is_gone);
  stage_until(&scene.stage, &server.is_closed);
}

static int set_up(void **state) {
  if (missing != NULL) return 0;
  scene_open(&scene);
  scene.options.tls.ca_file = ca;
  scene.options.max_connections = CALLS;
  scene_reopen(&scene);
  start_server();
  return 0;
}

static int tear_down(void **state) {
  if (missing != NULL) return 0;
  scene_close_http(&scene);
  stop_server();
  scene_close(&scene);
  return 0;
}

static void need_server(void) {
  if (missing == NULL) return;
  print_message("# skipped: %s\n", missing);
  skip();
}

static const char *path(const char *name) {
  static char paths[4][192];
  static unsigned next;
  char *out = paths[next++ % 4];
  snprintf(out, sizeof paths[0], "%s%s", url, name);
  return out;
}

static size_t connections(void) { return scene.http->poller_count; }

/* --- behaviour ---------------------------------------------------------------------------------- */

static void calls_share_one_connection(void **state) {
  static request_t requests[CALLS];
  need_server();
  for (int i = 0; i < CALLS; i++) {
    scene_prepare(&scene, &requests[i], "GET", path("small"));
    scene_start(&requests[i]);
  }
  stage_until_count(&scene.stage, &scene.done, CALLS);
  for (int i = 0; i < CALLS; i++) {
    assert_int_equal(requests[i].call.response.code, DAYTONA_OK);
    assert_string_equal(requests[i].call.response.body, "small\n");
    scene_clear(&requests[i]);
  }
  assert_int_equal(connections(), 1);
}

typedef struct download {
  request_t request;
  size_t taken, offers;
  bool is_slow;
} download_t;

static size_t on_sink(daytona__http_call_t *call, const char *bytes, size_t size) {
  download_t *download = (download_t *)call;
  download->offers++;
  if (download->is_slow && size > 5000) size = 5000;
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)bytes[i] != (unsigned char)((download->taken + i) % 251)) fail_msg("wrong byte");
  download->taken += size;
  return size;
}

static void a_paused_stream_does_not_stop_the_others(void **state) {
  static download_t slow, fast[4];
  need_server();
  scene_prepare(&scene, &slow.request, "GET", path("large"));
  slow.request.call.sink = on_sink;
  slow.is_slow = true;
  slow.taken = slow.offers = 0;
  scene_start(&slow.request);
  while (slow.offers == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  for (int i = 0; i < 4; i++) {
    scene_prepare(&scene, &fast[i].request, "GET", path("large"));
    fast[i].request.call.sink = on_sink;
    fast[i].taken = 0;
    scene_start(&fast[i].request);
  }
  stage_until_count(&scene.stage, &scene.done, 4);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(fast[i].request.call.response.code, DAYTONA_OK);
    assert_int_equal(fast[i].taken, LARGE);
    scene_clear(&fast[i].request);
  }
  assert_int_equal(slow.request.done, 0);
  slow.is_slow = false;
  daytona__http_resume_receive(&slow.request.call);
  scene_wait(&slow.request);
  assert_int_equal(slow.request.call.response.code, DAYTONA_OK);
  assert_int_equal(slow.taken, LARGE);
  scene_clear(&slow.request);
}

typedef struct upload {
  request_t request;
  size_t given, asked;
  bool waits;
} upload_t;

static ptrdiff_t on_source(daytona__http_call_t *call, char *buffer, size_t size) {
  upload_t *upload = (upload_t *)call;
  upload->asked++;
  if (upload->waits) return DAYTONA__HTTP_SOURCE_WAIT;
  if (size > LARGE - upload->given) size = LARGE - upload->given;
  for (size_t i = 0; i < size; i++) buffer[i] = (char)((upload->given + i) % 251);
  upload->given += size;
  return (ptrdiff_t)size;
}

static void a_streamed_request_is_echoed(void **state) {
  upload_t upload = {0};
  need_server();
  scene_prepare(&scene, &upload.request, "POST", path("echo"));
  upload.request.call.source = on_source;
  upload.request.call.source_size = LARGE;
  upload.waits = true;
  scene_start(&upload.request);
  stage_until_count(&scene.stage, &upload.asked, 1);
  stage_spin(&scene.stage, 10);
  upload.waits = false;
  daytona__http_resume_send(&upload.request.call);
  scene_wait(&upload.request);
  assert_int_equal(upload.request.call.response.code, DAYTONA_OK);
  assert_int_equal(upload.request.call.response.body_size, LARGE);
  for (size_t i = 0; i < LARGE; i += 1009)
    assert_int_equal((unsigned char)upload.request.call.response.body[i], i % 251);
  scene_clear(&upload.request);
}

static void a_cancelled_stream_leaves_the_others(void **state) {
  static download_t gone, kept;
  need_server();
  scene_prepare(&scene, &gone.request, "GET", path("large"));
  scene_prepare(&scene, &kept.request, "GET", path("large"));
  gone.request.call.sink = kept.request.call.sink = on_sink;
  gone.taken = gone.offers = kept.taken = 0;
  scene_start(&gone.request);
  scene_start(&kept.request);
  while (gone.offers == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  daytona__http_cancel(&gone.request.call);
  scene_wait(&kept.request);
  assert_int_equal(kept.request.call.response.code, DAYTONA_OK);
  assert_int_equal(kept.taken, LARGE);
  assert_int_equal(connections(), 1);
  scene_clear(&gone.request);
  scene_clear(&kept.request);
}

static void a_server_that_goes_away_fails_all(void **state) {
  static download_t downloads[8];
  need_server();
  for (int i = 0; i < 8; i++) {
    scene_prepare(&scene, &downloads[i].request, "GET", path("large"));
    downloads[i].request.call.sink = on_sink;
    downloads[i].is_slow = true;
    downloads[i].taken = downloads[i].offers = 0;
    scene_start(&downloads[i].request);
  }
  while (downloads[7].offers == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  uv_process_kill(&server.process, SIGKILL);
  stage_until(&scene.stage, &server.is_gone);
  for (int i = 0; i < 8; i++) {
    downloads[i].is_slow = false;
    daytona__http_resume_receive(&downloads[i].request.call);
  }
  stage_until_count(&scene.stage, &scene.done, 8);
  for (int i = 0; i < 8; i++) {
    /* libcurl may have had all of a response by then; it must never take a part for the whole. */
    const daytona__http_call_t *call = &downloads[i].request.call;
    if (call->response.code == DAYTONA_OK)
      assert_int_equal(downloads[i].taken, LARGE);
    else if (!daytona_errcode_is((int)call->response.code, DAYTONA_ECONNECTION))
      fail_msg("%s: %s", daytona_errcode_name((int)call->response.code), call->response.message);
    scene_clear(&downloads[i].request);
  }
}

/* --- documents ---------------------------------------------------------------------------------- */

static void write_document(const char *name, size_t size) {
  char file[96];
  snprintf(file, sizeof file, "%s/%s", documents, name);
  FILE *out = fopen(file, "w");
  if (out == NULL) abort();
  if (size == 0) fputs("small\n", out);
  for (size_t i = 0; i < size; i++) fputc((int)(i % 251), out);
  fclose(out);
}

static void prepare_documents(void) {
  strcpy(documents, "/tmp/http2-XXXXXX");
  if (mkdtemp(documents) == NULL) abort();
  write_document("small", 0);
  write_document("large", LARGE);
  tls_certificate_path("ca.pem", "", ca, sizeof ca);
  tls_certificate_path("good", ".key", key, sizeof key);
  tls_certificate_path("good", ".pem", certificate, sizeof certificate);
}

static void remove_documents(void) {
  char command[96];
  snprintf(command, sizeof command, "rm -rf '%s'", documents);
  if (system(command) != 0) fprintf(stderr, "# %s stays\n", documents);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(calls_share_one_connection),        TEST(a_paused_stream_does_not_stop_the_others),
    TEST(a_streamed_request_is_echoed),      TEST(a_cancelled_stream_leaves_the_others),
    TEST(a_server_that_goes_away_fails_all),
  };
  signal(SIGPIPE, SIG_IGN);
  char search[4096];
  snprintf(search, sizeof search, "%s:/usr/sbin", getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin:/bin");
  setenv("PATH", search, 1);
  if ((curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2) == 0)
    missing = "this libcurl has no HTTP/2";
  else if (system("command -v nghttpd >/dev/null 2>&1") != 0)
    missing = "nghttpd is not installed (package nghttp2-server)";
  else if (tls_certificates_make() == NULL)
    missing = "openssl(1) is not installed";
  if (missing == NULL) prepare_documents();
  int failed = cmocka_run_group_tests_name("http2", tests, NULL, NULL);
  if (missing == NULL) remove_documents();
  tls_certificates_remove();
  return failed;
}
