/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /ssh/channel: one SSH channel, as frames. A channel is a program, or a connection to a port of the sandbox; its life
 * is that of its stream to the gateway. When the stream ends the program is hung up, and when the program has ended and
 * everything was said the stream ends.
 */
#include "base/buf.h"
#include "ssh/frames.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/ssh/internal.h"
#include "toolbox/ssh/ssh.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

/* What the gateway has not taken: then the program waits. */
#define OUTPUT_HIGH (256u * 1024)
/* A client may be very slow to take what is left, and nothing is lost meanwhile. */
#define FLUSH_LIMIT_MS (3600u * 1000)
#define SIZE_MAX_CELLS 10000

typedef struct {
  dl_list_t link;
  dl_toolbox_t *tb;
  dl_duplex_t *stream; /* to the gateway */
  dl_buf_t in;         /* of an unfinished frame */
  dl_program_t *program;
  dl_duplex_t *target; /* of a forwarded port */
  char *host, *port;   /* of it, while it is connecting */
  int attempt;
  size_t owed; /* input that the target has not taken */
  bool is_started, is_connected, ends_input, has_no_output, is_over;
  bool is_busy; /* with a frame: memory goes after it */
} channel_t;

/* --- the end --- */

static void free_channel(channel_t *c) {
  dl_list_unlink(&c->link);
  dl_buf_clear(&c->in);
  free(c->host);
  free(c->port);
  free(c);
}

/* The gateway has gone, or everything was said. */
/* Not inlined: gcc would not see that a channel whose frame is being read is not freed here. */
__attribute__((noinline)) static void end_channel(channel_t *c) {
  if (c->is_over) return;
  c->is_over = true;
  if (c->program != NULL) dl_program_close(c->program);
  dl_duplex_close(c->target);
  dl_duplex_close_flushed(c->stream, FLUSH_LIMIT_MS);
  if (!c->is_busy) free_channel(c);
}

/* False: the channel has ended. */
static bool put(channel_t *c, dl_ssh_frame_t type, const void *content, size_t len) {
  char head[DL_SSH_HEAD];
  if (c->is_over) return false;
  dl_ssh_write_head(head, type, len);
  if (dl_duplex_write(c->stream, head, sizeof head) && (len == 0 || dl_duplex_write(c->stream, content, len)))
    return true;
  end_channel(c);
  return false;
}

static bool put_text(channel_t *c, dl_ssh_frame_t type, const char *text) {
  return put(c, type, text, strlen(text));
}

static bool grant(channel_t *c, size_t len) {
  char text[24];
  snprintf(text, sizeof text, "%zu", len);
  return put_text(c, DL_SSH_GRANT, text);
}

/* `why` is freed. */
static void fail(channel_t *c, char *why) {
  bool is_told = put_text(c, DL_SSH_FAILED, why);
  free(why);
  if (is_told) end_channel(c);
}

static bool begin(channel_t *c) { return put(c, DL_SSH_STARTED, NULL, 0) && grant(c, DL_SSH_INPUT_MAX); }

/* --- a program --- */

static const struct {
  const char *name;
  int number;
} SIGNALS[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"ABRT", SIGABRT},
               {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
               {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}};

static void on_output(dl_program_t *p, bool is_error, const char *bytes, size_t len, void *user) {
  channel_t *c = user;
  if (!put(c, is_error ? DL_SSH_ERRORS : DL_SSH_DATA, bytes, len)) return;
  if (dl_duplex_queued(c->stream) > OUTPUT_HIGH) dl_program_hold(p, true);
}

static void on_taken(dl_program_t *p, size_t len, void *user) {
  (void)p;
  grant(user, len);
}

static void on_exit_seen(dl_program_t *p, int status, void *user) {
  char text[32];
  (void)p;
  if (WIFSIGNALED(status)) {
    const char *name = NULL;
    for (size_t i = 0; i < DL_COUNT(SIGNALS); i++)
      if (SIGNALS[i].number == WTERMSIG(status)) name = SIGNALS[i].name;
    if (name != NULL)
      snprintf(text, sizeof text, "signal %s", name);
    else
      snprintf(text, sizeof text, "code %d", 128 + WTERMSIG(status));
  } else {
    snprintf(text, sizeof text, "code %d", WEXITSTATUS(status));
  }
  put_text(user, DL_SSH_EXIT, text);
}

