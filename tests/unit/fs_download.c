/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads against a scripted server: to memory, to local files, into a sink.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/limits.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/same_json.h"
#include "support/local_files.h"
#include "support/misuse.h"

#define B "DAYTONA-FILE-BOUNDARY"
#define ROUTE "POST /toolbox/sb-1/files/bulk-download"
#define HEAD                                                          \
  "HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=" B \
  "\r\nTransfer-Encoding: "                                           \
  "chunked\r\n\r\n"
#define FILE_PART(name, length)                                                \
  "--" B "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name \
  "\"\r\nContent-Length: " length "\r\n\r\n"
#define ERROR_PART(name, type)                                                                              \
  "--" B "\r\nContent-Disposition: form-data; name=\"error\"; filename=\"" name "\"\r\nContent-Type: " type \
  "\r\n\r\n"
#define END "\r\n--" B "--\r\n"

static api_scene_t scene;
static daytona_sandbox_t *sandbox;
static char folder[64];    /* empty; removed at the end */
static peer_conn_t *asked; /* the connection whose request waits for a response */

static void on_request(peer_conn_t *conn, const char *request, size_t size) { asked = conn; }

static int open_scene(void **state) {
  api_scene_open(&scene);
  sandbox = api_sandbox(&scene, "sb-1", "started");
  strcpy(folder, "/tmp/fs_download-XXXXXX");
  assert_non_null(mkdtemp(folder));
  asked = NULL;
  return 0;
}

static int close_scene(void **state) {
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
  assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
  return 0;
}

/* What the server answers: the body in one chunk, whole. */
static void answers(const char *body) {
  char *text = malloc(strlen(body) + 512);
  sprintf(text, HEAD "%zx\r\n%s\r\n0\r\n\r\n", strlen(body), body);
  api_answer(&scene, ROUTE, 0, text);
  free(text);
}

static void reset_request(peer_conn_t *conn, const char *request, size_t size) { peer_reset(conn); }

/* The server is played by hand from now on. */
static void by_hand(void) { scene.peer.on_request = on_request; }

static void until_asked(void) {
  while (asked == NULL) uv_run(&scene.uv, UV_RUN_ONCE);
}

static void send_chunk(const char *bytes, size_t size) {
  char head[32];
  sprintf(head, "%zx\r\n", size);
  peer_puts(asked, head);
  peer_send(asked, bytes, size);
  peer_puts(asked, "\r\n");
}

static void send_text(const char *text) { send_chunk(text, strlen(text)); }

static const char *in_folder(const char *name) { return local_path(folder, name); }

static void holds(const char *name, const char *bytes, size_t size) {
  local_holds(in_folder(name), bytes, size);
  assert_int_equal(unlink(in_folder(name)), 0);
}

static size_t entries(void) {
  size_t count = 0;
  DIR *dir = opendir(folder);
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count - 2;
}

/* --- to memory --------------------------------------------------------------------------------- */

static void bytes_come_to_memory(void **state) {
  answers(FILE_PART("a.txt", "5") "alpha" END);
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, "a.txt", NULL));
  const daytona_bytes_t *bytes = daytona_future_bytes(future);
  assert_int_equal(bytes->size, 5);
  assert_string_equal(bytes->data, "alpha");
  assert_wrong_accessor(daytona_future_fs_result_list(future));
  daytona_future_release(future);
  const char *request = api_request(&scene, ROUTE, 0);
  assert_same_json(api_body_of(request), "{\"paths\":[\"a.txt\"]}");
  assert_true(api_has_header(request, "Accept", "multipart/form-data"));
  assert_true(api_has_header(request, "Content-Type", "application/json"));
}

static void empty_file_is_a_success(void **state) {
  answers(FILE_PART("a.txt", "0") END);
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, "a.txt", NULL));
  assert_int_equal(daytona_future_bytes(future)->size, 0);
  assert_string_equal(daytona_future_bytes(future)->data, "");
  daytona_future_release(future);
}

