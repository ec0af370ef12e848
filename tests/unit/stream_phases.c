/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every phase that an operation on a stream can be in, and what may end it there: cancelling it, closing the client,
 * letting go of it, and its limits, which hold to within 50 ms whatever the server does or leaves undone.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "call/op.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/stream_scene.h"

#define COMMAND "/toolbox/sb-1/process/session/s/command/c"
static const char get_command[] = "GET " COMMAND;
static const char get_logs[] = "GET " COMMAND "/logs";
static const char get_toolbox[] = "GET /api/sandbox/sb-1/toolbox-proxy-url";
static const char post_pty[] = "POST /toolbox/sb-1/process/pty";
static const char running[] = "{\"id\":\"c\",\"command\":\"x\"}";
static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

typedef enum service { FOLLOW, CREATE, CONNECT, RUN } service_t;

typedef enum phase {
  FINDING,    /* the control plane is asked where the toolbox is */
  CONNECTING, /* TCP */
  UPGRADING,  /* the upgrade has been sent */
  OPEN,       /* and answered; of a terminal: nothing says yet that it is attached */
  WATCHING,   /* a follow's socket is quiet, and the command is asked for */
  CHECKING,   /* its socket has ended, and the command is asked for */
  FETCHING,   /* the log is fetched */
  WAITING,    /* for the next attempt */
  REOPENING,  /* a new socket's upgrade has been sent */
  POSTING,    /* an older server is asked to create the terminal */
  ATTACHING   /* and then to attach */
} phase_t;

static const struct {
  service_t service;
  phase_t phase;
} cases[] = {
  {FOLLOW, FINDING},    {FOLLOW, CONNECTING},  {FOLLOW, UPGRADING},  {FOLLOW, OPEN},      {FOLLOW, WATCHING},
  {FOLLOW, CHECKING},   {FOLLOW, FETCHING},    {FOLLOW, WAITING},    {FOLLOW, REOPENING}, {CREATE, FINDING},
  {CREATE, CONNECTING}, {CREATE, UPGRADING},   {CREATE, OPEN},       {CREATE, POSTING},   {CREATE, ATTACHING},
  {CONNECT, FINDING},   {CONNECT, CONNECTING}, {CONNECT, UPGRADING}, {CONNECT, OPEN},     {RUN, FINDING},
  {RUN, CONNECTING},    {RUN, UPGRADING},      {RUN, OPEN},
};

enum { CASES = sizeof cases / sizeof *cases };

typedef struct scene {
  stream_scene_t stream; /* first */
  peer_deaf_t deaf;
  char deaf_url[64];
  phase_t phase;
  int lent, given_back; /* `user` pointers of the operations */
} scene_t;

static void give_back(void *user) { ((scene_t *)user)->given_back++; }

static void open_scene(scene_t *scene, phase_t phase) {
  stream_script_t none = {0};
  stream_scene_t *stream = &scene->stream;
  api_scene_t *api = &stream->api;
  memset(scene, 0, sizeof *scene);
  scene->phase = phase;
  stream_open(stream);
  peer_deaf_begin(&scene->deaf);
  snprintf(scene->deaf_url, sizeof scene->deaf_url, "http://127.0.0.1:%d/toolbox", scene->deaf.port);
  if (phase == FINDING || phase == CONNECTING) {
    daytona_sandbox_release(stream->sandbox);
    stream->sandbox = api_sandbox_at(api, phase == FINDING ? NULL : scene->deaf_url, "started");
  }
  api_answer(api, get_toolbox, 0, api_silence);
  if (phase == UPGRADING) stream->refusal = "";
  if (phase == POSTING || phase == ATTACHING) stream->refusal = missing;
  if (phase >= CHECKING) stream_play(stream, &none, 0, STREAM_ENDS);
  if (phase == WATCHING || phase == CHECKING) api_answer(api, get_command, 0, api_silence);
  if (phase == WAITING) api_answer(api, get_command, 200, "{");
  if (phase == FETCHING || phase == REOPENING) api_answer(api, get_command, 200, running);
  if (phase == FETCHING) api_answer(api, get_logs, 0, api_silence);
  if (phase == REOPENING) stream_answer_text(stream, get_logs, "\1\1\1one\n");
  if (phase == POSTING) api_answer(api, post_pty, 0, api_silence);
  if (phase == ATTACHING) api_answer(api, post_pty, 201, "{\"sessionId\":\"t\"}");
}

