/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads whose connection is lost, against a scripted toolbox: what is requested then, what is checked, what
 * is given up. The same promises hold for files and for recordings.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/resume.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/local_files.h"

#define BULK "POST /toolbox/sb-1/files/bulk-download"
#define FILE_LINE "GET /toolbox/sb-1/files/download"
#define FILM_LINE "GET /toolbox/sb-1/computeruse/recordings/r/download"
#define OLD "Mon, 02 Nov 2026 10:00:00 GMT"
#define NOW "Mon, 02 Nov 2026 10:00:10 GMT"
#define LATER "Mon, 02 Nov 2026 10:00:20 GMT"

enum { SIZE = 1200 * 1000, CUT = 110 * 1000 };

/* The toolbox: one file, or one with each path; that with the path "b" begins one byte later, and so on. */
static struct {
  char *bytes;
  size_t size;
  const char *modified, *date; /* NULL: the server does not say */
  size_t piece, cuts;          /* bytes of a body before the connection is lost, so many times */
  bool is_changed;             /* since the download began: conditions do not hold */
  bool ignores_ranges, ignores_conditions;
  int status;            /* of requests for the rest, if not 0 */
  const char *range;     /* Content-Range instead of the right one */
  size_t rest_most;      /* bytes in the response with the rest; 0: all */
  size_t rest_more;      /* bytes behind the end of the file */
  void (*on_rest)(void); /* called before the rest is sent */
  size_t bulks, rests, films;
} box;

static api_scene_t scene;
static daytona_sandbox_t *sandbox;
static char folder[64];
static const char *target;

/* --- the toolbox ------------------------------------------------------------------------------- */

/* Send a response, or as much of it as the script lets through. */
static void send_body(peer_conn_t *conn, const char *head, const char *bytes, size_t size) {
  peer_puts(conn, head);
  bool is_cut = box.cuts != 0 && size > box.piece;
  if (is_cut) box.cuts--;
  peer_send(conn, bytes, is_cut ? box.piece : size);
  if (is_cut) peer_end(conn);
}

static size_t put_headers(char *head, const char *modified) {
  size_t used = 0;
  if (box.date != NULL) used += (size_t)sprintf(head + used, "Date: %s\r\n", box.date);
  if (modified != NULL) used += (size_t)sprintf(head + used, "Last-Modified: %s\r\n", modified);
  return used;
}

