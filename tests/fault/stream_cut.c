/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the services that are cut, reset or frozen at every frame border and inside frames: stream_cut FOLDER
 *
 * A log is made up for: its reader hears all of it, once. A terminal is lost, with everything that came before the
 * cut; a run fails, with its output. Those that are not cut end as they were recorded. The streams are recorded ones
 * of the published toolbox where the folder with them is there, and always some of the same shape that are made here.
 * Output is compared by size and hash.
 */
#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/log_scene.h"

enum { CUTS_MAX = 400, STREAM_FRAMES = 512 };

typedef struct frame {
  int opcode;
  bool is_final;
  char *bytes;
  size_t size;
  size_t end; /* behind it, from the beginning of the stream */
} frame_t;

typedef struct recorded {
  char name[96];
  frame_t frames[STREAM_FRAMES];
  size_t count;
  stream_script_t script;
  int close_code;
  char reason[126];
} recorded_t;

static recorded_t recorded; /* the one at hand */
static size_t cuts_made;

static void forget(void) {
  for (size_t i = 0; i < recorded.count; i++) free(recorded.frames[i].bytes);
  stream_script_clear(&recorded.script);
  memset(&recorded, 0, sizeof recorded);
}

static void add_frame(int opcode, bool is_final, const char *bytes, size_t size) {
  assert_true(recorded.count < STREAM_FRAMES);
  frame_t *frame = &recorded.frames[recorded.count++];
  frame->bytes = malloc(size + 1);
  if (frame->bytes == NULL) abort();
  if (size != 0) memcpy(frame->bytes, bytes, size);
  frame->bytes[size] = '\0';
  frame->opcode = opcode;
  frame->is_final = is_final;
  frame->size = size;
  stream_frame(&recorded.script, opcode, bytes, size);
  if (!is_final)
    recorded.script.bytes[recorded.script.size - size - (size < 126 ? 2 : size < 65536 ? 4 : 10)] &= 0x7F;
  frame->end = recorded.script.size;
  if (opcode != 8) return;
  recorded.close_code = size >= 2 ? ((unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]) : 1005;
  snprintf(recorded.reason, sizeof recorded.reason, "%s", size > 2 ? frame->bytes + 2 : "");
}

static void add_text(int opcode, const char *text) { add_frame(opcode, true, text, strlen(text)); }

static void add_close(int code, const char *reason) {
  char payload[125] = {(char)(code >> 8), (char)code};
  snprintf(payload + 2, sizeof payload - 2, "%s", reason);
  add_frame(8, true, payload, 2 + strlen(reason));
}

/* --- recordings -------------------------------------------------------------------------------- */

static const char *folder;

static size_t decode_base64(const char *text, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned bits = 0, count = 0;
  size_t size = 0;
  for (; *text != '\0' && *text != '='; text++) {
    const char *digit = strchr(digits, *text);
    assert_non_null(digit);
    bits = bits << 6 | (unsigned)(digit - digits);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[size++] = (char)(bits >> count);
  }
  return size;
}