static void on_program_end(dl_program_t *p, void *user) {
  channel_t *c = user;
  (void)p;
  c->program = NULL;
  end_channel(c);
}

static void start_program(channel_t *c, const dl_ssh_start_t *start) {
  static const dl_program_events_t events = {on_output, on_taken, on_exit_seen, on_program_end};
  char *failure = NULL;
  c->program = dl_ssh_run(c->tb, start, &events, c, &failure);
  if (c->program != NULL)
    begin(c);
  else
    fail(c, failure);
}

/* --- a forwarded port --- */

static void connect_target(channel_t *c);

static void on_target_data(dl_duplex_t *d, const char *bytes, size_t len, void *user) {
  channel_t *c = user;
  if (put(c, DL_SSH_DATA, bytes, len) && dl_duplex_queued(c->stream) > OUTPUT_HIGH) dl_duplex_read_pause(d);
}

static void finish_target(channel_t *c) {
  if (c->has_no_output && c->ends_input) end_channel(c);
}

static void on_target_end(dl_duplex_t *d, int error, void *user) {
  channel_t *c = user;
  if (error != 0 && !c->is_connected) {
    dl_duplex_close(d);
    c->target = NULL;
    c->attempt++;
    connect_target(c);
  } else if (error != 0) {
    end_channel(c);
  } else {
    c->has_no_output = true;
    if (put(c, DL_SSH_END, NULL, 0)) finish_target(c);
  }
}

/* Also when it is connected. */
static void on_target_drain(dl_duplex_t *d, void *user) {
  channel_t *c = user;
  bool is_new = !c->is_connected;
  c->is_connected = true;
  if (is_new && !begin(c)) return;
  size_t owed = c->owed;
  c->owed = 0;
  if (owed > 0 && !grant(c, owed)) return;
  if (c->ends_input) dl_duplex_shutdown(d);
}

static void connect_target(channel_t *c) {
  static const dl_duplex_events_t events = {
    .on_data = on_target_data, .on_end = on_target_end, .on_drain = on_target_drain};
  char *failure = NULL;
  bool is_connecting = false;
  int fd = dl_ssh_connect(c->host, c->port, &c->attempt, &is_connecting, &failure);
  if (fd < 0) {
    fail(c, failure);
    return;
  }
  c->target = dl_duplex_new(c->tb->loop, fd, is_connecting, NULL, NULL);
  if (c->target == NULL) {
    fail(c, dl_xstrdup("the connection cannot be watched"));
    return;
  }
  dl_duplex_listen(c->target, &events, c);
  dl_duplex_ask_drain(c->target);
}

static void write_target(channel_t *c, const char *bytes, size_t len) {
  c->owed += len;
  if (dl_duplex_write(c->target, bytes, len)) dl_duplex_ask_drain(c->target);
}

static void end_target_input(channel_t *c) {
  c->ends_input = true;
  if (c->has_no_output)
    end_channel(c);
  else
    dl_duplex_ask_drain(c->target);
}

/* --- frames --- */

static void on_start(channel_t *c, const char *content, size_t len) {
  if (len == 0 || content[len - 1] != '\0' || c->is_started) {
    end_channel(c);
    return;
  }
  const dl_ssh_start_t start = {content, len};
  const char *kind = dl_ssh_field(content, len, "kind");
  c->is_started = true;
  if (kind == NULL || strcmp(kind, "forward") != 0) {
    start_program(c, &start);
    return;
  }
  dl_set(&c->host, dl_ssh_field(content, len, "host"));
  dl_set(&c->port, dl_ssh_field(content, len, "port"));
  connect_target(c);
}

static void on_window(dl_program_t *p, const char *text) {
  unsigned columns = 0, rows = 0;
  if (sscanf(text, "%5u %5u", &columns, &rows) == 2 && columns <= SIZE_MAX_CELLS && rows <= SIZE_MAX_CELLS)
    dl_program_resize(p, columns, rows);
}

static void on_signal(dl_program_t *p, const char *text) {
  for (size_t i = 0; i < DL_COUNT(SIGNALS); i++)
    if (strcmp(SIGNALS[i].name, text) == 0) dl_program_signal(p, SIGNALS[i].number);
}