static void close_scene(scene_t *scene) {
  stream_close(&scene->stream);
  assert_int_equal(scene->given_back, scene->lent);
  peer_deaf_end(&scene->deaf);
}

/* Turn the loop until the operation stands in its phase. */
static void reach(scene_t *scene) {
  stream_scene_t *stream = &scene->stream;
  api_scene_t *api = &stream->api;
  const char *line = scene->phase == FINDING    ? get_toolbox
                     : scene->phase == FETCHING ? get_logs
                     : scene->phase == POSTING  ? post_pty
                                                : get_command;
  bool is_asking = scene->phase == FINDING || scene->phase == WATCHING || scene->phase == CHECKING ||
                   scene->phase == FETCHING || scene->phase == WAITING || scene->phase == POSTING;
  size_t upgrades = scene->phase == REOPENING || scene->phase == ATTACHING ? 2
                    : scene->phase > CONNECTING                            ? 1
                                                                           : 0;
  while (scene->phase != POSTING && scene->phase != ATTACHING && stream->upgrades == 0 && upgrades != 0)
    uv_run(&api->uv, UV_RUN_ONCE);
  if (scene->phase == REOPENING) stream->refusal = "";
  if (scene->phase == ATTACHING) {
    api_until_requests(api, 1);
    stream->refusal = "";
  }
  while (stream->upgrades < upgrades) uv_run(&api->uv, UV_RUN_ONCE);
  while (is_asking && api_count(api, line) == 0) {
    api_spin(api, 3);
    if (scene->phase == WATCHING) api_advance(api, 500);
  }
  api_spin(api, 10);
}

static daytona_future_t *begin(scene_t *scene, service_t service, int64_t connect_ms, int64_t whole_ms) {
  daytona_sandbox_t *sandbox = scene->stream.sandbox;
  const daytona_session_follow_opts_t follow = {
    .connect_timeout_ms = connect_ms, .timeout_ms = whole_ms, .user = scene, .destroy_user = give_back};
  const daytona_pty_attach_t attach = {.connect_timeout_ms = connect_ms,
                                       .handshake_timeout_ms = whole_ms,
                                       .user = scene,
                                       .destroy_user = give_back};
  const daytona_pty_create_opts_t create = {.id = "t", .attach = attach};
  const daytona_pty_connect_opts_t connect = {.attach = attach};
  const daytona_interpreter_run_code_opts_t run = {
    .connect_timeout_ms = connect_ms, .user = scene, .destroy_user = give_back};
  scene->lent++;
  switch (service) {
    case FOLLOW: return daytona_session_follow(sandbox, "s", "c", &follow);
    case CREATE: return daytona_pty_create(sandbox, &create);
    case CONNECT: return daytona_pty_connect(sandbox, "t", &connect);
    default: return daytona_interpreter_run_code(sandbox, "1", &run);
  }
}

static void until_settled(scene_t *scene, const daytona_future_t *future) {
  while (!daytona_future_is_settled(future)) uv_run(&scene->stream.api.uv, UV_RUN_NOWAIT);
}

static void an_operation_may_be_ended_in_every_phase(void **state) {
  enum { CANCEL, CLOSE, RELEASE, WAYS };
  static scene_t scene;
  for (int i = 0; i < CASES; i++)
    for (int way = 0; way < WAYS; way++) {
      open_scene(&scene, cases[i].phase);
      daytona_future_t *future = begin(&scene, cases[i].service, 0, DAYTONA_NO_TIMEOUT);
      reach(&scene);
      if (daytona_future_is_settled(future)) fail_msg("case %d ended by itself", i);
      assert_int_equal(scene.given_back, 0);
      if (way == CANCEL) daytona_future_cancel(future);
      if (way == CLOSE) api_scene_close_client(&scene.stream.api);
      if (way != RELEASE) {
        assert_false(daytona_future_is_settled(future)); /* from a later turn */
        until_settled(&scene, future);
        assert_int_equal(daytona_future_code(future), way == CANCEL ? DAYTONA_ECANCELED : DAYTONA_ECLOSED);
        daytona_stream_reason_t reason = way == CANCEL ? DAYTONA_STREAM_CANCELED : DAYTONA_STREAM_CLOSED;
        assert_int_equal(daytona_future_stream_reason(future), reason);
      }
      daytona_future_release(future); /* with RELEASE it goes on until the client is closed */
      if (way == CLOSE)
        while (!scene.stream.api.is_closed) uv_run(&scene.stream.api.uv, UV_RUN_ONCE);
      close_scene(&scene);
    }
}

