/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads against a scripted server: from memory, from local files, from a source.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"

#define ROUTE "POST /toolbox/sb-1/files/bulk-upload"

static api_scene_t scene;
static daytona_sandbox_t *sandbox;
static char folder[64];

static int open_scene(void **state) {
  api_scene_open(&scene);
  sandbox = api_sandbox(&scene, "sb-1", "started");
  strcpy(folder, "/tmp/fs_upload-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return 0;
}

static int close_scene(void **state) {
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static const char *local(const char *name, size_t size) {
  static char paths[4][1024];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (size_t i = 0; i < size; i++) fputc((int)('a' + (i + i / 1000) % 26), file);
  fclose(file);
  return path;
}

/* The body of the n-th upload, with the boundary replaced by "B". */
static const char *body_of(size_t n) {
  static char text[8192];
  char boundary[80];
  size_t used = 0;
  const char *request = api_request(&scene, ROUTE, n), *at = api_body_of(request);
  const char *type = strstr(request, "boundary=") + 9;
  snprintf(boundary, sizeof boundary, "%.*s", (int)strcspn(type, "\r"), type);
  for (const char *next; (next = strstr(at, boundary)) != NULL; at = next + strlen(boundary))
    used += (size_t)snprintf(text + used, sizeof text - used, "%.*sB", (int)(next - at), at);
  snprintf(text + used, sizeof text - used, "%s", at);
  return text;
}

#define PART(i, path, name)                                                                 \
  "--B\r\nContent-Disposition: form-data; name=\"files[" i "].path\"\r\n\r\n" path          \
  "\r\n--B\r\nContent-Disposition: form-data; name=\"files[" i "].file\"; filename=\"" name \
  "\"\r\n"                                                                                  \
  "Content-Type: application/octet-stream\r\n\r\n"
#define END "\r\n--B--\r\n"

static void bytes_are_sent_exactly(void **state) {
  api_answer(&scene, ROUTE, 200, "{\"files\":[{\"path\":\"/d/a.txt\",\"bytes\":5}]}");
  api_done(daytona_fs_upload(sandbox, "alpha", 5, "/d/a.txt", NULL));
  assert_string_equal(body_of(0), PART("0", "/d/a.txt", "a.txt") "alpha" END);
  char length[32];
  snprintf(length, sizeof length, "%zu", strlen(api_body_of(api_request(&scene, ROUTE, 0))));
  assert_true(api_has_header(api_request(&scene, ROUTE, 0), "Content-Length", length));
  assert_false(api_has_header(api_request(&scene, ROUTE, 0), "Expect", NULL));
  api_forget(&scene, ROUTE);
  api_answer(&scene, ROUTE, 200, "{\"files\":[{\"path\":\"b\",\"bytes\":0}]}");
  api_done(daytona_fs_upload(sandbox, NULL, 0, "b", NULL));
  assert_string_equal(body_of(1), PART("0", "b", "b") END);
}

static void local_files_of_every_size_are_sent(void **state) {
  static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 262143, 262144, 262145, 524288, 524289, 2000003};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char answer[128];
    snprintf(answer, sizeof answer, "{\"files\":[{\"path\":\"x\",\"bytes\":%zu}]}", sizes[i]);
    api_answer(&scene, ROUTE, 200, answer);
    api_done(daytona_fs_upload_file(sandbox, local("x", sizes[i]), "x", NULL));
    const char *data = strstr(api_body_of(api_request(&scene, ROUTE, i)), "octet-stream\r\n\r\n") + 16;
    for (size_t at = 0; at < sizes[i]; at++)
      if (data[at] != (char)('a' + (at + at / 1000) % 26))
        fail_msg("size %zu: byte %zu differs", sizes[i], at);
    assert_int_equal(strncmp(data + sizes[i], "\r\n------DaytonaUpload", 21), 0);
    api_forget(&scene, ROUTE);
  }
}

static void many_files_are_one_request(void **state) {
  api_answer(
    &scene, ROUTE, 200,
    "{\"files\":[{\"path\":\"m\",\"bytes\":2},{\"path\":\"e\",\"bytes\":0},{\"path\":\"l\",\"bytes\":3},"
    "{\"path\":\"e2\",\"bytes\":0},{\"path\":\"m\",\"bytes\":1}]}");
  daytona_fs_upload_item_t items[] = {{.destination = "m", .bytes = "mm", .size = 2},
                                      {.destination = "e", .local_path = local("e", 0)},
                                      {.destination = "l", .local_path = local("l", 3)},
                                      {.destination = "e2", .local_path = local("e2", 0)},
                                      {.destination = "m", .bytes = "z", .size = 1}};
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 5, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  for (size_t i = 0; i < 5; i++)
    if (results->items[i]->error != NULL) fail_msg("%zu: %s", i, results->items[i]->error->message);
  assert_int_equal(results->items[4]->size, 1); /* the same destination twice */
  daytona_future_release(future);
  assert_string_equal(
    body_of(0), PART("0", "m", "m") "mm\r\n" PART("1", "e", "e") "\r\n" PART("2", "l", "l") "abc\r\n" PART(
                  "3", "e2", "e2") "\r\n" PART("4", "m", "m") "z" END);
}

