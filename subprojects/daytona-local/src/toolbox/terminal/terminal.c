/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page, and a shell on a terminal for each WebSocket. Output goes as text, so a character whose bytes have not all come
 * waits for the rest. Input is what the client sends, but for JSON objects with a size.
 */
#include "toolbox/terminal/terminal.h"

#include "base/jsonx.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/program.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/scripts.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/core/websocket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SIZE_MAX_CELLS 1000
#define MESSAGE_MAX (64u * 1024)
#define QUEUE_MAX 256
#define INPUT_HIGH (256u * 1024)

typedef struct {
  dl_list_t link;
  dl_toolbox_t *tb;
  dl_ws_t *ws;
  dl_program_t *program;
  char held[4]; /* the beginning of a character */
  size_t held_len;
  size_t waiting; /* input that the shell has not taken */
} terminal_t;

/* --- the end --- */

/* Both are gone, or are told to go. */
static void free_terminal(terminal_t *t) {
  dl_list_unlink(&t->link);
  free(t);
}

static void end(terminal_t *t, int code, const char *reason) {
  if (t->program != NULL) dl_program_close(t->program);
  if (t->ws != NULL) dl_ws_close(t->ws, code, reason);
  free_terminal(t);
}

/* --- the shell --- */

/* How many bytes at the end are the beginning of a character whose rest may come. */
static size_t unfinished(const char *bytes, size_t len) {
  for (size_t back = 1; back <= 3 && back <= len; back++) {
    unsigned char c = (unsigned char)bytes[len - back];
    size_t wanted = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (c >= 0xf8) wanted = 1;
    if (c >= 0xc0 || c < 0x80) return wanted > back ? back : 0;
  }
  return 0;
}

static void on_output(dl_program_t *p, bool is_error, const char *bytes, size_t len, void *user) {
  terminal_t *t = user;
  (void)is_error;
  char *all = dl_xmalloc(t->held_len + len);
  memcpy(all, t->held, t->held_len);
  memcpy(all + t->held_len, bytes, len);
  len += t->held_len;
  t->held_len = unfinished(all, len);
  len -= t->held_len;
  memcpy(t->held, all + len, t->held_len);
  json_t *text = dl_tb_text(all, len);
  bool is_sent = len == 0 || dl_ws_send(t->ws, DL_WS_TEXT, json_string_value(text), json_string_length(text));
  json_decref(text);
  free(all);
  if (!is_sent) {
    t->ws = NULL;
    end(t, 0, "");
  } else if (!dl_ws_is_idle(t->ws)) {
    dl_program_hold(p, true);
  }
}

static void on_taken(dl_program_t *p, size_t len, void *user) {
  terminal_t *t = user;
  (void)p;
  assert(t->waiting >= len);
  t->waiting -= len;
  if (t->waiting < INPUT_HIGH / 2) dl_ws_read_resume(t->ws);
}

static void on_exit_seen(dl_program_t *p, int status, void *user) { (void)p, (void)status, (void)user; }

static void on_program_end(dl_program_t *p, void *user) {
  terminal_t *t = user;
  (void)p;
  t->program = NULL;
  end(t, DL_WS_NORMAL, "The shell has ended.");
}

static const char *start_shell(terminal_t *t) {
  static const dl_program_events_t events = {on_output, on_taken, on_exit_seen, on_program_end};
  dl_environ_t e;
  int error = 0;
  dl_environ_copy(&e, &t->tb->environment);
  dl_environ_set(&e, "TERM", "xterm-256color");
  char *shell = dl_process_shell(&e), *argv[] = {shell, "-i", "-l", NULL};
  const dl_program_opts_t opts = {
    .file = shell, .argv = argv, .environment = &e, .cwd = "/", .has_terminal = true};
  t->program = dl_program_start(t->tb, &opts, &events, t, &error);
  free(shell);
  dl_environ_clear(&e);
  return t->program != NULL ? NULL : strerror(error);
}

/* --- the client --- */

/* True if it was one. */
static bool take_size(terminal_t *t, const char *bytes, size_t len) {
  char *error = NULL;
  json_t *o = len > 0 && bytes[0] == '{' ? dl_json_parse(bytes, len, &error) : NULL;
  bool is_object = json_is_object(o);
  int64_t rows = dl_json_int(o, "rows", 0), columns = dl_json_int(o, "cols", 0);
  if (is_object && rows > 0 && columns > 0 && rows <= SIZE_MAX_CELLS && columns <= SIZE_MAX_CELLS)
    dl_program_resize(t->program, (unsigned)columns, (unsigned)rows);
  free(error);
  json_decref(o);
  return is_object;
}

static void on_message(dl_ws_t *ws, const char *bytes, size_t len, void *user) {
  terminal_t *t = user;
  if (take_size(t, bytes, len)) return;
  t->waiting += len;
  dl_program_write(t->program, bytes, len);
  if (t->waiting > INPUT_HIGH) dl_ws_read_pause(ws);
}

static void on_drain(dl_ws_t *ws, void *user) {
  (void)ws;
  dl_program_hold(((terminal_t *)user)->program, false);
}

static void on_client_end(dl_ws_t *ws, void *user) {
  terminal_t *t = user;
  (void)ws;
  t->ws = NULL;
  end(t, 0, "");
}

static void on_open(dl_ws_t *ws, void *user) {
  static const dl_ws_events_t events = {
    .on_message = on_message, .on_drain = on_drain, .on_end = on_client_end};
  dl_toolbox_t *tb = user;
  if (ws == NULL) return;
  terminal_t *t = dl_xcalloc(1, sizeof *t);
  t->tb = tb;
  t->ws = ws;
  dl_list_push(tb->terminals, &t->link);
  dl_ws_listen(ws, &events, t);
  const char *problem = start_shell(t);
  if (problem != NULL) end(t, DL_WS_INTERNAL, problem);
}

/* --- requests --- */

static void on_ready(dl_req_t *req, const char *bytes, size_t len, void *user) {
  static const dl_ws_events_t events = {.on_open = on_open};
  static const dl_ws_opts_t opts = {.message_max = MESSAGE_MAX, .queue_max = QUEUE_MAX};
  (void)bytes, (void)len;
  dl_ws_accept(user, req, &opts, &events, user);
}

static void on_socket(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, on_ready); }

static void on_page(dl_req_t *req, void *user) {
  (void)user;
  dl_tb_reply_page(req, DL_SCRIPT_TERMINAL_PAGE_HTML);
}

dl_list_t *dl_terminals_new(void) {
  dl_list_t *all = dl_xmalloc(sizeof *all);
  dl_list_init(all);
  return all;
}

void dl_terminals_close(dl_toolbox_t *tb) {
  while (!dl_list_empty(tb->terminals))
    end(DL_CONTAINER(tb->terminals->next, terminal_t, link), DL_WS_GOING_AWAY, "The sandbox stops.");
  free(tb->terminals);
  tb->terminals = NULL;
}

static const dl_route_t ROUTES[] = {{"GET", "/terminal/", on_page, DL_TB_ANY_SLASH},
                                    {"GET", "/terminal/ws", on_socket, 0}};
const dl_route_table_t DL_TB_TERMINAL_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