/* --- limits ------------------------------------------------------------------------------------ */

enum { LIMIT_MS = 60000 };

/* Not before its time, and not later than 50 ms after it. */
static void expect_end_at(scene_t *scene, const daytona_future_t *future, int64_t due_ms) {
  api_scene_t *api = &scene->stream.api;
  api_advance(api, due_ms - 10 - api_now(api));
  api_spin(api, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(api, 50);
  /* On a busy machine the turns in which handles close may come between; the clock stands still. */
  for (int turn = 0; turn < 200 && !daytona_future_is_settled(future); turn++) api_spin(api, 1);
  assert_true(daytona_future_is_settled(future));
}

static void the_connect_limit_holds(void **state) {
  static scene_t scene;
  for (int i = 0; i < CASES; i++) {
    if (cases[i].phase != CONNECTING && cases[i].phase != UPGRADING && cases[i].phase != ATTACHING) continue;
    open_scene(&scene, cases[i].phase);
    int64_t begun = api_now(&scene.stream.api);
    daytona_future_t *future = begin(&scene, cases[i].service, 5000, DAYTONA_NO_TIMEOUT);
    reach(&scene);
    expect_end_at(&scene, future, begun + 5000);
    assert_int_equal(daytona_future_code(future), DAYTONA_ECONNECT_TIMEOUT);
    assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_TIMEOUT);
    daytona_future_release(future);
    close_scene(&scene);
  }
}

/* Of a follow, and of a terminal's handshake: whatever is being waited for. */
static void the_whole_limit_holds_in_every_phase(void **state) {
  static scene_t scene;
  for (int i = 0; i < CASES; i++) {
    if (cases[i].service == RUN || cases[i].phase == WAITING)
      continue; /* a run has its limit from the server */
    open_scene(&scene, cases[i].phase);
    int64_t begun = api_now(&scene.stream.api);
    daytona_future_t *future = begin(&scene, cases[i].service, DAYTONA_NO_TIMEOUT, LIMIT_MS);
    reach(&scene);
    /* A socket that says nothing at all is taken for dead after 40 s; this one is quiet and alive. */
    for (int step = 0; step < 4 && cases[i].phase == OPEN; step++) {
      api_advance(&scene.stream.api, 10000);
      stream_send(&scene.stream, 10, "", 0);
      api_spin(&scene.stream.api, 5);
      if (cases[i].service == FOLLOW) api_answer(&scene.stream.api, get_command, 200, running);
    }
    if (cases[i].phase == WATCHING) stream_send(&scene.stream, 10, "", 0);
    api_spin(&scene.stream.api, 5);
    expect_end_at(&scene, future, begun + LIMIT_MS);
    if (cases[i].service == FOLLOW)
      assert_int_equal(daytona_future_stream_end(future)->reason, DAYTONA_STREAM_TIMEOUT);
    else
      assert_int_equal(daytona_future_code(future), DAYTONA_ETIMEOUT);
    daytona_future_release(future);
    close_scene(&scene);
  }
}

/* A terminal that is attached to the newest socket. */
static daytona_pty_t *attach(stream_scene_t *scene, daytona_pty_attach_t how) {
  stream_script_t script = {0};
  const daytona_pty_connect_opts_t opts = {.attach = how};
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  stream_play(scene, &script, script.size, STREAM_STAYS);
  daytona_future_t *future = api_must(daytona_pty_connect(scene->sandbox, "t", &opts));
  daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
  daytona_future_release(future);
  stream_script_clear(&script);
  return pty;
}

static void a_disconnect_that_is_not_answered_ends_all_the_same(void **state) {
  static scene_t scene;
  open_scene(&scene, OPEN);
  daytona_pty_t *pty = attach(&scene.stream, (daytona_pty_attach_t){0});
  daytona_future_t *future = daytona_pty_wait(pty);
  peer_stop_reading(scene.stream.socket);
  int64_t begun = api_now(&scene.stream.api);
  daytona_pty_disconnect(pty);
  expect_end_at(&scene, future, begun + 5000);
  assert_int_equal(daytona_future_stream_end(future)->reason, DAYTONA_STREAM_CLOSED);
  daytona_future_release(future);
  daytona_pty_release(pty);
  close_scene(&scene);
}