static void many_local_files_follow_each_other(void **state) {
  enum { COUNT = 40 };
  daytona_fs_upload_item_t items[COUNT];
  char names[COUNT][16], paths[COUNT][128];
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "f%d", i);
    strcpy(paths[i], local(names[i], i % 3 == 0 ? 0 : (size_t)i * 1000));
    items[i] = (daytona_fs_upload_item_t){.destination = names[i], .local_path = paths[i]};
  }
  api_answer(&scene, ROUTE, 200, "{\"files\":null}");
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, COUNT, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, 0);
  daytona_future_release(future);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void answers_decide(void **state) {
  static const struct {
    int status;
    const char *body, *says; /* NULL: nothing to look at */
    daytona_errcode_t code;
  } answers[] = {
    {200, "{\"files\":[{\"path\":\"a\",\"bytes\":3}]}", NULL, DAYTONA_OK},
    {200, "{\"files\":[{\"path\":\"./a\",\"bytes\":3}]}", NULL, DAYTONA_OK},
    {200, "", NULL, DAYTONA_OK},
    {200, "{}", NULL, DAYTONA_OK},
    {200, "<html>sign in</html>", "response", DAYTONA_EPROTOCOL},
    {200, "{\"files\":[{\"path\":\"a\",\"by", "response", DAYTONA_EPROTOCOL},
    {200, "{\"files\":[{\"path\":\"a\",\"bytes\":2}]}", "bytes", DAYTONA_ETRUNCATED},
    {200, "{\"files\":[{\"path\":\"b\",\"bytes\":3},{\"path\":\"c\",\"bytes\":3}]}", "written",
     DAYTONA_EFAILED},
    {400, "{\"errors\":[\"a: create: no\",\"reading part: EOF\"],\"files\":null}",
     "a: create: no, reading part: EOF", DAYTONA_EFAILED},
    {400, "", NULL, DAYTONA_EINVAL},
    {403, "", NULL, DAYTONA_EFORBIDDEN},
    {500, "{\"message\":\"broken\"}", "broken", DAYTONA_EFAILED},
  };
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_answer(&scene, ROUTE, answers[i].status, answers[i].body);
    daytona_future_t *future = daytona_fs_upload(sandbox, "abc", 3, "a", NULL);
    int code = daytona_future_await(future);
    if (code != (int)answers[i].code && !(code != 0 && daytona_errcode_is(code, answers[i].code)))
      fail_msg("%zu: %s", i, daytona_errcode_name(code));
    if (answers[i].says != NULL) api_says(future, answers[i].says);
    if (code != 0 && answers[i].status >= 400)
      assert_int_equal(daytona_future_error(future)->http_status, answers[i].status);
    daytona_future_release(future);
    api_forget(&scene, ROUTE);
  }
}

static void each_of_many_has_its_verdict(void **state) {
  api_answer(&scene, ROUTE, 400,
             "{\"errors\":[\"/no/b: mkdir /no: denied\"],\"files\":[{\"path\":\"a\",\"bytes\":1},"
             "{\"path\":\"c\",\"bytes\":9},{\"path\":\"e\",\"bytes\":1}]}");
  daytona_fs_upload_item_t items[] = {{.destination = "a", .bytes = "1", .size = 1},
                                      {.destination = "/no/b"},
                                      {.destination = "c", .bytes = "1", .size = 1},
                                      {.destination = "d"},
                                      {.destination = " e\n", .bytes = "1", .size = 1}};
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 5, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 3);
  assert_null(results->items[0]->error);
  assert_non_null(strstr(results->items[1]->error->message, "/no/b: mkdir /no: denied"));
  assert_int_equal(results->items[1]->error->http_status, 400);
  assert_int_equal(results->items[2]->error->code, DAYTONA_ETRUNCATED);
  assert_int_equal(results->items[3]->error->code, DAYTONA_EFAILED);
  assert_null(results->items[4]->error);
  daytona_future_release(future);
}

/* A server may repeat the key in what it says of a file. */
static void the_key_is_in_no_error_of_a_file(void **state) {
  api_keep_secret(&scene, "key-of-the-client");
  api_answer(&scene, ROUTE, 400,
             "{\"errors\":[\"b: not with key-of-the-client\"],\"files\":[{\"path\":\"a\",\"bytes\":1}]}");
  daytona_fs_upload_item_t items[] = {{.destination = "a", .bytes = "1", .size = 1}, {.destination = "b"}};
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 2, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_non_null(strstr(results->items[1]->error->message, "b: not with ***"));
  daytona_future_release(future);
}