static void wide_name_wins_over_the_narrow_one(void **state) {
  answers("--" B
          "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/_\"; "
          "filename*=utf-8''%2F%C3%BC\r\n\r\nx" END);
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, "/\xc3\xbc", NULL));
  assert_string_equal(daytona_future_bytes(future)->data, "x");
  daytona_future_release(future);
}

static void error_parts_become_errors(void **state) {
  static const struct {
    const char *part, *says;
    daytona_errcode_t code;
    int status;
  } errors[] = {
    {ERROR_PART("a", "application/json; charset=utf-8") "{\"statusCode\":404,\"message\":\"file not found: "
                                                        "a\",\"code\":\"FILE_NOT_FOUND\",\"source\":"
                                                        "\"DAYTONA_DAEMON\"}" END,
     "file not found: a", DAYTONA_EFILE_NOT_FOUND, 404},
    {ERROR_PART("a", "application/json") "{\"status_code\":403,\"message\":\"no\",\"error_code\":\"FILE_"
                                         "ACCESS_DENIED\"}" END,
     "no", DAYTONA_EFILE_ACCESS_DENIED, 403},
    {ERROR_PART("a", "application/json") "{\"statusCode\":404,\"message\":\"old\"}" END, "old",
     DAYTONA_ENOTFOUND, 404},
    {ERROR_PART("a", "text/plain") " {\"statusCode\":404} \n" END, "{\"statusCode\":404}", DAYTONA_EFAILED,
     0},
    {ERROR_PART("a", "application/json") "not json" END, "not json", DAYTONA_EFAILED, 0},
    {ERROR_PART("a", "text/plain") END, "sandbox", DAYTONA_EFAILED, 0},
    {FILE_PART("b", "1") "x" END, "file", DAYTONA_EPROTOCOL, 0},
    {"--" B "\r\nContent-Disposition: form-data; name=\"other\"; filename=\"a\"\r\n\r\nx" END, "file",
     DAYTONA_EPROTOCOL, 0},
    {"--" B "--\r\n", "file", DAYTONA_EPROTOCOL, 0},
    {FILE_PART("a", "5") "alpha\r\n--" B "-", "boundary", DAYTONA_ETRUNCATED, 0},
    {FILE_PART("a", "50") "alpha" END, "boundary", DAYTONA_ETRUNCATED, 0},
    {"--" B "\r\nno colon\r\n\r\nx" END, "multipart", DAYTONA_EPROTOCOL, 0},
  };
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    answers(errors[i].part);
    daytona_future_t *future = api_must_fail(daytona_fs_download(sandbox, "a", NULL), errors[i].code);
    api_says(future, errors[i].says);
    assert_int_equal(daytona_future_error(future)->http_status, errors[i].status);
    if (errors[i].status != 0) assert_int_equal(daytona_future_error(future)->attempts, 1);
    daytona_future_release(future);
    api_forget(&scene, ROUTE);
    /* To a file: the same, and nothing is there. */
    answers(errors[i].part);
    api_fails(daytona_fs_download_file(sandbox, "a", in_folder("a"), NULL), errors[i].code);
    api_forget(&scene, ROUTE);
    api_spin(&scene, 3);
  }
}

static void answers_of_another_kind_are_refused(void **state) {
  static const struct {
    const char *answer;
    daytona_errcode_t code;
  } kinds[] = {
    {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\noops", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data\r\nContent-Length: 4\r\n\r\noops",
     DAYTONA_EPROTOCOL},
    {"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=\"\"\r\nContent-Length: 4\r\n\r\noops",
     DAYTONA_EPROTOCOL},
    {"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 0\r\n\r\n",
     DAYTONA_EPROTOCOL},
    {"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: "
     "14\r\n\r\n{\"error\":\"no\"}",
     DAYTONA_EINVAL},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", DAYTONA_ENOTFOUND},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    api_answer(&scene, ROUTE, 0, kinds[i].answer);
    daytona_future_t *future = daytona_fs_download(sandbox, "a", NULL);
    int code = daytona_future_await(future);
    if (!daytona_errcode_is(code, kinds[i].code) && code != (int)DAYTONA_ETRUNCATED)
      fail_msg("%zu: %s", i, daytona_errcode_name(code));
    assert_true(code != 0);
    daytona_future_release(future);
    api_forget(&scene, ROUTE);
  }
}