static void send_bulk(peer_conn_t *conn, const char *request) {
  static const char boundary[] = "B0UNDARY";
  char head[512], *body = malloc(27 * (box.size + 300)), *at = body;
  box.bulks++;
  const char *list = strchr(api_body_of(request), '[');
  for (const char *path = list; path[0] != ']'; path += 4) { /* ["a","b"] */
    size_t shift = (size_t)(path[2] - 'a');
    at += sprintf(at,
                  "%s--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%c\"\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  at == body ? "" : "\r\n", boundary, path[2], box.size - shift);
    memcpy(at, box.bytes + shift, box.size - shift);
    at += box.size - shift;
  }
  at += sprintf(at, "\r\n--%s--\r\n", boundary);
  size_t used =
    put_headers(head + sprintf(head, "HTTP/1.1 200 OK\r\n"), NULL) + strlen("HTTP/1.1 200 OK\r\n");
  sprintf(head + used, "Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %zu\r\n\r\n",
          boundary, (size_t)(at - body));
  send_body(conn, head, body, (size_t)(at - body));
  free(body);
}

static void send_status(peer_conn_t *conn, int status) {
  char head[128];
  sprintf(head, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status);
  peer_puts(conn, head);
}

/* The file itself, or a part of it. */
static void send_file(peer_conn_t *conn, const char *request, const char *bytes, size_t size) {
  char head[512];
  const char *range = strstr(request, "Range: bytes=");
  bool is_conditional = box.is_changed && !box.ignores_conditions, is_part = range != NULL;
  size_t from = is_part ? strtoul(range + strlen("Range: bytes="), NULL, 10) : 0, sent = size - from;
  if (is_part && box.status != 0) {
    send_status(conn, box.status);
    return;
  }
  if (is_conditional && strstr(request, "If-Unmodified-Since: ") != NULL) {
    send_status(conn, 412);
    return;
  }
  if (box.ignores_ranges || (is_conditional && strstr(request, "If-Range: ") != NULL)) is_part = false;
  if (!is_part) {
    from = 0;
    sent = size;
  }
  if (is_part && box.rest_most != 0 && sent > box.rest_most) sent = box.rest_most;
  size_t used = (size_t)sprintf(head, "HTTP/1.1 %s\r\n", is_part ? "206 Partial Content" : "200 OK");
  used += put_headers(head + used, box.modified);
  if (is_part && box.range != NULL)
    used += (size_t)sprintf(head + used, "Content-Range: %s\r\n", box.range);
  else if (is_part)
    used += (size_t)sprintf(head + used, "Content-Range: bytes %zu-%zu/%zu\r\n", from, from + sent - 1, size);
  if (is_part) sent += box.rest_more; /* what is behind the file in memory: there is room */
  sprintf(head + used, "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n", sent);
  send_body(conn, head, bytes + from, sent);
}

static void on_request(peer_conn_t *conn, const char *request, size_t size) {
  char *copy = malloc(size + 1);
  memcpy(copy, request, size);
  copy[size] = '\0';
  assert_true(scene.request_count < API_REQUESTS);
  scene.requests[scene.request_count++] = copy;
  if (strstr(copy, "Range: bytes=") != NULL && box.on_rest != NULL) box.on_rest();
  if (strncmp(copy, BULK, strlen(BULK)) == 0) {
    send_bulk(conn, copy);
  } else if (strncmp(copy, FILE_LINE, strlen(FILE_LINE)) == 0) {
    size_t shift = (size_t)(copy[strlen(FILE_LINE "?path=")] - 'a');
    box.rests++;
    send_file(conn, copy, box.bytes + shift, box.size - shift);
  } else if (strncmp(copy, FILM_LINE, strlen(FILM_LINE)) == 0) {
    box.films++;
    send_file(conn, copy, box.bytes, box.size);
  } else {
    fail_msg("unexpected request: %s", copy);
  }
}

static int open_scene(void **state) {
  char *bytes = box.bytes != NULL ? box.bytes : local_pattern(SIZE + 1000, 7);
  memset(&box, 0, sizeof box);
  box.bytes = bytes;
  box.size = SIZE;
  box.modified = OLD;
  box.date = NOW;
  box.piece = CUT;
  sandbox = api_open_with(&scene, "started");
  scene.peer.on_request = on_request;
  strcpy(folder, "/tmp/download_resume-XXXXXX");
  assert_non_null(mkdtemp(folder));
  target = local_path(folder, "got");
  return 0;
}

static size_t entries(void) {
  size_t count = 0;
  DIR *dir = opendir(folder);
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count - 2;
}

static int close_scene(void **state) {
  api_close_with(&scene, sandbox);
  assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
  return 0;
}

static void new_scene(void) {
  close_scene(NULL);
  open_scene(NULL);
}

/* --- the ways ---------------------------------------------------------------------------------- */

enum { MEMORY, PATH, STREAM, FILM = 4, WAYS = 7 }; /* 4 to 6: the same of a recording */

typedef struct taker {
  char *bytes;
  size_t size;
} taker_t;

static taker_t taken;

static size_t take(const char *bytes, size_t size, void *user) {
  assert_true(taken.size + size <= SIZE);
  memcpy(taken.bytes + taken.size, bytes, size);
  taken.size += size;
  return size;
}

static bool is_way(int way) { return way != 3; }

static daytona_future_t *download(int way, const daytona_transfer_opts_t *opts) {
  taken.size = 0;
  if (taken.bytes == NULL) taken.bytes = malloc(SIZE);
  switch (way) {
    case MEMORY: return daytona_fs_download(sandbox, "a", opts);
    case PATH: return daytona_fs_download_file(sandbox, "a", target, opts);
    case STREAM: return daytona_fs_download_file_stream(sandbox, "a", take, NULL, opts);
    case FILM + MEMORY: return daytona_recording_download(sandbox, "r", opts);
    case FILM + PATH: return daytona_recording_download_file(sandbox, "r", target, opts);
    default: return daytona_recording_download_file_stream(sandbox, "r", take, NULL, opts);
  }
}

static bool is_stream(int way) { return way % FILM == STREAM; }

static void expect_whole(int way, daytona_future_t *future) {
  api_hurry(&scene, future, 100);
  api_must(future);
  if (way % FILM == MEMORY) {
    assert_int_equal(daytona_future_bytes(future)->size, box.size);
    assert_memory_equal(daytona_future_bytes(future)->data, box.bytes, box.size);
  } else if (way % FILM == PATH) {
    local_holds(target, box.bytes, box.size);
    assert_int_equal(unlink(target), 0);
  } else {
    assert_int_equal(taken.size, box.size);
    assert_memory_equal(taken.bytes, box.bytes, box.size);
  }
  daytona_future_release(future);
}

static void expect_failure(daytona_future_t *future, daytona_errcode_t code) {
  api_hurry(&scene, future, 100);
  api_fails(future, code);
  api_until_no_job(&scene);
  assert_int_equal(entries(), 0);
}

/* --- what continues ---------------------------------------------------------------------------- */

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  daytona_transfer_progress_t *seen = user;
  assert_true(progress->bytes > seen->bytes && progress->total == SIZE);
  *seen = *progress;
}