/* The response about many is larger than other responses that say no, and one file that failed is no failure of all. */
static void one_of_thousands_may_fail(void **state) {
  enum { COUNT = 3000, FAILED = 1234 };
  static char names[COUNT][32];
  static daytona_fs_upload_item_t items[COUNT];
  static char answer[COUNT * 64];
  size_t at =
    (size_t)sprintf(answer, "{\"errors\":[\"/a/folder/file-%d: create: denied\"],\"files\":[", FAILED);
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "/a/folder/file-%d", i);
    items[i].destination = names[i];
    if (i == FAILED) continue;
    at += (size_t)sprintf(answer + at, "%s{\"path\":\"%s\",\"bytes\":0}", i == 0 ? "" : ",", names[i]);
  }
  strcpy(answer + at, "]}");
  api_answer(&scene, ROUTE, 400, answer);
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, COUNT, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_non_null(strstr(results->items[FAILED]->error->message, "/a/folder/file-1234: create: denied"));
  daytona_future_release(future);
}

/* --- local files ------------------------------------------------------------------------------- */

static void unreadable_file_fails_before_anything_is_sent(void **state) {
  char missing[128], fifo[128];
  snprintf(missing, sizeof missing, "%s/missing", folder);
  snprintf(fifo, sizeof fifo, "%s/fifo", folder);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  const char *bad[] = {missing, folder, fifo};
  for (size_t i = 0; i < 3; i++) {
    daytona_future_t *future = api_must_fail(daytona_fs_upload_file(sandbox, bad[i], "x", NULL), DAYTONA_EIO);
    assert_non_null(strstr(daytona_future_error(future)->message, bad[i]));
    daytona_future_release(future);
    daytona_fs_upload_item_t items[] = {{.destination = "a", .local_path = local("a", 3)},
                                        {.destination = "b", .local_path = bad[i]}};
    api_fails(daytona_fs_upload_files(sandbox, items, 2, NULL), DAYTONA_EIO);
  }
  assert_int_equal(scene.request_count, 0);
}

/* The disk does not answer: the four threads of libuv's pool are busy as if they stood in open(). */
typedef struct stuck {
  uv_work_t work;
  uv_sem_t *go;
} stuck_t;

static void on_stuck(uv_work_t *work) { uv_sem_wait(((stuck_t *)work)->go); }
static void on_unstuck(uv_work_t *work, int status) { assert_int_equal(status, 0); }

static void whole_limit_holds_while_a_file_is_looked_at(void **state) {
  enum { THREADS = 4 };
  stuck_t stuck[THREADS];
  uv_sem_t go;
  assert_int_equal(uv_sem_init(&go, 0), 0);
  for (int i = 0; i < THREADS; i++) {
    stuck[i].go = &go;
    assert_int_equal(uv_queue_work(&scene.uv, &stuck[i].work, on_stuck, on_unstuck), 0);
  }
  daytona_transfer_opts_t opts = {.timeout_ms = 5000};
  daytona_future_t *future = daytona_fs_upload_file(sandbox, local("x", 3), "x", &opts);
  api_advance(&scene, 4000);
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 1001);
  api_must_fail(future, DAYTONA_EDEADLINE);
  api_says(future, "5000 ms");
  daytona_future_release(future);
  /* What looking has used is not there for the request. */
  api_answer(&scene, ROUTE, 0, api_silence);
  future = daytona_fs_upload_file(sandbox, local("x", 3), "x", &opts);
  api_advance(&scene, 4000);
  for (int i = 0; i < THREADS; i++) uv_sem_post(&go);
  api_until_requests(&scene, 1);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 1001);
  api_must_fail(future, DAYTONA_EDEADLINE);
  api_says(future, "5000 ms");
  daytona_future_release(future);
  uv_sem_destroy(&go);
}

/* Only the size is wanted, of a thousand files at once perhaps. */
static void looking_at_files_takes_no_buffers(void **state) {
  daytona_fs_upload_item_t items[50];
  const char *path = local("empty", 0);
  for (size_t i = 0; i < 50; i++)
    items[i] = (daytona_fs_upload_item_t){.destination = "e", .local_path = path};
  api_answer(&scene, ROUTE, 200, "{}");
  support_alloc_heal();
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 50, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, 0);
  daytona_future_release(future);
  assert_true(support_alloc_largest() < 64 * 1024);
}