static void too_much_for_memory_ends_the_transfer(void **state) {
  by_hand();
  daytona_transfer_opts_t opts = {.max_bytes = 10};
  daytona_future_t *future = daytona_fs_download(sandbox, "a", &opts);
  until_asked();
  peer_puts(asked, HEAD);
  send_text(FILE_PART("a", "1000000") "0123456789");
  api_spin(&scene, 5);
  send_text("x"); /* and no more: it does not wait for the rest */
  api_fails(future, DAYTONA_ELIMIT);
}

static void limit_counts_all_files_of_a_call(void **state) {
  answers(FILE_PART("a", "4") "aaaa\r\n" FILE_PART("b", "8") "bbbbbbbb\r\n" FILE_PART("c", "4") "cccc" END);
  daytona_fs_download_item_t items[] = {{.source = "a"}, {.source = "b"}, {.source = "c"}};
  daytona_transfer_opts_t opts = {.max_bytes = 8};
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 3, &opts));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_int_equal(results->items[1]->error->code, DAYTONA_ELIMIT);
  assert_null(results->items[1]->bytes.data);
  assert_string_equal(results->items[2]->bytes.data, "cccc");
  daytona_future_release(future);
}

static void many_files_have_errors_of_their_own(void **state) {
  answers(FILE_PART("a", "5") "alpha\r\n" ERROR_PART("b", "application/json")
          "{\"statusCode\":404,\"code\":\"FILE_NOT_FOUND\",\"message\":\"gone\"}\r\n" FILE_PART("a", "3") "two\r\n"
          FILE_PART("d", "0") END);
  daytona_fs_download_item_t items[] = {{.source = "a"},
                                        {.source = "b"},
                                        {.source = "a", .local_path = in_folder("two")},
                                        {.source = "c"},
                                        {.source = "d"}};
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 5, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->count, 5);
  assert_int_equal(results->failed_count, 2);
  assert_string_equal(results->items[0]->bytes.data, "alpha");
  assert_int_equal(results->items[1]->error->code, DAYTONA_EFILE_NOT_FOUND);
  assert_int_equal(results->items[2]->size, 3);
  holds("two", "two", 3);
  assert_int_equal(results->items[3]->error->code, DAYTONA_EPROTOCOL);
  assert_string_equal(results->items[4]->bytes.data, "");
  daytona_future_release(future);
  future = api_must(daytona_fs_download_files(sandbox, NULL, 0, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->count, 0);
  daytona_future_release(future);
}

/* --- to local files ---------------------------------------------------------------------------- */

static void many_local_files_appear_in_new_folders(void **state) {
  answers(FILE_PART("a", "5") "alpha\r\n" FILE_PART("b", "4") "beta\r\n" FILE_PART("c", "0") END);
  char paths[3][PATH_MAX];
  daytona_fs_download_item_t items[] = {{.source = "a"}, {.source = "b"}, {.source = "c"}};
  for (int i = 0; i < 3; i++) {
    snprintf(paths[i], PATH_MAX, "%s/deep/er/%s", folder, items[i].source);
    items[i].local_path = paths[i];
  }
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 3, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, 0);
  daytona_future_release(future);
  holds("deep/er/a", "alpha", 5);
  holds("deep/er/b", "beta", 4);
  holds("deep/er/c", "", 0);
  assert_int_equal(rmdir(in_folder("deep/er")) + rmdir(in_folder("deep")), 0);
}