static uint64_t retries(void) { return daytona__http_stats(scene.client->http)->retries; }

static void ten_cuts_are_survived_in_every_way(void **state) {
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    daytona_transfer_progress_t seen = {0};
    const daytona_transfer_opts_t opts = {.on_progress = on_progress, .user = &seen};
    uint64_t before = retries();
    box.bulks = box.rests = box.films = 0;
    box.cuts = 10;
    expect_whole(way, download(way, &opts));
    assert_int_equal(seen.bytes, SIZE);
    assert_int_equal(box.cuts, 0);
    assert_int_equal(retries() - before, 10);
    assert_int_equal(box.bulks, way < FILM ? 1 : 0);
    assert_int_equal(box.rests, way < FILM ? 10 : 0);
    assert_int_equal(box.films, way < FILM ? 0 : 11);
  }
}

/* The rest of a film is asked for on the word of the first response, that of a file on what is known of its beginning. */
static void requests_for_the_rest_say_what_they_depend_on(void **state) {
  char range[64];
  box.cuts = 2;
  expect_whole(FILM, download(FILM, NULL));
  const char *request = api_request(&scene, FILM_LINE, 1);
  sprintf(range, "bytes=%d-", CUT - 4096);
  assert_true(api_has_header(request, "Range", range));
  assert_true(api_has_header(request, "If-Range", OLD));
  assert_false(api_has_header(request, "If-Unmodified-Since", NULL));
  box.cuts = 2;
  expect_whole(PATH, download(PATH, NULL));
  request = api_request(&scene, FILE_LINE, 0);
  assert_true(api_has_header(request, "Range", NULL));
  assert_true(api_has_header(request, "If-Unmodified-Since", "Mon, 02 Nov 2026 10:00:08 GMT"));
  request = api_request(&scene, FILE_LINE, 1);
  assert_true(api_has_header(request, "If-Range", OLD));
  assert_false(api_has_header(request, "If-Unmodified-Since", NULL));
}