/* Sizes that do not fit the arithmetic of a request: refused, not waited for. */
static void sizes_past_every_limit_are_refused(void **state) {
  daytona_fs_upload_item_t items[] = {{.destination = "a", .bytes = "x", .size = (size_t)-1},
                                      {.destination = "b"}};
  api_fails(daytona_fs_upload(sandbox, "x", (size_t)-1, "a", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, items, 2, NULL), DAYTONA_EINVAL);
  items[0].size = items[1].size = (size_t)INT64_MAX - 10;
  items[1].bytes = "y";
  api_fails(daytona_fs_upload_files(sandbox, items, 2, NULL), DAYTONA_ELIMIT);
  assert_int_equal(scene.request_count, 0);
}

/* A file of many is opened again when its turn comes: by then it may have gone or be another. */
static void on_first_bytes(peer_conn_t *conn, const char *bytes, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "%s/second", folder);
  unlink(path);
  if (conn->peer->user != NULL) local("second", 7);
}

static void on_raw(peer_conn_t *conn) {
  conn->is_raw = true;
  conn->peer->on_bytes = on_first_bytes;
}

static void file_that_goes_or_changes_before_its_turn_is_an_error(void **state) {
  static char first[128], second[128];
  for (int changes = 0; changes < 2; changes++) {
    scene.peer.user = changes ? &scene : NULL;
    scene.peer.on_accept = on_raw;
    for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next) on_raw(conn);
    strcpy(first, local("first", 30 * 1000 * 1000));
    strcpy(second, local("second", 5));
    daytona_fs_upload_item_t items[] = {{.destination = "a", .local_path = first},
                                        {.destination = "b", .local_path = second}};
    daytona_future_t *future = api_must_fail(daytona_fs_upload_files(sandbox, items, 2, NULL), DAYTONA_EIO);
    assert_non_null(strstr(daytona_future_error(future)->message, changes ? "has changed its size" : second));
    daytona_future_release(future);
  }
}

/* A single one stays open. */
static const char *gone_path;

static void on_gone_progress(const daytona_transfer_progress_t *progress, void *user) {
  *(daytona_transfer_progress_t *)user = *progress;
  unlink(gone_path);
}

static void file_that_goes_while_it_is_sent_is_sent_whole(void **state) {
  api_answer(&scene, ROUTE, 200, "{\"files\":[{\"path\":\"x\",\"bytes\":3000000}]}");
  const char *path = local("x", 3000000);
  daytona_transfer_progress_t seen = {0};
  daytona_transfer_opts_t opts = {.on_progress = on_gone_progress, .user = &seen};
  gone_path = path;
  api_done(daytona_fs_upload_file(sandbox, path, "x", &opts));
  assert_int_equal(seen.bytes, 3000000);
  assert_int_equal(access(path, F_OK), -1);
}

/* As soon as the server sees the request begin. */
static void on_begun(peer_conn_t *conn, const char *bytes, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "%s/big", folder);
  assert_int_equal(truncate(path, 600000), 0);
}

static void on_accept(peer_conn_t *conn) {
  conn->is_raw = true;
  conn->peer->on_bytes = on_begun;
}

static void file_that_shrinks_while_it_is_sent_is_an_error(void **state) {
  scene.peer.on_accept = on_accept;
  for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next) on_accept(conn);
  daytona_future_t *future =
    api_must_fail(daytona_fs_upload_file(sandbox, local("big", 30 * 1000 * 1000), "x", NULL), DAYTONA_EIO);
  assert_non_null(strstr(daytona_future_error(future)->message, "shorter"));
  daytona_future_release(future);
}

/* --- sources ----------------------------------------------------------------------------------- */

typedef struct source {
  const char *const *steps; /* what each call gives; "wait", "fail", "cancel", "close", NULL: the end */
  size_t next, calls;
  bool resumes_inside;
  daytona_future_t *future;
} source_t;

static ptrdiff_t on_source(char *buffer, size_t size, void *user) {
  source_t *self = user;
  const char *step = self->steps[self->next];
  self->calls++;
  if (step == NULL) return 0;
  self->next++;
  if (strcmp(step, "wait") == 0) {
    if (self->resumes_inside) daytona_future_resume(self->future);
    return DAYTONA_SOURCE_WAIT;
  }
  if (strcmp(step, "fail") == 0) return DAYTONA_SOURCE_FAIL;
  if (strcmp(step, "lie") == 0) return (ptrdiff_t)size + 1;
  if (strcmp(step, "cancel") == 0) {
    daytona_future_cancel(self->future);
    return 0;
  }
  if (strcmp(step, "close") == 0) {
    daytona_future_release(self->future);
    daytona_sandbox_release(sandbox);
    sandbox = NULL;
    api_scene_close_client(&scene);
    return 0;
  }
  size_t count = strlen(step);
  assert_true(count <= size);
  memcpy(buffer, step, count);
  return (ptrdiff_t)count;
}