/* The server's side of a recorded socket that ended with a close frame. False: it did not, or not all was kept. */
static bool read_socket(const char *name, json_t *socket) {
  static char bytes[1 << 19];
  json_t *frame, *frames = json_object_get(socket, "frames");
  const char *how = json_string_value(json_object_get(json_object_get(socket, "end"), "how"));
  size_t i, incoming = 0;
  if (how == NULL || strcmp(how, "close frame") != 0) return false;
  if (json_object_get(socket, "frames_left_out") != NULL) return false;
  json_array_foreach (frames, i, frame) {
    if (strcmp(json_string_value(json_object_get(frame, "dir")), "in") != 0) continue;
    if (json_object_get(frame, "payload_b64") == NULL || ++incoming > STREAM_FRAMES) return false;
  }
  forget();
  snprintf(recorded.name, sizeof recorded.name, "%s", name);
  json_array_foreach (frames, i, frame) {
    const char *text = json_string_value(json_object_get(frame, "payload_b64"));
    if (strcmp(json_string_value(json_object_get(frame, "dir")), "in") != 0) continue;
    if (strlen(text) / 4 * 3 > sizeof bytes) return false;
    int opcode = (int)json_integer_value(json_object_get(frame, "opcode"));
    add_frame(opcode, json_is_true(json_object_get(frame, "fin")), bytes, decode_base64(text, bytes));
  }
  return recorded.count != 0 && recorded.frames[recorded.count - 1].opcode == 8;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Before anything is opened: skipping leaves the test at once. */
static void need_recordings(void) {
  if (folder != NULL && access(folder, R_OK) == 0) return;
  print_message("# skipped: there are no recordings beside the project\n");
  skip();
}

/* Call `test` for each recorded socket of files whose names begin with `prefix`. Returns how many there were. */
static size_t each_recorded(const char *prefix, bool (*test)(void *user), void *user) {
  DIR *dir = opendir(folder);
  char *names[512], path[4096];
  size_t count = 0, done = 0, number;
  cuts_made = 0;
  struct dirent *entry;
  assert_non_null(dir);
  while ((entry = readdir(dir)) != NULL && count < 512)
    if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) names[count++] = strdup(entry->d_name);
  closedir(dir);
  qsort(names, count, sizeof *names, compare);
  for (size_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    json_t *recording = json_load_file(path, JSON_ALLOW_NUL, NULL), *step;
    assert_non_null(recording);
    json_array_foreach (json_object_get(recording, "steps"), number, step) {
      json_t *socket = json_object_get(step, "ws");
      if (socket != NULL && read_socket(names[i], socket) && test(user)) done++;
    }
    json_decref(recording);
    free(names[i]);
  }
  forget();
  return done;
}

/* --- cuts -------------------------------------------------------------------------------------- */

/* Every frame border, a byte behind it, and the middle of every frame; of long streams some, spread over all of it. */
static size_t make_cuts(size_t *cuts) {
  size_t count = 0, at = 0;
  static size_t all[STREAM_FRAMES * 3];
  for (size_t i = 0; i < recorded.count; at = recorded.frames[i++].end) {
    all[count++] = at;
    all[count++] = at + 1;
    all[count++] = at + (recorded.frames[i].end - at + 2) / 2;
  }
  all[count++] = at - 1; /* all but the last byte of the close frame */
  if (count <= CUTS_MAX) {
    memcpy(cuts, all, count * sizeof *cuts);
    return count;
  }
  for (size_t i = 0; i < CUTS_MAX; i++) cuts[i] = all[i * (count - 1) / (CUTS_MAX - 1)];
  return CUTS_MAX;
}

/* How much of a frame's payload lies before the cut. */
static size_t payload_before(const frame_t *frame, size_t cut) {
  size_t begin = frame->end - frame->size;
  return cut <= begin ? 0 : cut >= frame->end ? frame->size : cut - begin;
}

static void explain(size_t cut, int fate, const char *what) {
  fail_msg("%s: %s at byte %zu of %zu: %s", recorded.name,
           fate == STREAM_ENDS     ? "cut"
           : fate == STREAM_BREAKS ? "reset"
                                   : "frozen",
           cut, recorded.script.size, what);
}

/* Turn the loop, and the clock where nothing else is left to wait for, until the future has settled. */
static void wait_for(api_scene_t *api, const daytona_future_t *future) {
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 4000);
    api_settle(api);
    api_spin(api, 8);
    if (!daytona_future_is_settled(future)) api_advance(api, 1000);
  }
}

/* --- logs -------------------------------------------------------------------------------------- */