static void file_that_cannot_be_written_is_its_own_error(void **state) {
  answers(FILE_PART("a", "5") "alpha\r\n" FILE_PART("b", "4") "beta" END);
  assert_int_equal(mkdir(in_folder("taken"), 0700), 0);
  daytona_fs_download_item_t items[] = {
    {.source = "a", .local_path = in_folder("taken")}, /* cannot be renamed to it */
    {.source = "b", .local_path = in_folder("b")}};
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 2, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_int_equal(results->items[0]->error->code, DAYTONA_EIO);
  assert_non_null(strstr(results->items[0]->error->message, "Write failed: "));
  daytona_future_release(future);
  holds("b", "beta", 4);
  api_forget(&scene, ROUTE);
  answers(FILE_PART("a", "5") "alpha" END);
  api_fails(daytona_fs_download_file(sandbox, "a", in_folder("taken"), NULL), DAYTONA_EIO);
  api_fails(daytona_fs_download_file(sandbox, "a", "/proc/no/such/place", NULL), DAYTONA_EIO);
  api_spin(&scene, 5);
  assert_int_equal(rmdir(in_folder("taken")), 0);
}

/* Its part ends before the disk says anything: the call must not wait for ever. */
static void local_error_ends_a_download_at_once(void **state) {
  by_hand();
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", "/proc/no/such/place", NULL);
  until_asked();
  peer_puts(asked, HEAD);
  send_text(FILE_PART("a", "1000000") "begins");
  api_fails(future, DAYTONA_EIO);
}

static void existing_file_is_replaced_only_when_all_is_there(void **state) {
  FILE *file = fopen(in_folder("a"), "w");
  fputs("old", file);
  fclose(file);
  by_hand();
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", in_folder("a"), NULL);
  until_asked();
  peer_puts(asked, HEAD);
  send_text(FILE_PART("a", "10") "01234");
  api_spin(&scene, 20);
  scene.peer.on_request = reset_request; /* neither the rest nor the whole comes */
  peer_reset(asked);
  asked = NULL;
  api_hurry(&scene, future, 100);
  assert_true(daytona_future_await(future) != 0);
  daytona_future_release(future);
  api_until_no_job(&scene); /* the part file goes */
  holds("a", "old", 3);
}

static void large_file_comes_whole(void **state) {
  enum { SIZE = 3 * 1024 * 1024 + 1 };
  char *bytes = malloc(SIZE);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 31 + (i >> 13));
  by_hand();
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", in_folder("a"), NULL);
  until_asked();
  peer_puts(asked, HEAD);
  send_text(FILE_PART("a", "3145729"));
  for (size_t at = 0; at < SIZE; at += 65536) send_chunk(bytes + at, SIZE - at < 65536 ? SIZE - at : 65536);
  send_text(END);
  peer_puts(asked, "0\r\n\r\n");
  api_done(future);
  holds("a", bytes, SIZE);
  free(bytes);
}

/* --- into a sink ------------------------------------------------------------------------------- */

typedef struct sink {
  char text[256];
  size_t size, limit; /* take so many at most in one call */
  size_t calls;
  bool cancels, resumes_inside;
  daytona_future_t *future;
} sink_t;

static size_t on_sink(const char *bytes, size_t size, void *user) {
  sink_t *self = user;
  self->calls++;
  if (self->cancels) daytona_future_cancel(self->future);
  if (self->resumes_inside) daytona_future_resume(self->future);
  if (size > self->limit) size = self->limit;
  assert_true(self->size + size < sizeof self->text);
  memcpy(self->text + self->size, bytes, size);
  self->size += size;
  return size;
}

static void sink_pauses_and_is_asked_again_only_when_resumed(void **state) {
  answers(FILE_PART("a", "9") "012\r\n--34" END);
  sink_t sink = {.limit = 2};
  sink.future = daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, NULL);
  for (size_t calls = 1; sink.size < 9; calls++) {
    while (sink.calls < calls) assert_true(uv_run(&scene.uv, UV_RUN_ONCE) != 0);
    api_spin(&scene, 5);
    assert_int_equal(sink.calls, calls); /* not before */
    assert_false(daytona_future_is_settled(sink.future) && sink.size < 9);
    daytona_future_resume(sink.future);
    daytona_future_resume(sink.future);
  }
  api_must(sink.future);
  assert_string_equal(sink.text, "012\r\n--34");
  assert_int_equal(daytona_future_resume(sink.future), DAYTONA_EINVAL); /* too late */
  daytona_future_release(sink.future);
}