static void on_program_frame(channel_t *c, dl_ssh_frame_t type, const char *content, size_t len) {
  char *text = type == DL_SSH_WINDOW || type == DL_SSH_SIGNAL ? dl_xstrndup(content, len) : NULL;
  if (type == DL_SSH_DATA && !c->ends_input) dl_program_write(c->program, content, len);
  if (type == DL_SSH_WINDOW) on_window(c->program, text);
  if (type == DL_SSH_SIGNAL) on_signal(c->program, text);
  if (type == DL_SSH_END) {
    c->ends_input = true;
    dl_program_end_input(c->program);
  }
  free(text);
}

static void on_frame(channel_t *c, dl_ssh_frame_t type, const char *content, size_t len) {
  if (type == DL_SSH_START)
    on_start(c, content, len);
  else if (c->program != NULL)
    on_program_frame(c, type, content, len);
  else if (c->target != NULL && type == DL_SSH_DATA && !c->ends_input)
    write_target(c, content, len);
  else if (c->target != NULL && type == DL_SSH_END && !c->ends_input)
    end_target_input(c);
}

/* True while the channel lives and there may be another frame. */
static bool take_frame(channel_t *c) {
  dl_ssh_frame_t type;
  size_t len = 0;
  if (c->in.len < DL_SSH_HEAD) return false;
  if (!dl_ssh_read_head(c->in.data, &type, &len)) {
    end_channel(c);
    return false;
  }
  if (c->in.len < DL_SSH_HEAD + len) return false;
  c->is_busy = true;
  on_frame(c, type, c->in.data + DL_SSH_HEAD, len);
  c->is_busy = false;
  if (c->is_over) {
    free_channel(c);
    return false;
  }
  dl_buf_consume(&c->in, DL_SSH_HEAD + len);
  return true;
}

static void on_data(dl_duplex_t *d, const char *bytes, size_t len, void *user) {
  channel_t *c = user;
  (void)d;
  if (!dl_buf_append(&c->in, bytes, len)) {
    end_channel(c);
    return;
  }
  while (take_frame(c)) {}
}

static void on_end(dl_duplex_t *d, int error, void *user) {
  (void)d, (void)error;
  end_channel(user);
}

static void on_drain(dl_duplex_t *d, void *user) {
  channel_t *c = user;
  (void)d;
  if (c->program != NULL) dl_program_hold(c->program, false);
  if (c->target != NULL && c->is_connected) dl_duplex_read_resume(c->target);
}

/* --- requests --- */

static void on_upgraded(dl_duplex_t *stream, void *user) {
  static const dl_duplex_events_t events = {.on_data = on_data, .on_end = on_end, .on_drain = on_drain};
  dl_toolbox_t *tb = user;
  if (stream == NULL) return;
  channel_t *c = dl_xcalloc(1, sizeof *c);
  c->tb = tb;
  c->stream = stream;
  dl_buf_init(&c->in, 2 * (DL_SSH_HEAD + DL_SSH_CONTENT_MAX));
  dl_list_push(tb->ssh_channels, &c->link);
  dl_duplex_listen(stream, &events, c);
}

static void on_ready(dl_req_t *req, const char *bytes, size_t len, void *user) {
  (void)bytes, (void)len;
  dl_req_add_header(req, "Upgrade", DL_SSH_PROTOCOL);
  dl_reply_upgrade(req, on_upgraded, user);
}

/* For the gateway alone: what comes through the proxy is marked by it. */
static void on_open(dl_req_t *req, void *user) {
  const char *protocol = dl_req_upgrade(req);
  if (dl_req_header(req, "X-Forwarded-For") != NULL || protocol == NULL ||
      strcasecmp(protocol, DL_SSH_PROTOCOL) != 0)
    dl_tb_reply_error(req, 404, "no such call: ssh-access of the API makes a token for an SSH client");
  else
    dl_tb_read_body_gated(user, req, on_ready);
}

dl_list_t *dl_ssh_channels_new(void) {
  dl_list_t *all = dl_xmalloc(sizeof *all);
  dl_list_init(all);
  return all;
}

void dl_ssh_channels_close(dl_toolbox_t *tb) {
  while (!dl_list_empty(tb->ssh_channels)) end_channel(DL_CONTAINER(tb->ssh_channels->next, channel_t, link));
  free(tb->ssh_channels);
  tb->ssh_channels = NULL;
}

static const dl_route_t ROUTES[] = {{"GET", DL_SSH_PATH, on_open, 0}};
const dl_route_table_t DL_TB_SSH_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