/* The connection breaks here; meanwhile the command has finished, or goes on and a new socket shows the log. */
static void cut_log(log_scene_t *scene, const char *log, size_t size, size_t cut, stream_fate_t fate,
                    bool goes_on) {
  cuts_made++;
  log_scene_begin(scene, log, size);
  stream_play(&scene->stream, &recorded.script, cut, fate);
  scene->finished_at = goes_on ? 2 : 1;
  size_t seen = 0;
  for (size_t i = 0; i < recorded.count; i++)
    if (recorded.frames[i].opcode <= 2) seen += payload_before(&recorded.frames[i], cut);
  scene->shown[0] = seen + (size - seen) / 2;
  stream_play(&scene->stream, &recorded.script, recorded.script.size, STREAM_ENDS);
  int64_t step_ms = fate == STREAM_STAYS ? 1000 : 100;
  daytona_future_t *future = log_scene_run(scene, (daytona_session_follow_opts_t){0}, step_ms);
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end->reason != DAYTONA_STREAM_EXITED) explain(cut, fate, daytona_stream_reason_text(end->reason));
  if (end->has_gap) explain(cut, fate, "a gap");
  if (scene->heard.hash != log_reading(log, size).hash) explain(cut, fate, "another output");
  log_scene_expect_all(scene, future);
  if (cut < recorded.script.size) assert_true(end->resumed_count >= 1);
  daytona_future_release(future);
}

/* Nothing happens to it. The close comes at once, so it is not believed before the log was looked at. */
static void hear_log(log_scene_t *scene, const char *log, size_t size) {
  log_scene_begin(scene, log, size);
  stream_play(&scene->stream, &recorded.script, recorded.script.size, STREAM_ENDS);
  scene->finished_at = 1;
  daytona_future_t *future = log_scene_run(scene, (daytona_session_follow_opts_t){0}, 100);
  log_scene_expect_all(scene, future);
  assert_int_equal(daytona_future_stream_end(future)->close_code, recorded.close_code);
  daytona_future_release(future);
}

static bool cut_log_everywhere(void *user) {
  log_scene_t *scene = user;
  size_t cuts[CUTS_MAX], count = make_cuts(cuts), size = 0;
  static char log[1 << 20];
  if (recorded.close_code != 1000) return false;
  for (size_t i = 0; i < recorded.count; i++) {
    if (recorded.frames[i].opcode > 2) continue;
    assert_true(size + recorded.frames[i].size < sizeof log);
    memcpy(log + size, recorded.frames[i].bytes, recorded.frames[i].size);
    size += recorded.frames[i].size;
  }
  bool has_marks = size == 0 || log[0] == 1 || log[0] == 2;
  if (!has_marks) return false; /* an older protocol, which this client does not ask for */
  hear_log(scene, log, size);
  for (size_t i = 0; i < count; i++)
    for (int fate = STREAM_STAYS; fate <= STREAM_BREAKS; fate++) {
      bool goes_on = (i + (size_t)fate) % 2 != 0;
      if (fate != STREAM_STAYS || i % 3 == 0)
        cut_log(scene, log, size, cuts[i], (stream_fate_t)fate, goes_on);
    }
  return true;
}

static void a_recorded_log_is_heard_once_and_whole(void **state) {
  static log_scene_t scene;
  need_recordings();
  log_scene_open(&scene);
  size_t done = each_recorded("session-follow-", cut_log_everywhere, &scene);
  print_message("# %zu recorded logs, %zu cuts\n", done, cuts_made);
  assert_true(done >= 8);
  log_scene_close(&scene);
}

static void a_log_is_heard_once_and_whole(void **state) {
  static log_scene_t scene;
  log_scene_open(&scene);
  forget();
  strcpy(recorded.name, "a log made here");
  add_text(2, "\1\1\1one\n\2\2\2tw");
  add_text(2, "o\n\1\1");
  add_text(9, "ping");
  add_text(2, "\1three \xC3");
  add_frame(2, false, "\xA9\n\2", 3);
  add_frame(0, true, "\2\2four\0\n", 8);
  add_close(1000, "");
  assert_true(cut_log_everywhere(&scene));
  forget();
  log_scene_close(&scene);
}

/* --- terminals --------------------------------------------------------------------------------- */

static void on_output(const daytona_output_t *output, void *user) {
  log_heard_t *heard = user;
  (void)output->pty;
  heard->hash = log_hash(heard->hash, 0, output->bytes, output->size);
  heard->size[0] += output->size;
}