static void many_files_continue_and_those_that_are_missing_come(void **state) {
  for (size_t piece = CUT; piece < SIZE; piece += CUT - 17) {
    daytona_fs_download_item_t items[] = {
      {.source = "a"}, {.source = "b", .local_path = target}, {.source = "c"}};
    box.cuts = 12;
    box.piece = piece;
    daytona_future_t *future = daytona_fs_download_files(sandbox, items, 3, NULL);
    api_hurry(&scene, future, 100);
    api_must(future);
    const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
    assert_int_equal(results->failed_count, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(results->items[i]->size, SIZE - i);
    assert_memory_equal(results->items[0]->bytes.data, box.bytes, SIZE);
    assert_memory_equal(results->items[2]->bytes.data, box.bytes + 2, SIZE - 2);
    local_holds(target, box.bytes + 1, SIZE - 1);
    assert_int_equal(unlink(target), 0);
    daytona_future_release(future);
  }
}

/* At every place of the response, of a small file: whole in every case, once a response has begun. */
static void cut_anywhere_a_small_file_comes_whole(void **state) {
  box.size = 40;
  for (box.piece = 1; box.piece < 200; box.piece++) {
    box.cuts = 1;
    expect_whole(PATH, download(PATH, NULL));
    box.cuts = 1;
    expect_whole(FILM + STREAM, download(FILM + STREAM, NULL));
  }
}

/* A server may send less than was asked for, in an orderly way. */
static void rest_in_small_parts_is_joined(void **state) {
  box.rest_most = 200 * 1000;
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    box.cuts = 1;
    expect_whole(way, download(way, NULL));
  }
}

static void pause_holds_across_a_cut(void **state) {
  box.cuts = 1;
  daytona_future_t *future = download(STREAM, NULL);
  while (taken.size == 0) uv_run(&scene.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_future_pause(future), 0);
  size_t before = taken.size;
  api_spin(&scene, 50);
  for (int i = 0; i < 30; i++) {
    api_advance(&scene, 100);
    api_spin(&scene, 5);
  }
  assert_int_equal(taken.size, before);
  assert_false(daytona_future_is_settled(future));
  assert_int_equal(daytona_future_resume(future), 0);
  expect_whole(STREAM, future);
}

/* --- what begins anew, or fails ---------------------------------------------------------------- */

static void change(void) {
  if (box.is_changed) return;
  box.is_changed = true;
  box.modified = LATER;
  for (size_t i = 0; i < SIZE; i++) box.bytes[i] ^= 0x5a;
  box.date = "Mon, 02 Nov 2026 10:01:00 GMT";
}

static void change_unseen(void) { /* the same size and the same date */
  if (box.is_changed) return;
  change();
  box.modified = OLD;
}

static void shrink(void) {
  if (box.is_changed) return;
  change();
  box.size = CUT / 2;
  box.status = 416;
}

static void grow(void) {
  if (box.is_changed) return;
  box.is_changed = true;
  box.size += 500;
}

/* What was received is dropped, and the new version is whole; a program that has a part of the old one gets an error. */
static void changed_file_is_never_mixed(void **state) {
  static void (*const changes[])(void) = {change, change_unseen, shrink, grow};
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    for (int way = 0; way < WAYS; way++) {
      for (int ignores = 0; is_way(way) && ignores < 2; ignores++) {
        new_scene();
        box.size = SIZE - 500;
        box.cuts = 1;
        box.on_rest = changes[i];
        box.ignores_conditions = ignores || i > 0;
        daytona_future_t *future = download(way, NULL);
        if (is_stream(way))
          expect_failure(future, DAYTONA_ECHANGED);
        else
          expect_whole(way, future);
      }
    }
  }
}

static void change_each_time(void) {
  static char date[32];
  static unsigned second;
  box.is_changed = false;
  change();
  sprintf(date, "Mon, 02 Nov 2026 10:00:%02u GMT", second++ % 50);
  box.modified = date;
}

/* There is an end to beginning anew. */
static void file_that_changes_for_ever_is_an_error(void **state) {
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    new_scene();
    box.cuts = 100;
    box.on_rest = change_each_time;
    expect_failure(download(way, NULL), DAYTONA_ECHANGED);
    assert_int_equal(box.bulks + box.films, is_stream(way) ? (way < FILM ? 1 : 2) : way < FILM ? 4 : 8);
  }
}