static void source_is_sent_chunked(void **state) {
  static const char *const steps[] = {"one ", "two", NULL};
  source_t source = {.steps = steps};
  api_answer(&scene, ROUTE, 200, "{\"files\":[{\"path\":\"x\",\"bytes\":7}]}");
  api_done(source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL));
  const char *request = api_request(&scene, ROUTE, 0);
  assert_true(api_has_header(request, "Transfer-Encoding", "chunked"));
  assert_false(api_has_header(request, "Content-Length", NULL));
  assert_non_null(strstr(request, "one two"));
}

static void source_that_waits_is_asked_again_only_when_resumed(void **state) {
  static const char *const steps[] = {"wait", "one ", "wait", "two", "wait", NULL};
  source_t source = {.steps = steps};
  api_answer(&scene, ROUTE, 200, "{}");
  source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL);
  for (size_t waits = 1; waits <= 5; waits += 2) {
    while (source.next < waits) assert_true(uv_run(&scene.uv, UV_RUN_ONCE) != 0);
    size_t calls = source.calls;
    for (int i = 0; i < 20; i++) api_spin(&scene, 1);
    assert_int_equal(source.calls, calls);
    assert_false(daytona_future_is_settled(source.future));
    daytona_future_resume(source.future);
    daytona_future_resume(source.future);
  }
  api_done(source.future);
  assert_non_null(strstr(api_request(&scene, ROUTE, 0), "one "));
}

/* From memory, from a local file, from a source: nothing of the body goes while it is paused. */
static void every_upload_can_be_paused(void **state) {
  static const char *const steps[] = {"one ", NULL};
  api_answer(&scene, ROUTE, 200, "{}");
  for (int way = 0; way < 3; way++) {
    source_t source = {.steps = steps};
    daytona_future_t *future = way == 0 ? daytona_fs_upload(sandbox, "bytes", 5, "x", NULL)
                               : way == 1
                                 ? daytona_fs_upload_file(sandbox, local("small", 100), "x", NULL)
                                 : daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL);
    assert_int_equal(daytona_future_pause(future), 0);
    api_until_no_job(&scene); /* the local file is looked at */
    api_spin(&scene, 60);
    assert_false(daytona_future_is_settled(future));
    assert_int_equal(source.calls, 0);
    assert_int_equal(daytona_future_resume(future), 0);
    api_must(future);
    assert_int_equal(daytona_future_pause(future), DAYTONA_EINVAL);
    daytona_future_release(future);
  }
}

/* A pause is not for ever: the whole limit passes all the same, and the source is not asked again. */
static void a_limit_ends_a_paused_upload(void **state) {
  static const char *const steps[] = {"one ", "wait", "two", NULL};
  const daytona_transfer_opts_t opts = {.timeout_ms = 5000, .idle_timeout_ms = DAYTONA_NO_TIMEOUT};
  api_answer(&scene, ROUTE, 200, "{}");
  for (int way = 0; way < 3; way++) {
    source_t source = {.steps = steps};
    daytona_future_t *future = way == 0 ? daytona_fs_upload(sandbox, "bytes", 5, "x", &opts)
                               : way == 1
                                 ? daytona_fs_upload_file(sandbox, local("small", 100), "x", &opts)
                                 : daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", &opts);
    source.future = future;
    while (way == 2 && source.calls < 2) uv_run(&scene.uv, UV_RUN_ONCE);
    assert_int_equal(daytona_future_pause(future), 0);
    api_until_no_job(&scene);
    api_spin(&scene, 30);
    api_advance(&scene, 4900);
    api_spin(&scene, 10);
    assert_false(daytona_future_is_settled(future));
    api_advance(&scene, 200);
    api_must_fail(future, DAYTONA_EDEADLINE);
    assert_int_equal(daytona_future_resume(future), DAYTONA_EINVAL);
    api_spin(&scene, 10);
    assert_int_equal(source.calls, way == 2 ? 2 : 0);
    daytona_future_release(future);
  }
}

static void resume_inside_the_source_is_not_lost(void **state) {
  static const char *const steps[] = {"wait", "wait", "one", "wait", NULL};
  source_t source = {.steps = steps, .resumes_inside = true};
  api_answer(&scene, ROUTE, 200, "{}");
  source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL);
  api_done(source.future);
}

static void source_may_give_up_or_cancel(void **state) {
  static const struct {
    const char *steps[3], *says;
    daytona_errcode_t code;
  } ends[] = {
    {{"one", "fail"}, "source", DAYTONA_EIO},   {{"fail"}, "source", DAYTONA_EIO},
    {{"one", "lie"}, "source", DAYTONA_EINVAL}, {{"one", "cancel"}, NULL, DAYTONA_ECANCELED},
    {{"cancel"}, NULL, DAYTONA_ECANCELED},
  };
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    source_t source = {.steps = ends[i].steps};
    source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL);
    api_must_fail(source.future, ends[i].code);
    if (ends[i].says != NULL) api_says(source.future, ends[i].says);
    daytona_future_release(source.future);
    api_spin(&scene, 5);
  }
}