static bool is_control(const frame_t *frame, const char *status) {
  return frame->opcode == 1 && strstr(frame->bytes, "\"control\"") != NULL &&
         strstr(frame->bytes, status) != NULL;
}

/* What a reader hears of a terminal up to a cut. */
static log_heard_t terminal_before(size_t cut) {
  log_heard_t heard = {.hash = LOG_HASH_START};
  for (size_t i = 0; i < recorded.count; i++) {
    const frame_t *frame = &recorded.frames[i];
    if (frame->opcode != 2 && frame->opcode != 0) continue;
    size_t size = payload_before(frame, cut);
    heard.hash = log_hash(heard.hash, 0, frame->bytes, size);
    heard.size[0] += size;
  }
  return heard;
}

static void check_lost_terminal(daytona_pty_t *pty, size_t cut, int fate) {
  const daytona_stream_end_t *end = daytona_pty_end(pty);
  bool has_exited = false;
  for (size_t i = 0; i < recorded.count; i++)
    has_exited = has_exited || (recorded.frames[i].end <= cut && is_control(&recorded.frames[i], "exited"));
  if (end->reason != (has_exited ? DAYTONA_STREAM_EXITED : DAYTONA_STREAM_LOST))
    explain(cut, fate, daytona_stream_reason_text(end->reason));
  assert_int_equal(end->has_exit_code, has_exited);
  if (!has_exited) assert_int_equal(end->close_code, 0);
}

/* The whole stream was there: the outcome is what the close frame says. */
static void check_ended_terminal(daytona_pty_t *pty) {
  const daytona_stream_end_t *end = daytona_pty_end(pty);
  json_t *reason = json_loads(recorded.reason, 0, NULL), *code = json_object_get(reason, "exitCode");
  const char *why = json_string_value(json_object_get(reason, "exitReason"));
  bool has_exit = code != NULL || recorded.close_code == 1000;
  bool was_killed = why != NULL && strcmp(why, "SIGKILL") == 0;
  daytona_stream_reason_t expected = was_killed ? DAYTONA_STREAM_KILLED : DAYTONA_STREAM_EXITED;
  if (!has_exit) expected = end->reason;
  if (recorded.close_code == 1008 && !has_exit) expected = DAYTONA_STREAM_SLOW_READER;
  if (end->reason != expected)
    explain(recorded.script.size, STREAM_ENDS, daytona_stream_reason_text(end->reason));
  assert_int_equal(end->has_exit_code, has_exit);
  assert_int_equal(end->exit_code, json_integer_value(code));
  assert_int_equal(end->close_code, recorded.close_code);
  json_decref(reason);
}

static void cut_terminal(stream_scene_t *scene, size_t greeting, size_t cut, stream_fate_t fate) {
  log_heard_t heard = {.hash = LOG_HASH_START}, expected = terminal_before(cut);
  const daytona_pty_connect_opts_t opts = {.attach = {.on_output = on_output, .user = &heard}};
  cuts_made++;
  stream_forget(scene);
  stream_play(scene, &recorded.script, cut, fate);
  daytona_future_t *future = daytona_pty_connect(scene->sandbox, "t", &opts);
  wait_for(&scene->api, future);
  daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
  if (cut < greeting) {
    if (pty != NULL) explain(cut, fate, "attached without a greeting");
    bool is_right = fate == STREAM_STAYS
                      ? daytona_future_code(future) == DAYTONA_ETIMEOUT
                      : daytona_error_is(daytona_future_error(future), DAYTONA_ECONNECTION);
    if (!is_right) explain(cut, fate, daytona_future_error(future)->message);
  } else {
    if (pty == NULL) explain(cut, fate, daytona_future_error(future)->message);
    daytona_future_t *wait = daytona_pty_wait(pty);
    wait_for(&scene->api, wait);
    if (cut == recorded.script.size)
      check_ended_terminal(pty);
    else
      check_lost_terminal(pty, cut, fate);
    if (heard.size[0] != expected.size[0] || heard.hash != expected.hash)
      explain(cut, fate, "another output");
    assert_int_equal(daytona_pty_end(pty)->received_bytes, expected.size[0]);
    daytona_future_release(wait);
  }
  daytona_future_release(future);
  daytona_pty_release(pty);
}