static void resume_inside_the_sink_is_not_lost(void **state) {
  answers(FILE_PART("a", "5") "alpha" END);
  sink_t sink = {.limit = 1, .resumes_inside = true};
  sink.future = daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, NULL);
  api_must(sink.future);
  assert_string_equal(sink.text, "alpha");
  daytona_future_release(sink.future);
}

static void sink_may_cancel_its_own_download(void **state) {
  answers(FILE_PART("a", "5") "alpha" END);
  for (size_t limit = 0; limit < 2; limit++) {
    sink_t sink = {.limit = limit * 100, .cancels = true};
    sink.future = daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, NULL);
    api_must_fail(sink.future, DAYTONA_ECANCELED);
    api_spin(&scene, 5);
    assert_int_equal(sink.calls, 1);
    daytona_future_release(sink.future);
  }
}

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  *(daytona_transfer_progress_t *)user = *progress;
}

static void progress_tells_bytes_and_total(void **state) {
  daytona_transfer_progress_t seen = {0};
  daytona_transfer_opts_t opts = {.on_progress = on_progress, .user = &seen};
  answers(FILE_PART("a", "5") "alpha" END);
  api_done(daytona_fs_download(sandbox, "a", &opts));
  assert_int_equal(seen.bytes, 5);
  assert_int_equal(seen.total, 5);
  api_done(daytona_fs_download_file(sandbox, "a", in_folder("a"), &opts));
  assert_int_equal(seen.bytes, 5);
  holds("a", "alpha", 5);
}

static void silence_ends_a_download(void **state) {
  by_hand();
  daytona_transfer_opts_t opts = {.idle_timeout_ms = 1000};
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", in_folder("a"), &opts);
  until_asked();
  peer_puts(asked, HEAD);
  send_text(FILE_PART("a", "10") "01234");
  api_spin(&scene, 20);
  api_advance(&scene, 500); /* real time passes, too */
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 2000);
  api_must_fail(future, DAYTONA_EIDLE_TIMEOUT);
  daytona_future_release(future);
}

static void whole_transfer_may_have_a_limit(void **state) {
  by_hand();
  daytona_transfer_opts_t opts = {.timeout_ms = 5000};
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", in_folder("a"), &opts);
  until_asked();
  peer_puts(asked, HEAD);
  for (int i = 0; i < 6 && !daytona_future_is_settled(future); i++) { /* never silent for long */
    send_text(i == 0 ? FILE_PART("a", "10") : "0");
    api_spin(&scene, 10);
    api_advance(&scene, 900);
    api_spin(&scene, 5);
  }
  api_must_fail(future, DAYTONA_EDEADLINE);
  daytona_future_release(future);
}

/* A program that takes nothing for hours is not the network's silence. */
static void pause_is_not_silence(void **state) {
  daytona_transfer_opts_t opts = {.idle_timeout_ms = 1000};
  answers(FILE_PART("a", "5") "alpha" END);
  sink_t sink = {.limit = 2};
  sink.future = daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, &opts);
  while (sink.calls == 0) uv_run(&scene.uv, UV_RUN_ONCE);
  api_spin(&scene, 5);
  api_advance(&scene, 3 * 60 * 60 * 1000);
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(sink.future));
  sink.limit = 100;
  daytona_future_resume(sink.future);
  api_must(sink.future);
  assert_string_equal(sink.text, "alpha");
  daytona_future_release(sink.future);
}