/* Everything that the program holds goes inside its own callback. */
static void source_may_let_everything_go(void **state) {
  static const char *const steps[] = {"one", "close", NULL};
  source_t source = {.steps = steps};
  source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", NULL);
  while (!scene.is_closed) uv_run(&scene.uv, UV_RUN_ONCE);
  assert_int_equal(source.calls, 2);
}

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  daytona_transfer_progress_t *seen = user;
  assert_true(progress->bytes > seen->bytes);
  *seen = *progress;
}

static void progress_tells_bytes_and_total(void **state) {
  daytona_transfer_progress_t seen = {0};
  daytona_transfer_opts_t opts = {.on_progress = on_progress, .user = &seen};
  api_answer(&scene, ROUTE, 200, "{}");
  api_done(daytona_fs_upload_file(sandbox, local("x", 300000), "x", &opts));
  assert_int_equal(seen.bytes, 300000);
  assert_int_equal(seen.total, 300000);
  static const char *const steps[] = {"one", NULL};
  source_t source = {.steps = steps};
  seen.bytes = 0;
  api_done(daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", &opts));
  assert_int_equal(seen.bytes, 3);
  assert_int_equal(seen.total, -1);
}

/* --- servers that cut ------------------------------------------------------------------------------ */

static size_t cut_after, cut_seen;
static bool cut_answers;

static void on_cut_bytes(peer_conn_t *conn, const char *bytes, size_t size) {
  bool was_below = cut_seen < cut_after;
  cut_seen += size;
  if (!was_below || cut_seen < cut_after) return;
  if (!cut_answers)
    peer_reset(conn);
  else /* early, and reads on */
    peer_puts(conn,
              "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 21\r\n\r\n{\"message\":\"no room\"}\n");
}

static void on_cut_accept(peer_conn_t *conn) {
  conn->is_raw = true;
  conn->peer->on_bytes = on_cut_bytes;
}

/* At each border of a part, and in between: never a success, never a wait. */
static void bulk_upload_cut_anywhere_fails(void **state) {
  enum { SIZE = 700000 };
  static char first[128], third[128];
  strcpy(first, local("first", SIZE));
  strcpy(third, local("third", SIZE));
  daytona_fs_upload_item_t items[] = {{.destination = "a", .local_path = first},
                                      {.destination = "b"},
                                      {.destination = "c", .local_path = third}};
  scene.peer.on_accept = on_cut_accept;
  for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next) on_cut_accept(conn);
  static const size_t cuts[] = {1,          300,        600,         900,         SIZE / 2, SIZE,
                                SIZE + 600, SIZE + 900, SIZE + 1200, SIZE + 1500, 2 * SIZE, 2 * SIZE + 900};
  for (size_t i = 0; i < 2 * sizeof cuts / sizeof cuts[0]; i++) {
    cut_answers = i % 2 != 0;
    cut_after = cuts[i / 2];
    cut_seen = 0;
    daytona_future_t *future = daytona_fs_upload_files(sandbox, items, 3, NULL);
    int code = daytona_future_await(future);
    assert_true(code != 0 && daytona_errcode_is(code, cut_answers ? DAYTONA_EFAILED : DAYTONA_ECONNECTION));
    if (cut_answers) assert_int_equal(daytona_future_error(future)->http_status, 507);
    if (cut_answers) api_says(future, "no room");
    daytona_future_release(future);
  }
}

/* A server that refuses before it has read: it answers, and leaves some turns later with the rest unread. */
typedef struct refusing {
  uv_idle_t idle;
  peer_conn_t *conn;
  int turns, wait;
  const char *answer;
} refusing_t;

static refusing_t refusing;

static void on_refusing_turn(uv_idle_t *idle) {
  if (++refusing.turns <= refusing.wait) return;
  uv_idle_stop(idle);
  for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next)
    if (conn == refusing.conn) {
      peer_leave(conn);
      return;
    }
}

static void on_refused_bytes(peer_conn_t *conn, const char *bytes, size_t size) {
  if (conn == refusing.conn) return;
  refusing.conn = conn;
  refusing.turns = 0;
  peer_stop_reading(conn);
  peer_puts(conn, refusing.answer);
  uv_idle_start(&refusing.idle, on_refusing_turn);
}

static void on_refused_accept(peer_conn_t *conn) {
  conn->is_raw = true;
  conn->peer->on_bytes = on_refused_bytes;
}