/* Of many files, it is the error of that one. */
static void changed_file_of_many_has_its_own_error(void **state) {
  daytona_fs_download_item_t items[] = {{.source = "a", .local_path = target}, {.source = "b"}};
  box.cuts = 4;
  box.status = 412;
  daytona_future_t *future = daytona_fs_download_files(sandbox, items, 2, NULL);
  api_hurry(&scene, future, 100);
  api_must(future);
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, 1);
  assert_int_equal(results->items[0]->error->code, DAYTONA_ECHANGED);
  assert_int_equal(results->items[1]->bytes.size, SIZE - 1);
  daytona_future_release(future);
  api_until_no_job(&scene);
  assert_int_equal(entries(), 0);
}

/* Servers whose response with the rest cannot be checked, or is none. */
static void server_without_ranges_sends_the_whole_again(void **state) {
  static const struct {
    bool ignores;
    const char *range, *modified, *date;
    int status;
  } servers[] = {{.ignores = true, .modified = OLD, .date = NOW},
                 {.modified = NULL, .date = NOW},
                 {.modified = "yesterday", .date = NOW},
                 {.modified = OLD, .date = NULL},
                 {.modified = OLD, .date = "today"},
                 {.modified = OLD, .date = NOW, .status = 404},
                 {.modified = OLD, .date = NOW, .status = 501},
                 {.modified = OLD, .date = NOW, .range = "bytes 5-10/20"},
                 {.modified = OLD, .date = NOW, .range = "lines 1-2/3"},
                 {.modified = OLD, .date = NOW, .range = "bytes 0-1199999/1200000"},
                 {.modified = OLD, .date = NOW, .range = "bytes */1200000"},
                 {.modified = OLD, .date = NOW, .range = "bytes 105904-1199999/*"}};
  for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
    for (int way = 0; way < WAYS; way++) {
      if (!is_way(way)) continue;
      for (size_t cuts = 1; cuts < 10; cuts += 8) {
        new_scene();
        box.ignores_ranges = servers[i].ignores;
        box.range = servers[i].range;
        box.modified = servers[i].modified;
        box.date = servers[i].date;
        box.status = servers[i].status;
        box.cuts = cuts;
        daytona_future_t *future = download(way, NULL);
        if (!is_stream(way) && cuts == 1) {
          expect_whole(way, future);
          continue;
        }
        api_hurry(&scene, future, 100);
        api_must_fail_as(future, DAYTONA_EFAILED);
        daytona_future_release(future);
        api_until_no_job(&scene);
        assert_int_equal(entries(), 0);
      }
    }
  }
}

/* Written in the second in which the download began: whether it is the same cannot be known. */
static void file_that_was_just_written_begins_anew(void **state) {
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    new_scene();
    box.modified = NOW;
    box.cuts = 1;
    daytona_future_t *future = download(way, NULL);
    if (is_stream(way))
      expect_failure(future, DAYTONA_ECHANGED);
    else
      expect_whole(way, future);
  }
}

static void rest_that_is_longer_than_the_file_is_not_taken(void **state) {
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    new_scene();
    box.rest_more = 100;
    box.cuts = 100;
    expect_failure(download(way, NULL), is_stream(way) ? DAYTONA_EPROTOCOL : DAYTONA_EPROTOCOL);
  }
}

/* --- limits ------------------------------------------------------------------------------------ */

static void lose_it(peer_conn_t *conn, const char *request, size_t size) {
  box.rests++;
  peer_reset(conn);
}

static void no_connection(void) { scene.peer.on_request = lose_it; }

/* Seven attempts that bring nothing, within half a minute; then the error is that of the connection. */
static void attempts_are_limited(void **state) {
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    new_scene();
    box.cuts = 1;
    daytona_future_t *future = download(way, NULL);
    api_settle(&scene);
    no_connection();
    int64_t began_ms = api_now(&scene);
    api_hurry(&scene, future, 50);
    int64_t passed = api_now(&scene) - began_ms; /* with what the machine takes for itself */
    assert_true(passed > 15 * 1000 && passed < 60 * 1000);
    assert_int_equal(box.rests, 7);
    api_fails_as(future, DAYTONA_ECONNECTION);
    api_until_no_job(&scene);
    assert_int_equal(entries(), 0);
  }
}

