/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of a desktop: what is sent, what comes back, and downloads to memory, to a local file and into a sink.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/misuse.h"
#include "support/recorded.h"
#include "support/same_json.h"

#define ALL "GET /toolbox/sb-1/computeruse/recordings"
#define ONE "/toolbox/sb-1/computeruse/recordings/r-1"
#define DOWNLOAD "GET " ONE "/download"
#define POST "POST /toolbox/sb-1/computeruse/recordings/"

static const char full[] =
  "{\"id\":\"r-1\",\"fileName\":\"n.mp4\",\"filePath\":\"/p/n.mp4\",\"startTime\":\"s\",\"endTime\":\"e\","
  "\"status\":\"completed\",\"durationSeconds\":2.5,\"sizeBytes\":99}";

static api_scene_t scene;
static daytona_sandbox_t *sandbox;
static char folder[64], target[96]; /* empty; removed at the end */

static int open_scene(void **state) {
  (void)state;
  sandbox = api_open_with(&scene, "started");
  strcpy(folder, "/tmp/recording-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(target, sizeof target, "%s/film.mp4", folder);
  return 0;
}

static int close_scene(void **state) {
  (void)state;
  api_close_with(&scene, sandbox);
  assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
  return 0;
}

/* --- calls ------------------------------------------------------------------------------------- */

static void recordings_have_every_member(void **state) {
  (void)state;
  api_answer(&scene, "GET " ONE, 200, full);
  api_answer(&scene, ALL, 200,
             "{\"recordings\":[{\"id\":\"r-2\",\"status\":\"recording\"},{\"status\":\"x\"}]}");
  api_answer(&scene, ALL, 200, "{\"recordings\":null}");
  daytona_future_t *future = api_must(daytona_recording_get(sandbox, "r-1", NULL));
  const daytona_recording_t *recording = daytona_future_recording(future);
  assert_string_equal(recording->id, "r-1");
  assert_string_equal(recording->file_name, "n.mp4");
  assert_string_equal(recording->file_path, "/p/n.mp4");
  assert_string_equal(recording->start_time, "s");
  assert_string_equal(recording->end_time, "e");
  assert_string_equal(recording->status, "completed");
  assert_true(recording->duration_seconds.is_set && recording->duration_seconds.value == 2.5);
  assert_int_equal(recording->size_bytes.value, 99);
  assert_wrong_accessor(daytona_future_recording_list(future));
  daytona_future_release(future);
  future = api_must(daytona_recording_list(sandbox, NULL));
  assert_int_equal(daytona_future_recording_list(future)->count, 1);
  assert_int_equal(daytona_future_skipped_count(future), 1);
  recording = daytona_future_recording_list(future)->items[0];
  assert_null(recording->end_time);
  assert_false(recording->duration_seconds.is_set || recording->size_bytes.is_set);
  daytona_future_release(future);
  future = api_must(daytona_recording_list(sandbox, NULL));
  assert_int_equal(daytona_future_recording_list(future)->count, 0);
  daytona_future_release(future);
}

static void requests_have_what_was_given(void **state) {
  (void)state;
  const daytona_recording_start_opts_t labelled = {.label = "demo run"};
  api_answer(&scene, POST "start", 201, full);
  api_answer(&scene, POST "stop", 200, full);
  api_answer(&scene, "DELETE " ONE, 204, "");
  api_done(daytona_recording_start(sandbox, NULL));
  api_done(daytona_recording_start(sandbox, &labelled));
  api_done(daytona_recording_stop(sandbox, "r-1", NULL));
  api_done(daytona_recording_delete(sandbox, "r-1", NULL));
  assert_same_json(api_body_of(scene.requests[0]), "{}");
  assert_same_json(api_body_of(scene.requests[1]), "{\"label\":\"demo run\"}");
  assert_same_json(api_body_of(scene.requests[2]), "{\"id\":\"r-1\"}");
}

static void refusals_are_typed(void **state) {
  (void)state;
  api_answer(
    &scene, POST "start", 400,
    "{\"message\":\"no ffmpeg\",\"code\":\"RECORDING_FFMPEG_NOT_FOUND\",\"source\":\"DAYTONA_DAEMON\"}");
  api_answer(&scene, "DELETE " ONE, 409,
             "{\"message\":\"active\",\"code\":\"RECORDING_STILL_ACTIVE\",\"source\":\"DAYTONA_DAEMON\"}");
  api_fails(daytona_recording_start(sandbox, NULL), DAYTONA_ERECORDING_NO_FFMPEG);
  api_fails(daytona_recording_delete(sandbox, "r-1", NULL), DAYTONA_ERECORDING_ACTIVE);
  api_fails(daytona_recording_get(sandbox, "r-1", NULL), DAYTONA_ENOTFOUND);
}

static size_t take_nothing(const char *bytes, size_t size, void *user) {
  (void)bytes, (void)size, (void)user;
  return 0;
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  (void)state;
  const daytona_transfer_opts_t negative = {.idle_timeout_ms = -7};
  api_fails(daytona_recording_get(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_stop(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_delete(sandbox, "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download(sandbox, "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download(sandbox, "\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download(sandbox, "r-1", &negative), DAYTONA_EINVAL);
  api_fails(daytona_recording_download_file(sandbox, "r-1", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download_file(sandbox, "r-1", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download_file(sandbox, "", target, NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download_file_stream(sandbox, "r-1", NULL, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_recording_download_file_stream(sandbox, "", take_nothing, NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
}

/* --- downloads --------------------------------------------------------------------------------- */

/* A film without a NUL in it, longer than any buffer on the way. free() it. */
static char *film_of(size_t size) {
  char *film = malloc(size + 1);
  assert_non_null(film);
  for (size_t i = 0; i < size; i++) film[i] = (char)('a' + (i + i / 977) % 26);
  film[size] = '\0';
  return film;
}

static void note_progress(const daytona_transfer_progress_t *progress, void *user) {
  *(daytona_transfer_progress_t *)user = *progress;
}

enum { FILM = 700000 };

static void film_comes_to_memory(void **state) {
  (void)state;
  char *film = film_of(FILM);
  daytona_transfer_progress_t progress = {0};
  const daytona_transfer_opts_t opts = {.on_progress = note_progress, .user = &progress};
  api_answer(&scene, DOWNLOAD, 200, film);
  daytona_future_t *future = api_must(daytona_recording_download(sandbox, "r-1", &opts));
  const daytona_bytes_t *bytes = daytona_future_bytes(future);
  assert_int_equal(bytes->size, FILM);
  assert_memory_equal(bytes->data, film, FILM + 1);
  assert_int_equal(progress.bytes, FILM);
  assert_int_equal(progress.total, FILM);
  daytona_future_release(future);
  free(film);
}

static void film_comes_to_a_file(void **state) {
  (void)state;
  char *film = film_of(FILM), below[128], between[96];
  snprintf(between, sizeof between, "%s/new", folder);
  snprintf(below, sizeof below, "%s/film.mp4", between);
  api_answer(&scene, DOWNLOAD, 200, film);
  api_done(daytona_recording_download_file(sandbox, "r-1", below, NULL));
  local_holds(below, film, FILM);
  assert_int_equal(unlink(below), 0);
  assert_int_equal(rmdir(between), 0);
  free(film);
}

static void empty_film_is_an_empty_file(void **state) {
  (void)state;
  api_answer(&scene, DOWNLOAD, 200, "");
  daytona_future_t *future = api_must(daytona_recording_download(sandbox, "r-1", NULL));
  assert_int_equal(daytona_future_bytes(future)->size, 0);
  assert_non_null(daytona_future_bytes(future)->data);
  daytona_future_release(future);
  api_done(daytona_recording_download_file(sandbox, "r-1", target, NULL));
  assert_int_equal(unlink(target), 0);
}

typedef struct taker {
  daytona_future_t *future;
  char *bytes;
  size_t size, calls;
  bool cancels;
} taker_t;

/* Takes a part, pauses for every third call, and goes on by itself. */
static size_t take(const char *bytes, size_t size, void *user) {
  taker_t *taker = user;
  size_t some = size > 3 ? size / 3 : size;
  if (taker->cancels) {
    daytona_future_cancel(taker->future);
    return size;
  }
  if (++taker->calls % 3 == 0) some = 0;
  memcpy(taker->bytes + taker->size, bytes, some);
  taker->size += some;
  if (some < size) daytona_future_resume(taker->future);
  return some;
}

static void film_comes_into_a_sink(void **state) {
  (void)state;
  char *film = film_of(FILM);
  taker_t taker = {.bytes = malloc(FILM)};
  assert_non_null(taker.bytes);
  api_answer(&scene, DOWNLOAD, 200, film);
  taker.future = daytona_recording_download_file_stream(sandbox, "r-1", take, &taker, NULL);
  assert_int_equal(daytona_future_pause(taker.future), 0); /* and nothing comes until the resume */
  api_until_requests(&scene, 1);
  api_spin(&scene, 50);
  assert_int_equal(taker.calls, 0);
  assert_int_equal(daytona_future_resume(taker.future), 0);
  api_must(taker.future);
  assert_int_equal(taker.size, FILM);
  assert_memory_equal(taker.bytes, film, FILM);
  daytona_future_release(taker.future);
  free(taker.bytes);
  free(film);
}

static void sink_may_cancel(void **state) {
  (void)state;
  char *film = film_of(FILM);
  taker_t taker = {.cancels = true};
  api_answer(&scene, DOWNLOAD, 200, film);
  taker.future = daytona_recording_download_file_stream(sandbox, "r-1", take, &taker, NULL);
  api_must_fail(taker.future, DAYTONA_ECANCELED);
  daytona_future_release(taker.future);
  free(film);
}

static void film_that_is_cut_off_leaves_nothing(void **state) {
  (void)state;
  static const char *const cut[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 900\r\nConnection: close\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n"};
  for (int i = 0; i < 2; i++) {
    api_forget(&scene, DOWNLOAD);
    api_answer(&scene, DOWNLOAD, 0, cut[i]);
    api_fails_as(daytona_recording_download_file(sandbox, "r-1", target, NULL), DAYTONA_ECONNECTION);
    api_fails_as(daytona_recording_download(sandbox, "r-1", NULL), DAYTONA_ECONNECTION);
    assert_int_equal(access(target, F_OK), -1);
  }
}

static void film_that_is_not_there_leaves_nothing(void **state) {
  (void)state;
  api_answer(&scene, DOWNLOAD, 404, "{\"error\":\"recording not found\"}");
  daytona_future_t *future =
    api_must_fail(daytona_recording_download_file(sandbox, "r-1", target, NULL), DAYTONA_ENOTFOUND);
  api_says(future, "Failed to download recording: recording not found");
  daytona_future_release(future);
  assert_int_equal(access(target, F_OK), -1);
}

static void film_that_does_not_fit_is_an_error(void **state) {
  (void)state;
  char *film = film_of(FILM), below[128];
  const daytona_transfer_opts_t small = {.max_bytes = 1000};
  api_answer(&scene, DOWNLOAD, 200, film);
  api_fails(daytona_recording_download(sandbox, "r-1", &small), DAYTONA_ELIMIT);
  local_write(target, "x", 1);
  snprintf(below, sizeof below, "%s/below", target); /* of a file, which is no folder */
  daytona_future_t *future =
    api_must_fail(daytona_recording_download_file(sandbox, "r-1", below, NULL), DAYTONA_EIO);
  api_says(future, below);
  assert_true(daytona_future_error(future)->system_errno != 0);
  daytona_future_release(future);
  assert_int_equal(unlink(target), 0);
  free(film);
}

static void count_one(void *user) { ++*(int *)user; }

static void users_are_given_back(void **state) {
  (void)state;
  int given = 0;
  const daytona_transfer_opts_t opts = {
    .user = &given, .destroy_user = count_one, .destroy_stream_user = count_one};
  api_answer(&scene, DOWNLOAD, 200, "abc");
  api_done(daytona_recording_download(sandbox, "r-1", &opts));
  api_spin(&scene, 3);
  assert_int_equal(given, 1);
  api_fails(daytona_recording_download_file_stream(sandbox, "", take_nothing, &given, &opts), DAYTONA_EINVAL);
  api_spin(&scene, 3);
  assert_int_equal(given, 3);
}

/* --- recordings -------------------------------------------------------------------------------- */

static daytona_future_t *ask(const recorded_step_t *step) {
  char id[128], body_id[128];
  const char *what = step->target + strlen("/computeruse/recordings");
  const char *given = step->body[0] != '\0' ? recorded_member(step, "id") : NULL;
  snprintf(id, sizeof id, "%.*s", (int)strcspn(what[0] == '/' ? what + 1 : "", "/"),
           what[0] == '/' ? what + 1 : "");
  snprintf(body_id, sizeof body_id, "%s", given != NULL ? given : "");
  if (what[0] == '\0') return daytona_recording_list(sandbox, NULL);
  if (strcmp(what, "/start") == 0) {
    const daytona_recording_start_opts_t opts = {
      .label = step->body[0] != '\0' ? recorded_member(step, "label") : NULL};
    return daytona_recording_start(sandbox, &opts);
  }
  if (strcmp(what, "/stop") == 0)
    return body_id[0] != '\0' ? daytona_recording_stop(sandbox, body_id, NULL) : NULL;
  if (strstr(what, "/download") != NULL) return daytona_recording_download(sandbox, id, NULL);
  if (strcmp(step->verb, "DELETE") == 0) return daytona_recording_delete(sandbox, id, NULL);
  return daytona_recording_get(sandbox, id, NULL);
}

static void check_answer(const daytona_future_t *future, const recorded_step_t *step) {
  if (strstr(step->target, "/download") != NULL) {
    assert_int_equal(daytona_future_bytes(future)->size, step->answer_size);
    assert_memory_equal(daytona_future_bytes(future)->data, step->answer, step->answer_size);
  } else if (json_at(step->answer, "recordings") != NULL) {
    assert_int_equal(daytona_future_skipped_count(future), 0);
    assert_int_equal(daytona_future_recording_list(future)->count != 0,
                     strcmp(json_at(step->answer, "recordings"), "[]") != 0);
  } else if (step->answer[0] == '{') {
    const daytona_recording_t *recording = daytona_future_recording(future);
    assert_string_equal(recording->id, json_at(step->answer, "id"));
    assert_string_equal(recording->file_name, json_at(step->answer, "fileName"));
    assert_string_equal(recording->status, json_at(step->answer, "status"));
    assert_int_equal(recording->end_time != NULL, json_at(step->answer, "endTime") != NULL);
  }
}

static int films;

/* A film: what the scripted server says as text cannot hold it. */
static const recorded_step_t *film_step;

static void on_film_request(peer_conn_t *conn, const char *request, size_t size) {
  char answer_head[128];
  (void)request, (void)size;
  snprintf(answer_head, sizeof answer_head,
           "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", film_step->content_type,
           film_step->answer_size);
  peer_puts(conn, answer_head);
  peer_send(conn, film_step->answer, film_step->answer_size);
}

/* Play one step; false: it is not a call of this client. */
static bool play(const recorded_step_t *step) {
  char line[256];
  bool is_film = strlen(step->answer) != step->answer_size;
  if (strncmp(step->target, "/computeruse/recordings", 23) != 0) return false;
  if (is_film && step->status != 200) return false; /* a part of one */
  void (*on_request)(peer_conn_t *, const char *, size_t) = scene.peer.on_request;
  film_step = step;
  if (is_film) scene.peer.on_request = on_film_request;
  snprintf(line, sizeof line, "%s /toolbox/sb-1%.*s", step->verb, (int)strcspn(step->target, "?"),
           step->target);
  api_forget(&scene, line);
  api_answer(&scene, line, step->status, step->answer);
  daytona_future_t *future = ask(step);
  if (future != NULL) {
    daytona_errcode_t code = (daytona_errcode_t)daytona_future_await(future);
    assert_int_equal(code == DAYTONA_OK, step->status < 300);
    if (step->status < 300)
      check_answer(future, step);
    else
      assert_int_equal(daytona_future_error(future)->http_status, step->status);
  }
  daytona_future_release(future);
  scene.peer.on_request = on_request;
  films += future != NULL && is_film;
  return future != NULL;
}

static void play_all(const char *name, int least) {
  int played = 0;
  for (const recorded_step_t *step = recorded_load(name); step->verb != NULL; step++) played += play(step);
  recorded_free();
  if (played < least) fail_msg("%s: only %d steps were played", name, played);
}

static void recorded_films_are_understood(void **state) {
  (void)state;
  films = 0;
  play_all("computer-recordings.json", 9);
  assert_true(films >= 1);
}

static void recorded_refusals_are_understood(void **state) {
  (void)state;
  play_all("computer-recordings-errors.json", 10);
  play_all("computer-recordings-no-ffmpeg.json", 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    TEST(recordings_have_every_member),
    TEST(requests_have_what_was_given),
    TEST(refusals_are_typed),
    TEST(bad_arguments_do_not_leave_the_client),
    TEST(film_comes_to_memory),
    TEST(film_comes_to_a_file),
    TEST(empty_film_is_an_empty_file),
    TEST(film_comes_into_a_sink),
    TEST(sink_may_cancel),
    TEST(film_that_is_cut_off_leaves_nothing),
    TEST(film_that_is_not_there_leaves_nothing),
    TEST(film_that_does_not_fit_is_an_error),
    TEST(users_are_given_back),
    TEST(recorded_films_are_understood),
    TEST(recorded_refusals_are_understood),
  };
  if (argc > 1) recorded_folder = argv[1];
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