/* Whatever the place of the bytes; through a combination; also before anything has come. */
static void every_download_can_be_paused(void **state) {
  answers(FILE_PART("a", "5") "alpha" END);
  for (int way = 0; way < 3; way++) {
    sink_t sink = {.limit = 100};
    daytona_future_t *future = way == 0 ? daytona_fs_download(sandbox, "a", NULL)
                               : way == 1
                                 ? daytona_fs_download_file(sandbox, "a", in_folder("a"), NULL)
                                 : daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, NULL);
    daytona_future_t *bound = daytona_future_deadline(future, DAYTONA_NO_TIMEOUT);
    assert_int_equal(daytona_future_pause(bound), 0);
    assert_int_equal(daytona_future_pause(bound), 0);
    api_spin(&scene, 60);
    assert_false(daytona_future_is_settled(bound));
    assert_int_equal(sink.calls, 0);
    assert_int_equal(daytona_future_resume(bound), 0);
    api_must(bound);
    if (way == 0) assert_string_equal(daytona_future_bytes(bound)->data, "alpha");
    if (way == 1) holds("a", "alpha", 5);
    if (way == 2) assert_string_equal(sink.text, "alpha");
    assert_int_equal(daytona_future_resume(bound), DAYTONA_EINVAL);
    daytona_future_release(bound);
  }
}

/* A pause is not for ever: the whole limit passes all the same, and nothing is delivered or left behind. */
static void a_limit_ends_a_paused_download(void **state) {
  const daytona_transfer_opts_t opts = {.timeout_ms = 5000, .idle_timeout_ms = DAYTONA_NO_TIMEOUT};
  answers(FILE_PART("a", "5") "alpha" END);
  for (int way = 0; way < 3; way++) {
    sink_t sink = {.limit = 2};
    daytona_future_t *future = way == 0 ? daytona_fs_download(sandbox, "a", &opts)
                               : way == 1
                                 ? daytona_fs_download_file(sandbox, "a", in_folder("never"), &opts)
                                 : daytona_fs_download_file_stream(sandbox, "a", on_sink, &sink, &opts);
    while (way == 2 && sink.calls == 0) uv_run(&scene.uv, UV_RUN_ONCE);
    assert_int_equal(daytona_future_pause(future), 0);
    api_spin(&scene, 30);
    api_advance(&scene, 4900);
    api_spin(&scene, 10);
    assert_false(daytona_future_is_settled(future));
    api_advance(&scene, 200);
    api_must_fail(future, DAYTONA_EDEADLINE);
    assert_int_equal(daytona_future_resume(future), DAYTONA_EINVAL);
    api_until_no_job(&scene);
    assert_int_equal(sink.calls, way == 2 ? 1 : 0);
    assert_int_not_equal(access(in_folder("never"), F_OK), 0);
    daytona_future_release(future);
  }
}

/* A server may repeat the key in what it says of a file, in a text that is cut in the middle of it too. */
static void the_key_is_in_no_error_of_a_file(void **state) {
  static const char part[] = ERROR_PART("b", "text/plain");
  static char text[DAYTONA__ERROR_BODY_MAX + 1000];
  daytona_fs_download_item_t items[] = {{.source = "a"}, {.source = "b"}};
  api_keep_secret(&scene, "key-of-the-client");
  for (int is_long = 0; is_long < 2; is_long++) {
    size_t size = (size_t)sprintf(text, "%s%skey-of-the-client", FILE_PART("a", "1") "x\r\n", part);
    if (is_long) {
      memset(text + size, '-', DAYTONA__ERROR_BODY_MAX - 30);
      size += DAYTONA__ERROR_BODY_MAX - 30;
      size += (size_t)sprintf(text + size, "key-of-the-client");
    }
    strcpy(text + size, END);
    answers(text);
    daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 2, NULL));
    const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
    assert_null(results->items[0]->error);
    assert_non_null(strstr(results->items[1]->error->message, "***"));
    assert_null(strstr(results->items[1]->error->message, "key-of"));
    daytona_future_release(future);
    api_forget(&scene, ROUTE);
  }
}

/* --- endings in every state -------------------------------------------------------------------- */

static void cancel_at(size_t turns, bool closes) {
  daytona_future_t *future = daytona_fs_download_file(sandbox, "a", in_folder("a"), NULL);
  api_spin(&scene, (int)turns);
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
  if (!closes) api_until_no_job(&scene); /* the close has waited for them */
  unlink(in_folder("a"));                /* it may have got its name in spite of the cancel */
  assert_int_equal(entries(), 0);
}

static void cancel_leaves_nothing_in_any_state(void **state) {
  answers(FILE_PART("a", "5") "alpha" END);
  for (size_t turns = 0; turns < 40; turns++) cancel_at(turns, false);
}