static bool cut_terminal_everywhere(void *user) {
  size_t cuts[CUTS_MAX], count = make_cuts(cuts), greeting = 0;
  for (size_t i = 0; i < recorded.count && greeting == 0; i++)
    if (is_control(&recorded.frames[i], "connected")) greeting = recorded.frames[i].end;
  if (greeting == 0) return false; /* it was refused in-band */
  cut_terminal(user, greeting, recorded.script.size, STREAM_ENDS);
  for (size_t i = 0; i < count; i++)
    for (int fate = STREAM_STAYS; fate <= STREAM_BREAKS; fate++)
      if (fate != STREAM_STAYS || i % 3 == 0) cut_terminal(user, greeting, cuts[i], (stream_fate_t)fate);
  return true;
}

static void a_recorded_terminal_is_lost_with_what_came_before(void **state) {
  static stream_scene_t scene;
  need_recordings();
  stream_open(&scene);
  size_t done = each_recorded("pty-", cut_terminal_everywhere, &scene);
  print_message("# %zu recorded terminals, %zu cuts\n", done, cuts_made);
  assert_true(done >= 20);
  stream_close(&scene);
}

static void a_terminal_is_lost_with_what_came_before(void **state) {
  static stream_scene_t scene;
  stream_open(&scene);
  forget();
  strcpy(recorded.name, "a terminal made here");
  add_text(2, "early");
  add_text(1, "{\"type\":\"control\",\"status\":\"connected\"}");
  add_frame(2, false, "$ \0ls\r\n", 7);
  add_text(9, "ping");
  add_frame(0, true, "\xFF\xFE\x1b[0m", 6);
  add_text(2, "");
  add_text(2, "exit\r\n");
  add_close(1011, "{\"exitCode\":5,\"exitReason\":\"non-zero exit\"}");
  assert_true(cut_terminal_everywhere(&scene));
  forget();
  stream_close(&scene);
}

/* --- runs -------------------------------------------------------------------------------------- */

static void hear_run(log_heard_t *heard, int stream, const char *bytes, size_t size) {
  heard->hash = log_hash(heard->hash, stream, bytes, size);
  heard->size[stream] += size;
}

static void on_stdout(const daytona_output_t *output, void *user) {
  hear_run(user, 1, output->bytes, output->size);
}
static void on_stderr(const daytona_output_t *output, void *user) {
  hear_run(user, 2, output->bytes, output->size);
}

static void on_error(const daytona_interpreter_run_error_t *error, void *user) {
  hear_run(user, 0, error->value, strlen(error->value));
}

/* What a reader hears of a run up to a cut: whole messages only. */
static log_heard_t run_before(size_t cut) {
  log_heard_t heard = {.hash = LOG_HASH_START};
  static char whole[1 << 19];
  size_t size = 0;
  for (size_t i = 0; i < recorded.count && recorded.frames[i].end <= cut; i++) {
    const frame_t *frame = &recorded.frames[i];
    if (frame->opcode > 2) continue;
    assert_true(size + frame->size <= sizeof whole);
    memcpy(whole + size, frame->bytes, frame->size);
    size += frame->size;
    if (!frame->is_final) continue;
    json_t *message = json_loadb(whole, size, JSON_ALLOW_NUL, NULL);
    size = 0;
    json_t *text = json_object_get(message, "text"), *value = json_object_get(message, "value");
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type != NULL && strcmp(type, "stdout") == 0)
      hear_run(&heard, 1, json_string_value(text), json_string_length(text));
    if (type != NULL && strcmp(type, "stderr") == 0)
      hear_run(&heard, 2, json_string_value(text), json_string_length(text));
    if (type != NULL && strcmp(type, "error") == 0)
      hear_run(&heard, 0, json_string_value(value), json_string_length(value));
    json_decref(message);
  }
  return heard;
}