/* Whoever leaves has left, also when the connection breaks on the way out. */
static void a_disconnect_that_is_cut_is_a_disconnect(void **state) {
  for (int way = 0; way < 2; way++) {
    static scene_t scene;
    open_scene(&scene, OPEN);
    daytona_pty_t *pty = attach(&scene.stream, (daytona_pty_attach_t){0});
    daytona_future_t *future = daytona_pty_wait(pty);
    peer_stop_reading(scene.stream.socket);
    daytona_pty_disconnect(pty);
    if (way == 0) peer_end(scene.stream.socket);
    if (way == 1) peer_reset(scene.stream.socket);
    api_must(future);
    assert_int_equal(daytona_future_stream_end(future)->reason, DAYTONA_STREAM_CLOSED);
    assert_false(daytona_future_stream_end(future)->has_exit_code);
    daytona_future_release(future);
    daytona_pty_release(pty);
    close_scene(&scene);
  }
}

/* --- silence ----------------------------------------------------------------------------------- */

/* A proxy between ends what is quiet for a minute; a stream says something before, for hours. */
static void quiet_streams_outlive_an_impatient_proxy(void **state) {
  enum { HOURS = 2, STEP_MS = 5000, STEPS = HOURS * 3600 * 1000 / STEP_MS };
  static scene_t scene;
  for (service_t service = FOLLOW; service <= RUN; service++) {
    if (service == CREATE) continue;
    open_scene(&scene, OPEN);
    stream_scene_t *stream = &scene.stream;
    stream->answers_pings = true;
    api_answer(&stream->api, get_command, 200, running);
    daytona_pty_t *pty = service == CONNECT ? attach(stream, (daytona_pty_attach_t){0}) : NULL;
    daytona_future_t *future =
      pty != NULL ? daytona_pty_wait(pty) : begin(&scene, service, 0, DAYTONA_NO_TIMEOUT);
    while (stream->upgrades == 0) uv_run(&stream->api.uv, UV_RUN_ONCE);
    api_spin(&stream->api, 5);
    size_t pings = 0;
    for (int step = 0, quiet = 0; step < STEPS; step++) {
      api_advance(&stream->api, STEP_MS);
      api_settle(&stream->api);
      quiet = stream->pings != pings ? 0 : quiet + 1;
      pings = stream->pings;
      assert_true(quiet * STEP_MS < 60000);
    }
    assert_false(daytona_future_is_settled(future));
    assert_int_equal(stream->upgrades, 1);
    stream_send_close(stream, 1000, "");
    if (service == FOLLOW)
      daytona_future_cancel(future);
    else
      api_must(future);
    daytona_future_release(future);
    daytona_pty_release(pty);
    close_scene(&scene);
  }
}

/* --- input ------------------------------------------------------------------------------------- */

static void on_drained(daytona_pty_t *pty, void *user) {
  ++*(int *)user;
  assert_true(daytona_pty_is_connected(pty));
}

static char input_at(size_t at) { return (char)(at * 31 + at / 4096); }

static size_t input_seen;

static void check_input(stream_scene_t *scene, int opcode, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) assert_int_equal(bytes[i], input_at(input_seen + i));
  input_seen += size;
  scene->received_size = 0;
}

static void input_waits_for_a_slow_server_in_bounds(void **state) {
  enum { PIECE = 100000 };
  static char piece[PIECE];
  static scene_t scene;
  int drained = 0, rc;
  size_t taken = 0;
  open_scene(&scene, OPEN);
  input_seen = 0;
  scene.stream.on_message = check_input;
  daytona_pty_t *pty =
    attach(&scene.stream, (daytona_pty_attach_t){.on_drained = on_drained, .user = &drained});
  daytona_pty_set_output(pty, NULL, NULL); /* whose user is another one */
  peer_stop_reading(scene.stream.socket);
  for (;;) {
    for (size_t i = 0; i < PIECE; i++) piece[i] = input_at(taken + i);
    rc = daytona_pty_write(pty, piece, PIECE);
    if (rc != 0) break;
    taken += PIECE;
    api_spin(&scene.stream.api, 1);
  }
  assert_int_equal(rc, DAYTONA_ELIMIT);
  assert_true(taken > 3 << 20);
  assert_int_equal(drained, 0);
  peer_start_reading(scene.stream.socket);
  while (drained == 0 || input_seen < taken) uv_run(&scene.stream.api.uv, UV_RUN_ONCE);
  api_spin(&scene.stream.api, 20);
  assert_int_equal(input_seen, taken); /* what was refused was not sent in part */
  assert_int_equal(drained, 1);
  daytona_pty_release(pty);
  close_scene(&scene);
}