static daytona_future_t *refused_upload(int way, source_t *source) {
  static char bytes[3 << 20];
  if (way == 0) return daytona_fs_upload(sandbox, bytes, sizeof bytes, "x", NULL);
  if (way == 1) return daytona_fs_upload_file(sandbox, local("x", sizeof bytes), "x", NULL);
  return source->future = daytona_fs_upload_file_stream(sandbox, on_source, source, "x", NULL);
}

static void refusal_that_comes_while_sending_is_reported_as_itself(void **state) {
  static const char *const steps[] = {"one", "wait", "two", NULL};
  static const struct {
    const char *answer, *message;
    daytona_errcode_t code;
  } answers[] = {
    {"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 21\r\n\r\n{\"message\":\"not you\"}",
     "not you", DAYTONA_EAUTH},
    {"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 21\r\n\r\n{\"message\":\"too big\"}", "too big",
     DAYTONA_EFAILED},
  };
  uv_idle_init(&scene.uv, &refusing.idle);
  scene.peer.on_accept = on_refused_accept;
  for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next) on_refused_accept(conn);
  for (int i = 0; i < 2; i++)
    for (int way = 0; way < 3; way++)
      for (refusing.wait = 0; refusing.wait < 30; refusing.wait += refusing.wait < 6 ? 1 : 8) {
        source_t source = {.steps = steps};
        refusing.answer = answers[i].answer;
        refusing.conn = NULL;
        daytona_future_t *future = refused_upload(way, &source);
        int code = daytona_future_await(future);
        if (code != (int)answers[i].code)
          fail_msg("answer %d, way %d, after %d turns: %s: %s", i, way, refusing.wait,
                   daytona_errcode_name(code), daytona_future_error(future)->message);
        if (strstr(daytona_future_error(future)->message, answers[i].message) == NULL)
          fail_msg("answer %d, way %d, after %d turns: %s", i, way, refusing.wait,
                   daytona_future_error(future)->message);
        daytona_future_release(future);
        uv_idle_stop(&refusing.idle);
        api_spin(&scene, 5);
      }
  uv_close((uv_handle_t *)&refusing.idle, NULL);
}

/* --- limits -------------------------------------------------------------------------------------- */

static void waiting_source_is_not_silence_but_a_silent_server_is(void **state) {
  static const char *const steps[] = {"one", "wait", "two", NULL};
  source_t source = {.steps = steps};
  daytona_transfer_opts_t opts = {.idle_timeout_ms = 1000};
  api_answer(&scene, ROUTE, 0, api_silence);
  source.future = daytona_fs_upload_file_stream(sandbox, on_source, &source, "x", &opts);
  while (source.next < 2) uv_run(&scene.uv, UV_RUN_ONCE);
  api_spin(&scene, 20);
  api_advance(&scene, 60 * 60 * 1000);
  api_spin(&scene, 20);
  assert_false(daytona_future_is_settled(source.future));
  daytona_future_resume(source.future);
  api_until_requests(&scene, 1);
  api_advance(&scene, 500);
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(source.future));
  api_advance(&scene, 2000);
  api_must_fail(source.future, DAYTONA_EIDLE_TIMEOUT);
  daytona_future_release(source.future);
  /* The default is half an hour; none on request. */
  for (int is_endless = 0; is_endless < 2; is_endless++) {
    opts.idle_timeout_ms = is_endless ? DAYTONA_NO_TIMEOUT : 0;
    daytona_future_t *future = daytona_fs_upload(sandbox, "x", 1, "x", &opts);
    api_until_requests(&scene, 2 + (size_t)is_endless);
    api_advance(&scene, 29 * 60 * 1000);
    api_spin(&scene, 5);
    assert_false(daytona_future_is_settled(future));
    api_advance(&scene, 2 * 60 * 1000);
    api_spin(&scene, 5);
    assert_int_equal(daytona_future_is_settled(future), !is_endless);
    if (is_endless) daytona_future_cancel(future);
    api_must_fail(future, is_endless ? DAYTONA_ECANCELED : DAYTONA_EIDLE_TIMEOUT);
    daytona_future_release(future);
  }
}

static void sandbox_that_is_full_says_so(void **state) {
  static const char full[] =
    "{\"errors\":[\"b: write: write b: no space left on device\"],\"files\":[{\"path\":\"a\",\"bytes\":1}]}";
  daytona_fs_upload_item_t items[] = {{.destination = "a", .bytes = "1", .size = 1},
                                      {.destination = "b", .bytes = "2", .size = 1}};
  api_answer(&scene, ROUTE, 400, full);
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 2, NULL));
  assert_null(daytona_future_fs_result_list(future)->items[0]->error);
  assert_non_null(
    strstr(daytona_future_fs_result_list(future)->items[1]->error->message, "no space left on device"));
  daytona_future_release(future);
}

/* --- endings in every state -------------------------------------------------------------------- */