static void check_ended_run(const daytona_future_t *future) {
  daytona_errcode_t expected = recorded.close_code == 1000 || recorded.close_code == 1005 ? DAYTONA_OK
                               : recorded.close_code == 4008                              ? DAYTONA_ETIMEOUT
                                                             : DAYTONA_ECONNECTION;
  if (daytona_future_code(future) != expected)
    explain(recorded.script.size, STREAM_ENDS, daytona_errcode_name(daytona_future_code(future)));
  if (expected != DAYTONA_OK) assert_non_null(strstr(daytona_future_error(future)->message, recorded.reason));
}

static void cut_run(stream_scene_t *scene, size_t cut, stream_fate_t fate) {
  log_heard_t heard = {.hash = LOG_HASH_START}, expected = run_before(cut);
  const daytona_interpreter_run_code_opts_t opts = {
    .on_stdout = on_stdout, .on_stderr = on_stderr, .on_error = on_error, .user = &heard};
  cuts_made++;
  stream_forget(scene);
  stream_play(scene, &recorded.script, cut, fate);
  daytona_future_t *future = daytona_interpreter_run_code(scene->sandbox, "print()", &opts);
  wait_for(&scene->api, future);
  if (cut == recorded.script.size)
    check_ended_run(future);
  else if (daytona_future_interpreter_run_result(future) != NULL)
    explain(cut, fate, "a result");
  else if (!daytona_error_is(daytona_future_error(future), DAYTONA_ECONNECTION))
    explain(cut, fate, daytona_future_error(future)->message);
  if (heard.hash != expected.hash || memcmp(heard.size, expected.size, sizeof heard.size) != 0)
    explain(cut, fate, "another output");
  daytona_future_release(future);
}

static bool cut_run_everywhere(void *user) {
  size_t cuts[CUTS_MAX], count = make_cuts(cuts);
  cut_run(user, recorded.script.size, STREAM_ENDS);
  for (size_t i = 0; i < count; i++)
    for (int fate = STREAM_STAYS; fate <= STREAM_BREAKS; fate++)
      if (fate != STREAM_STAYS)
        cut_run(user, cuts[i], (stream_fate_t)fate);
      else if (i % 3 == 0) /* without any byte of the server it waits for its turn */
        cut_run(user, cuts[i] != 0 ? cuts[i] : 1, STREAM_STAYS);
  return true;
}

static void a_recorded_run_fails_with_what_came_before(void **state) {
  static stream_scene_t scene;
  need_recordings();
  stream_open(&scene);
  size_t done = each_recorded("interp-", cut_run_everywhere, &scene);
  print_message("# %zu recorded runs, %zu cuts\n", done, cuts_made);
  assert_true(done >= 20);
  stream_close(&scene);
}

static void a_run_fails_with_what_came_before(void **state) {
  static stream_scene_t scene;
  stream_open(&scene);
  forget();
  strcpy(recorded.name, "a run made here");
  add_text(1, "{\"type\":\"stdout\",\"text\":\"h\\u00e9\\n\"}");
  add_text(9, "");
  add_frame(1, false, "{\"type\":\"stderr\",", 17);
  add_frame(0, true, "\"text\":\"e\\n\"}", 12);
  add_text(1, "{\"type\":\"error\",\"name\":\"E\",\"value\":\"v\",\"traceback\":\"t\"}");
  add_text(1, "{\"type\":\"control\",\"text\":\"completed\"}");
  add_close(1000, "");
  cut_run_everywhere(&scene);
  forget();
  stream_close(&scene);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_log_is_heard_once_and_whole),
    cmocka_unit_test(a_recorded_log_is_heard_once_and_whole),
    cmocka_unit_test(a_terminal_is_lost_with_what_came_before),
    cmocka_unit_test(a_recorded_terminal_is_lost_with_what_came_before),
    cmocka_unit_test(a_run_fails_with_what_came_before),
    cmocka_unit_test(a_recorded_run_fails_with_what_came_before),
  };
  folder = argc > 1 ? argv[1] : NULL;
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