static void count_output(const daytona_output_t *output, void *user) {
  (void)output->pty, (void)output->bytes;
  *(size_t *)user += output->size;
}

/* A large buffer is handed on over many turns. */
static void what_was_kept_leaves_turns_to_others(void **state) {
  enum { PIECE = 60000, PIECES = 50 };
  static char piece[PIECE];
  static scene_t scene;
  size_t heard = 0;
  open_scene(&scene, OPEN);
  daytona_pty_t *pty = attach(&scene.stream, (daytona_pty_attach_t){.buffer_bytes = PIECE * (PIECES + 1)});
  for (int i = 0; i < PIECES; i++) stream_send(&scene.stream, 2, piece, PIECE);
  api_spin(&scene.stream.api, 200);
  daytona_pty_set_output(pty, count_output, &heard);
  while (heard < PIECE * PIECES) {
    size_t before = heard;
    uv_run(&scene.stream.api.uv, UV_RUN_NOWAIT);
    assert_true(heard - before <= 512 << 10);
  }
  daytona_pty_release(pty);
  close_scene(&scene);
}

/* --- words and outcomes ------------------------------------------------------------------------ */

static void reasons_have_words(void **state) {
  assert_string_equal(daytona_stream_reason_text(DAYTONA_STREAM_OPEN), "open");
  assert_string_equal(daytona_stream_reason_text(DAYTONA_STREAM_EXITED), "exited");
  assert_string_equal(daytona_stream_reason_text(DAYTONA_STREAM_LOST), "connection lost");
  assert_string_equal(daytona_stream_reason_text((daytona_stream_reason_t)99), "unknown");
  assert_null(daytona_future_stream_end(NULL));
  assert_int_equal(daytona_future_stream_reason(NULL), DAYTONA_STREAM_OPEN);
}

static void a_verdict_without_a_callback_waits_for_nobody(void **state) {
  static scene_t scene;
  open_scene(&scene, OPEN);
  daytona_pty_t *pty = attach(&scene.stream, (daytona_pty_attach_t){0});
  daytona_pty_pause(pty);
  stream_send(&scene.stream, 2, "nobody hears this", 17);
  stream_send_close(&scene.stream, 1011, "{\"exitCode\":2}");
  daytona_future_t *future = api_must(daytona_pty_wait(pty));
  assert_int_equal(daytona_future_stream_end(future)->exit_code, 2);
  assert_int_equal(daytona_future_stream_end(future)->received_bytes, 17);
  assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_EXITED);
  daytona_future_release(future);
  daytona_pty_release(pty);
  close_scene(&scene);
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static void settle_somehow(scene_t *scene, daytona_future_t *future) {
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 200000);
    uv_run(&scene->stream.api.uv, UV_RUN_NOWAIT);
    if (turn % 50 == 49) api_advance(&scene->stream.api, 100);
  }
}