static void cancel_at(int turns, bool closes) {
  daytona_fs_upload_item_t items[] = {{.destination = "a", .local_path = local("a", 300000)},
                                      {.destination = "b"},
                                      {.destination = "c", .local_path = local("c", 10)}};
  daytona_future_t *future = daytona_fs_upload_files(sandbox, items, 3, NULL);
  api_spin(&scene, turns);
  if (closes) {
    api_scene_close_client(&scene);
    while (!scene.is_closed) uv_run(&scene.uv, UV_RUN_ONCE);
  } else {
    daytona_future_cancel(future);
    api_spin(&scene, 1);
  }
  assert_true(daytona_future_is_settled(future));
  int code = daytona_future_code(future);
  assert_true(code == DAYTONA_OK || code == (closes ? DAYTONA_ECLOSED : DAYTONA_ECANCELED));
  daytona_future_release(future);
}

static void cancel_leaves_nothing_in_any_state(void **state) {
  api_answer(&scene, ROUTE, 200, "{}");
  for (int turns = 0; turns < 40; turns++) cancel_at(turns, false);
}

static void close_leaves_nothing_in_any_state(void **state) {
  close_scene(state);
  for (int turns = 0; turns < 40; turns++) {
    open_scene(state);
    api_answer(&scene, ROUTE, 200, "{}");
    cancel_at(turns, true);
    close_scene(state);
  }
  open_scene(state);
}

static void with_little_memory(void *user) {
  daytona_fs_upload_item_t items[] = {{.destination = "a", .local_path = user},
                                      {.destination = "b", .bytes = "b", .size = 1}};
  daytona_future_t *future = daytona_fs_upload_files(sandbox, items, 2, NULL);
  int code = daytona_future_await(future);
  if (code != 0 && code != DAYTONA_ENOMEM && !daytona_errcode_is(code, DAYTONA_ECONNECTION))
    fail_msg("%s", daytona_errcode_name(code));
  daytona_future_release(future);
  api_settle(&scene);
  api_until_no_job(&scene);
}

static void every_allocation_may_fail(void **state) {
  char path[128];
  strcpy(path, local("a", 1000));
  api_answer(&scene, ROUTE, 200,
             "{\"files\":[{\"path\":\"a\",\"bytes\":1000},{\"path\":\"b\",\"bytes\":1}]}");
  with_little_memory(path);
  support_alloc_sweep(with_little_memory, path);
}

static void bad_arguments_fail_through_the_future(void **state) {
  daytona_fs_upload_item_t no_bytes = {.destination = "a", .size = 1}, no_path = {.bytes = "x", .size = 1},
                           no_local = {.destination = "a", .local_path = ""};
  api_fails(daytona_fs_upload(sandbox, "x", 1, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload(sandbox, "x", 1, " \n", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload(sandbox, NULL, 1, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_file(sandbox, NULL, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_file_stream(sandbox, NULL, NULL, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, NULL, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, &no_bytes, 0, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, &no_bytes, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, &no_path, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_upload_files(sandbox, &no_local, 1, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(bytes_are_sent_exactly),
    TEST(local_files_of_every_size_are_sent),
    TEST(many_files_are_one_request),
    TEST(many_local_files_follow_each_other),
    TEST(answers_decide),
    TEST(each_of_many_has_its_verdict),
    TEST(the_key_is_in_no_error_of_a_file),
    TEST(one_of_thousands_may_fail),
    TEST(unreadable_file_fails_before_anything_is_sent),
    TEST(whole_limit_holds_while_a_file_is_looked_at),
    TEST(looking_at_files_takes_no_buffers),
    TEST(sizes_past_every_limit_are_refused),
    TEST(file_that_goes_or_changes_before_its_turn_is_an_error),
    TEST(file_that_goes_while_it_is_sent_is_sent_whole),
    TEST(file_that_shrinks_while_it_is_sent_is_an_error),
    TEST(source_is_sent_chunked),
    TEST(source_that_waits_is_asked_again_only_when_resumed),
    TEST(every_upload_can_be_paused),
    TEST(a_limit_ends_a_paused_upload),
    TEST(resume_inside_the_source_is_not_lost),
    TEST(source_may_give_up_or_cancel),
    TEST(source_may_let_everything_go),
    TEST(bulk_upload_cut_anywhere_fails),
    TEST(refusal_that_comes_while_sending_is_reported_as_itself),
    TEST(waiting_source_is_not_silence_but_a_silent_server_is),
    TEST(sandbox_that_is_full_says_so),
    TEST(progress_tells_bytes_and_total),
    TEST(cancel_leaves_nothing_in_any_state),
    TEST(close_leaves_nothing_in_any_state),
    TEST(every_allocation_may_fail),
    TEST(bad_arguments_fail_through_the_future),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