/* A response that brings little is no progress; one that brings 64 KiB is. */
static void attempts_count_from_the_last_progress(void **state) {
  box.cuts = 100;
  box.piece = 4096 + 1000;
  expect_failure(download(FILM + PATH, NULL), DAYTONA_ETRUNCATED);
  assert_int_equal(box.films, 1 + 7);
  new_scene();
  box.cuts = 100;
  box.piece = 4096 + 65536;
  expect_whole(FILM + PATH, download(FILM + PATH, NULL));
  assert_true(box.films > 15);
}

static void limits_of_the_call_end_the_wait(void **state) {
  const daytona_transfer_opts_t opts = {.timeout_ms = 2000};
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    new_scene();
    box.cuts = 1;
    daytona_future_t *future = download(way, &opts);
    api_settle(&scene);
    no_connection();
    int64_t passed = api_hurry(&scene, future, 50);
    assert_true(passed <= 2100);
    api_fails(future, DAYTONA_EDEADLINE);
    api_until_no_job(&scene);
  }
}

static void end_at(int way, int turns, bool closes) {
  box.cuts = 3;
  daytona_future_t *future = download(way, NULL);
  for (int i = 0; i < turns; i++) {
    api_spin(&scene, 1);
    api_advance(&scene, 20);
  }
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
  if (!closes) api_until_no_job(&scene);
  unlink(target); /* it may have got its name in spite of the cancel */
  assert_int_equal(entries(), 0);
}

static void cancel_and_close_leave_nothing_in_any_state(void **state) {
  for (int turns = 0; turns < 120; turns += 3) {
    end_at(turns % 2 != 0 ? PATH : FILM + PATH, turns, false);
    end_at(turns % 2 != 0 ? MEMORY : STREAM, turns, false);
  }
  for (int turns = 0; turns < 120; turns += 11) {
    new_scene();
    end_at(turns % 2 != 0 ? PATH : FILM + PATH, turns, true);
  }
}

static void with_little_memory(void *user) {
  int way = *(int *)user;
  box.cuts = 2;
  daytona_future_t *future = download(way, NULL);
  api_hurry(&scene, future, 100);
  int code = daytona_future_code(future);
  if (code != 0 && code != DAYTONA_ENOMEM && !daytona_errcode_is(code, DAYTONA_ECONNECTION))
    fail_msg("%s", daytona_errcode_name(code));
  if (code == 0 && way % FILM == PATH) local_holds(target, box.bytes, box.size);
  daytona_future_release(future);
  api_settle(&scene);
  api_until_no_job(&scene);
  unlink(target);
  assert_int_equal(entries(), 0);
}

static void every_allocation_may_fail(void **state) {
  box.size = 3000;
  box.piece = 1500;
  for (int way = 0; way < WAYS; way++) {
    if (!is_way(way)) continue;
    with_little_memory(&way);
    support_alloc_sweep(with_little_memory, &way);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(ten_cuts_are_survived_in_every_way),
    TEST(requests_for_the_rest_say_what_they_depend_on),
    TEST(many_files_continue_and_those_that_are_missing_come),
    TEST(cut_anywhere_a_small_file_comes_whole),
    TEST(rest_in_small_parts_is_joined),
    TEST(pause_holds_across_a_cut),
    TEST(changed_file_is_never_mixed),
    TEST(file_that_changes_for_ever_is_an_error),
    TEST(changed_file_of_many_has_its_own_error),
    TEST(server_without_ranges_sends_the_whole_again),
    TEST(file_that_was_just_written_begins_anew),
    TEST(rest_that_is_longer_than_the_file_is_not_taken),
    TEST(attempts_are_limited),
    TEST(attempts_count_from_the_last_progress),
    TEST(limits_of_the_call_end_the_wait),
    TEST(cancel_and_close_leave_nothing_in_any_state),
    TEST(every_allocation_may_fail),
  };
  signal(SIGPIPE, SIG_IGN); /* the toolbox writes to clients that have gone */
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  free(box.bytes);
  free(taken.bytes);
  return failed;
}