static const char info_404[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/* The first upgrade is refused, so that the terminal is created the old way; the second one works. */
static void on_posted(scene_t *scene) { scene->stream.refusal = NULL; }

static void create_the_old_way(void *user) {
  scene_t *scene = user;
  static const daytona_pair_t env[] = {{"A", "1"}};
  const daytona_pty_create_opts_t opts = {.id = "t", .env = {env, 1}};
  scene->stream.refusal = info_404;
  scene->stream.upgrades = 0;
  size_t posts = api_count(&scene->stream.api, post_pty);
  daytona_future_t *future = daytona_pty_create(scene->stream.sandbox, &opts);
  while (!daytona_future_is_settled(future)) {
    uv_run(&scene->stream.api.uv, UV_RUN_NOWAIT);
    if (api_count(&scene->stream.api, post_pty) > posts) on_posted(scene);
  }
  if (daytona_future_pty(future) != NULL) {
    daytona_future_t *wait = daytona_pty_wait(daytona_future_pty(future));
    settle_somehow(scene, wait);
    const daytona_stream_end_t *end = daytona_future_stream_end(wait);
    if (end != NULL && end->reason == DAYTONA_STREAM_EXITED) assert_int_equal(end->exit_code, 5);
    daytona_future_release(wait);
  } else {
    assert_true(support_alloc_failed() != 0);
  }
  daytona_future_release(future);
  api_spin(&scene->stream.api, 20);
}

static void sweep(scene_t *scene, void (*scenario)(void *user)) {
  scenario(scene); /* what is made once per client */
  for (size_t nth = 1;; nth++) {
    assert_true(nth < 1000);
    support_alloc_fail_once(nth);
    scenario(scene);
    bool was_reached = support_alloc_failed() != 0;
    support_alloc_heal();
    if (!was_reached) return;
  }
}

static void creating_the_old_way_survives_lack_of_memory(void **state) {
  static scene_t scene;
  stream_script_t script = {0};
  open_scene(&scene, OPEN);
  api_answer(&scene.stream.api, post_pty, 201, "{\"sessionId\":\"t\"}");
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  stream_frame(&script, 2, "out", 3);
  stream_close_frame(&script, 1011, "{\"exitCode\":5}");
  stream_play(&scene.stream, &script, script.size, STREAM_ENDS); /* of the upgrade that is refused */
  stream_play(&scene.stream, &script, script.size, STREAM_ENDS);
  sweep(&scene, create_the_old_way);
  stream_script_clear(&script);
  close_scene(&scene);
}

static const char log_text[] = "\1\1\1one\n\2\2\2\xC3\xA9\n\1\1\1two\n";

typedef struct heard {
  char text[64];
  daytona_future_t *follow;
  int calls;
} heard_t;

static void on_text(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  strncat(heard->text, output->bytes, output->size);
  if (heard->calls++ == 0) daytona_future_pause(heard->follow);
}

/* Text, paused at once and resumed later, over a cut. */
static void follow_with_a_pause(void *user) {
  scene_t *scene = user;
  heard_t heard = {""};
  scene->stream.upgrades = 0;
  for (size_t i = 0; i < scene->stream.api.route_count; i++) scene->stream.api.routes[i].given = 0;
  const daytona_session_follow_opts_t opts = {.on_stdout = on_text,
                                              .on_stderr = on_text,
                                              .user = &heard,
                                              .as_text = true,
                                              .policy = DAYTONA_BUFFER_DROP_OLDEST};
  daytona_future_t *future = heard.follow = daytona_session_follow(scene->stream.sandbox, "s", "c", &opts);
  for (int turn = 0; turn < 400 && !daytona_future_is_settled(future); turn++) {
    uv_run(&scene->stream.api.uv, UV_RUN_NOWAIT);
    if (turn % 50 == 49) api_advance(&scene->stream.api, 100);
  }
  daytona_future_resume(future);
  settle_somehow(scene, future);
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end != NULL && end->reason == DAYTONA_STREAM_EXITED)
    assert_string_equal(heard.text, "one\n\xC3\xA9\ntwo\n");
  else
    assert_true(support_alloc_failed() != 0);
  daytona_future_release(future);
  api_spin(&scene->stream.api, 30);
}

static void a_paused_follow_survives_lack_of_memory(void **state) {
  static scene_t scene;
  stream_script_t script = {0};
  open_scene(&scene, OPEN);
  stream_frame(&script, 2, log_text, 9);
  size_t cut = script.size;
  stream_frame(&script, 2, log_text + 9, sizeof log_text - 10);
  stream_close_frame(&script, 1000, "");
  stream_play(&scene.stream, &script, cut, STREAM_ENDS);
  stream_play(&scene.stream, &script, script.size, STREAM_ENDS);
  api_answer(&scene.stream.api, get_command, 200, running);
  api_answer(&scene.stream.api, get_command, 200, "{\"id\":\"c\",\"command\":\"x\",\"exitCode\":0}");
  stream_answer_text(&scene.stream, get_logs, log_text);
  sweep(&scene, follow_with_a_pause);
  stream_script_clear(&script);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_operation_may_be_ended_in_every_phase),
    cmocka_unit_test(the_connect_limit_holds),
    cmocka_unit_test(the_whole_limit_holds_in_every_phase),
    cmocka_unit_test(a_disconnect_that_is_not_answered_ends_all_the_same),
    cmocka_unit_test(a_disconnect_that_is_cut_is_a_disconnect),
    cmocka_unit_test(quiet_streams_outlive_an_impatient_proxy),
    cmocka_unit_test(what_was_kept_leaves_turns_to_others),
    cmocka_unit_test(input_waits_for_a_slow_server_in_bounds),
    cmocka_unit_test(reasons_have_words),
    cmocka_unit_test(a_verdict_without_a_callback_waits_for_nobody),
    cmocka_unit_test(creating_the_old_way_survives_lack_of_memory),
    cmocka_unit_test(a_paused_follow_survives_lack_of_memory),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