static void close_leaves_nothing_in_any_state(void **state) {
  close_scene(state);
  for (size_t turns = 0; turns < 40; turns++) {
    open_scene(state);
    answers(FILE_PART("a", "5") "alpha" END);
    cancel_at(turns, true);
    close_scene(state);
  }
  open_scene(state);
}

static void with_little_memory(void *user) {
  daytona_fs_download_item_t items[] = {
    {.source = "a"}, {.source = "b", .local_path = in_folder("b")}, {.source = "c"}};
  daytona_future_t *future = daytona_fs_download_files(sandbox, items, 3, NULL);
  int code = daytona_future_await(future);
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_true((code == 0) == (results != NULL));
  for (size_t i = 0; results != NULL && i < results->count; i++) {
    assert_int_equal(results->items[i]->path != NULL, 1);
    if (results->items[i]->error == NULL && results->items[i]->local_path == NULL)
      assert_int_equal(strlen(results->items[i]->bytes.data), results->items[i]->size);
    if (i != 2 && results->items[i]->error != NULL)
      assert_int_equal(results->items[i]->error->code, DAYTONA_ENOMEM);
  }
  if (code != 0 && code != DAYTONA_ENOMEM && !daytona_errcode_is(code, DAYTONA_ECONNECTION))
    fail_msg("%s", daytona_errcode_name(code));
  daytona_future_release(future);
  api_settle(&scene);
  api_until_no_job(&scene);
  unlink(in_folder("b"));
  assert_int_equal(entries(), 0);
}

static void every_allocation_may_fail(void **state) {
  answers(FILE_PART("a", "5") "alpha\r\n" FILE_PART("b", "4") "beta\r\n" ERROR_PART(
    "c", "application/json") "{\"message\":\"no\"}" END);
  with_little_memory(NULL);
  support_alloc_sweep(with_little_memory, NULL);
}

static void bad_arguments_fail_through_the_future(void **state) {
  daytona_fs_download_item_t none = {.source = "a", .local_path = ""}, nameless = {.source = NULL};
  daytona_transfer_opts_t negative = {.idle_timeout_ms = -5}, total = {.timeout_ms = -5};
  api_fails(daytona_fs_download(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download(sandbox, "\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download(sandbox, "a", &negative), DAYTONA_EINVAL);
  api_fails(daytona_fs_download(sandbox, "a", &total), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_file(sandbox, "a", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_file_stream(sandbox, "a", NULL, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_files(sandbox, &none, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_files(sandbox, &nameless, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_files(sandbox, NULL, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_download_files(sandbox, &none, 1000000, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(bytes_come_to_memory),
    TEST(empty_file_is_a_success),
    TEST(wide_name_wins_over_the_narrow_one),
    TEST(error_parts_become_errors),
    TEST(answers_of_another_kind_are_refused),
    TEST(too_much_for_memory_ends_the_transfer),
    TEST(limit_counts_all_files_of_a_call),
    TEST(many_files_have_errors_of_their_own),
    TEST(many_local_files_appear_in_new_folders),
    TEST(file_that_cannot_be_written_is_its_own_error),
    TEST(local_error_ends_a_download_at_once),
    TEST(existing_file_is_replaced_only_when_all_is_there),
    TEST(large_file_comes_whole),
    TEST(sink_pauses_and_is_asked_again_only_when_resumed),
    TEST(resume_inside_the_sink_is_not_lost),
    TEST(sink_may_cancel_its_own_download),
    TEST(progress_tells_bytes_and_total),
    TEST(silence_ends_a_download),
    TEST(whole_transfer_may_have_a_limit),
    TEST(pause_is_not_silence),
    TEST(every_download_can_be_paused),
    TEST(the_key_is_in_no_error_of_a_file),
    TEST(a_limit_ends_a_paused_download),
    TEST(cancel_leaves_nothing_in_any_state),
    TEST(close_leaves_nothing_in_any_state),
    TEST(every_allocation_may_fail),
    TEST(bad_arguments_fail_through_the_future),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
