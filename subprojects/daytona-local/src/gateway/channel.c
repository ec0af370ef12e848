/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One channel: on the one side libssh, on the other a connection to the toolbox that carries frames (ssh/frames.h).
 * Nothing is kept but what is on its way: what the client's window has no room for stays in the connection, and what the
 * toolbox has not granted stays in libssh, which then lets the client send no more.
 */
#include "gateway/internal.h"
#include "ssh/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 32768u
#define BLOCKS_PER_ROUND 4 /* of output: then it is the others' turn */
#define FIELDS_MAX (DL_SSH_CONTENT_MAX - 1024)
#define ENVIRONMENT_MAX 256
/* What a client sees when its program could not even be started, as a shell has it. */
#define NOT_STARTED 127
#define LOST 255

typedef enum {
  IDLE,      /* open for the client, and nothing was asked of it */
  UPGRADING, /* the toolbox has not answered yet */
  RUNNING,
  OVER
} state_t;

struct dl_channel {
  dl_list_t link;
  dl_session_t *session;
  ssh_channel ssh;  /* NULL for a forwarded port that is not connected yet */
  ssh_message open; /* of that */
  struct ssh_channel_callbacks_struct callbacks;
  state_t state;
  int fd; /* to the toolbox, or -1 */
  dl_buf_t fields;
  size_t environment_count;
  dl_buf_t in, out;
  size_t granted;      /* input that the toolbox takes */
  size_t frame_left;   /* of a DATA or ERRORS frame whose head was read */
  bool frame_is_error; /* which of them */
  bool has_exit, has_sent_end;
};

dl_channel_t *dl_channel_of(dl_list_t *link) { return DL_CONTAINER(link, dl_channel_t, link); }

/* --- life --- */

static void on_signal_request(ssh_session ssh, ssh_channel channel, const char *name, void *user) {
  dl_channel_t *c = user;
  (void)ssh, (void)channel;
  if (c->fd >= 0) dl_ssh_append_frame(&c->out, DL_SSH_SIGNAL, name, strlen(name));
}

static dl_channel_t *add(dl_session_t *s) {
  dl_channel_t *c = dl_xcalloc(1, sizeof *c);
  c->session = s;
  c->fd = -1;
  dl_buf_init(&c->fields, FIELDS_MAX);
  dl_buf_init(&c->in, DL_SSH_CONTENT_MAX + DL_SSH_HEAD);
  dl_buf_init(&c->out, DL_SSH_CONTENT_MAX + DL_SSH_INPUT_MAX + 65536);
  dl_list_push(&s->channels, &c->link);
  s->channel_count++;
  return c;
}

/* Requests that libssh takes care of by callbacks only. */
static void watch_signals(dl_channel_t *c) {
  c->callbacks.channel_signal_function = on_signal_request;
  c->callbacks.userdata = c;
  ssh_callbacks_init(&c->callbacks);
  ssh_set_channel_callbacks(c->ssh, &c->callbacks);
}

void dl_channel_free(dl_channel_t *c) {
  dl_list_unlink(&c->link);
  c->session->channel_count--;
  if (c->fd >= 0) close(c->fd);
  if (c->open != NULL) ssh_message_free(c->open);
  if (c->ssh != NULL) {
    ssh_remove_channel_callbacks(c->ssh, &c->callbacks);
    ssh_channel_free(c->ssh);
  }
  dl_buf_clear(&c->fields);
  dl_buf_clear(&c->in);
  dl_buf_clear(&c->out);
  free(c);
}

dl_channel_t *dl_channel_new(dl_session_t *s, ssh_message open) {
  ssh_channel ssh = ssh_message_channel_request_open_reply_accept(open);
  if (ssh == NULL) return NULL;
  dl_channel_t *c = add(s);
  c->ssh = ssh;
  watch_signals(c);
  return c;
}

void dl_channel_tell(dl_channel_t *c, const char *text) {
  if (c->ssh != NULL && c->state != IDLE && ssh_channel_is_open(c->ssh))
    ssh_channel_write_stderr(c->ssh, text, (uint32_t)strlen(text));
}

/* The end of a channel that has one for the client: what is left of its program goes first. */
static void finish(dl_channel_t *c) {
  if (c->ssh != NULL) {
    if (!c->has_exit && !c->open && c->state != IDLE) ssh_channel_request_send_exit_status(c->ssh, LOST);
    ssh_channel_send_eof(c->ssh);
    ssh_channel_close(c->ssh);
  }
  c->state = OVER;
}

/* --- the start --- */

static const char upgrade[] =
  "GET " DL_SSH_PATH " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: " DL_SSH_PROTOCOL
  "\r\n\r\n";

static void fail(dl_channel_t *c, const char *why) {
  if (c->open != NULL) {
    ssh_message_reply_default(c->open);
    c->state = OVER;
    return;
  }
  char *line = dl_xprintf("daytona-local: %s\r\n", why);
  ssh_channel_write_stderr(c->ssh, line, (uint32_t)strlen(line));
  free(line);
  ssh_channel_request_send_exit_status(c->ssh, NOT_STARTED);
  c->has_exit = true;
  finish(c);
}

/* The fields are sent when the toolbox has answered. */
static void start(dl_channel_t *c, const char *kind) {
  char *failure = NULL;
  c->state = UPGRADING;
  dl_ssh_append_field(&c->fields, "kind", kind);
  dl_ssh_append_field(&c->fields, "from", c->session->from);
  c->fd = dl_session_connect(c->session, &failure);
  if (c->fd < 0)
    fail(c, failure);
  else
    dl_buf_puts(&c->out, upgrade);
  free(failure);
}

void dl_channel_forward(dl_session_t *s, ssh_message open) {
  const char *host = ssh_message_channel_request_open_destination(open);
  char port[16];
  dl_channel_t *c = add(s);
  c->open = open;
  snprintf(port, sizeof port, "%d", ssh_message_channel_request_open_destination_port(open));
  if (host == NULL || !dl_ssh_append_field(&c->fields, "host", host) ||
      !dl_ssh_append_field(&c->fields, "port", port))
    fail(c, "");
  else
    start(c, "forward");
}

/* --- requests --- */

static void put_number(dl_channel_t *c, const char *name, int number) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  dl_ssh_append_field(&c->fields, name, text);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static bool on_terminal(dl_channel_t *c, ssh_message request) {
  const char *term = ssh_message_channel_request_pty_term(request);
  if (c->state != IDLE || !dl_ssh_append_field(&c->fields, "term", term != NULL ? term : "")) return false;
  put_number(c, "columns", ssh_message_channel_request_pty_width(request));
  put_number(c, "rows", ssh_message_channel_request_pty_height(request));
  return true;
}

static bool on_window(dl_channel_t *c, ssh_message request) {
  char text[32];
  snprintf(text, sizeof text, "%d %d", ssh_message_channel_request_pty_width(request),
           ssh_message_channel_request_pty_height(request));
  return c->fd >= 0 && dl_ssh_append_frame(&c->out, DL_SSH_WINDOW, text, strlen(text));
}
#pragma GCC diagnostic pop

static bool on_environment(dl_channel_t *c, ssh_message request) {
  const char *name = ssh_message_channel_request_env_name(request),
             *value = ssh_message_channel_request_env_value(request);
  if (c->state != IDLE || name == NULL || value == NULL || strchr(name, '=') != NULL ||
      c->environment_count >= ENVIRONMENT_MAX)
    return false;
  char *field = dl_xprintf("env.%s", name);
  bool ok = dl_ssh_append_field(&c->fields, field, value);
  free(field);
  c->environment_count += ok;
  return ok;
}

static bool on_shell(dl_channel_t *c, ssh_message request) {
  (void)request;
  return c->state == IDLE;
}

static bool on_command(dl_channel_t *c, ssh_message request) {
  const char *command = ssh_message_channel_request_command(request);
  return c->state == IDLE && command != NULL && dl_ssh_append_field(&c->fields, "command", command);
}

static bool on_subsystem(dl_channel_t *c, ssh_message request) {
  const char *name = ssh_message_channel_request_subsystem(request);
  return c->state == IDLE && name != NULL && strcmp(name, "sftp") == 0;
}

static const struct {
  int type;
  bool (*take)(dl_channel_t *c, ssh_message request);
  const char *starts;
} REQUESTS[] = {
  {SSH_CHANNEL_REQUEST_PTY, on_terminal, NULL},    {SSH_CHANNEL_REQUEST_WINDOW_CHANGE, on_window, NULL},
  {SSH_CHANNEL_REQUEST_ENV, on_environment, NULL}, {SSH_CHANNEL_REQUEST_SHELL, on_shell, "shell"},
  {SSH_CHANNEL_REQUEST_EXEC, on_command, "exec"},  {SSH_CHANNEL_REQUEST_SUBSYSTEM, on_subsystem, "sftp"}};

void dl_channel_request(dl_session_t *s, ssh_message request) {
  ssh_channel ssh = ssh_message_channel_request_channel(request);
  int type = ssh_message_subtype(request);
  DL_LIST_EACH(&s->channels, node) {
    dl_channel_t *c = dl_channel_of(node);
    if (c->ssh == NULL || c->ssh != ssh) continue;
    for (size_t i = 0; i < DL_COUNT(REQUESTS); i++) {
      if (REQUESTS[i].type != type || !REQUESTS[i].take(c, request)) continue;
      ssh_message_channel_request_reply_success(request);
      if (REQUESTS[i].starts != NULL) start(c, REQUESTS[i].starts);
      return;
    }
    break;
  }
  ssh_message_reply_default(request);
}

/* --- from the toolbox --- */

static void on_exit_frame(dl_channel_t *c, const char *text) {
  int code = 0;
  c->has_exit = true;
  if (dl_starts_with(text, "signal "))
    ssh_channel_request_send_exit_signal(c->ssh, text + strlen("signal "), 0, "", "");
  else if (sscanf(text, "code %d", &code) == 1)
    ssh_channel_request_send_exit_status(c->ssh, code);
}

static void on_started(dl_channel_t *c) {
  if (c->open == NULL) return;
  c->ssh = ssh_message_channel_request_open_reply_accept(c->open);
  ssh_message_free(c->open);
  c->open = NULL;
  c->has_exit = true; /* there is no program */
  if (c->ssh != NULL)
    watch_signals(c);
  else
    c->state = OVER;
}

static void on_frame(dl_channel_t *c, dl_ssh_frame_t type, const char *text) {
  int64_t count = 0;
  if (type == DL_SSH_STARTED) on_started(c);
  if (type == DL_SSH_FAILED) fail(c, text);
  if (type == DL_SSH_GRANT && dl_parse_int(text, 0, (int64_t)(DL_SSH_INPUT_MAX - c->granted), &count))
    c->granted += (size_t)count;
  if (type == DL_SSH_END && c->ssh != NULL) ssh_channel_send_eof(c->ssh);
  if (type == DL_SSH_EXIT && c->ssh != NULL) on_exit_frame(c, text);
}

/* True if the answer is there and right; without one *is_waiting. */
static bool take_answer(dl_channel_t *c, bool *is_waiting) {
  static const char good[] = "HTTP/1.1 101 ";
  const char *end = c->in.len > 0 ? strstr(c->in.data, "\r\n\r\n") : NULL;
  *is_waiting = end == NULL && c->in.len < 4096;
  if (end == NULL || strncmp(c->in.data, good, strlen(good)) != 0) return false;
  dl_buf_consume(&c->in, (size_t)(end - c->in.data) + 4);
  return true;
}

/* As much of a DATA or ERRORS frame as the client's window has room for. */
static bool pass_output(dl_channel_t *c) {
  size_t len = c->in.len < c->frame_left ? c->in.len : c->frame_left,
         window = ssh_channel_window_size(c->ssh);
  if (len > window) len = window;
  if (len > BLOCK) len = BLOCK;
  if (len == 0) return false;
  int sent = c->frame_is_error ? ssh_channel_write_stderr(c->ssh, c->in.data, (uint32_t)len)
                               : ssh_channel_write(c->ssh, c->in.data, (uint32_t)len);
  if (sent <= 0) return false;
  dl_buf_consume(&c->in, (size_t)sent);
  c->frame_left -= (size_t)sent;
  return true;
}

/* True if something was taken. */
static bool take_frame(dl_channel_t *c) {
  dl_ssh_frame_t type;
  size_t len = 0;
  if (c->frame_left > 0) return pass_output(c);
  if (c->in.len < DL_SSH_HEAD) return false;
  if (!dl_ssh_read_head(c->in.data, &type, &len)) {
    fail(c, "the sandbox sends what nobody understands");
    return false;
  }
  if (type == DL_SSH_DATA || type == DL_SSH_ERRORS) {
    if (c->ssh == NULL) return false;
    dl_buf_consume(&c->in, DL_SSH_HEAD);
    c->frame_left = len;
    c->frame_is_error = type == DL_SSH_ERRORS;
    return true;
  }
  if (c->in.len < DL_SSH_HEAD + len) return false;
  char *text = dl_xstrndup(c->in.data + DL_SSH_HEAD, len);
  dl_buf_consume(&c->in, DL_SSH_HEAD + len);
  on_frame(c, type, text);
  free(text);
  return true;
}

static bool take_input(dl_channel_t *c) {
  bool is_waiting = false, has_moved = false;
  if (c->state == UPGRADING) {
    if (!take_answer(c, &is_waiting)) {
      if (!is_waiting) fail(c, "the sandbox does not take SSH sessions");
      return false;
    }
    c->state = RUNNING;
    dl_ssh_append_frame(&c->out, DL_SSH_START, c->fields.data, c->fields.len);
    dl_buf_clear(&c->fields);
    has_moved = true;
  }
  while (c->state == RUNNING && take_frame(c)) has_moved = true;
  return has_moved;
}

/* The end of the connection is the end of the channel, when all that came before it was passed on. */
static bool read_toolbox(dl_channel_t *c) {
  bool has_moved = take_input(c);
  for (int i = 0; i < BLOCKS_PER_ROUND && c->fd >= 0 && c->state != OVER && c->in.len < BLOCK; i++) {
    char *at = dl_buf_reserve(&c->in, BLOCK);
    ssize_t got = at != NULL ? recv(c->fd, at, BLOCK, MSG_DONTWAIT) : -1;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    has_moved = true;
    if (got > 0) {
      dl_buf_grew(&c->in, (size_t)got);
      take_input(c);
      continue;
    }
    close(c->fd);
    c->fd = -1;
  }
  if (c->fd < 0 && c->state != OVER && c->state != IDLE && !take_input(c) &&
      (c->in.len == 0 || c->frame_left == 0)) {
    if (c->open != NULL)
      fail(c, "");
    else
      finish(c);
    has_moved = true;
  }
  return has_moved;
}

/* --- to the toolbox --- */

static bool read_client(dl_channel_t *c) {
  static char block[BLOCK];
  bool has_moved = false;
  while (c->state == RUNNING && c->ssh != NULL && c->granted > 0 && !c->has_sent_end) {
    size_t max = c->granted < sizeof block ? c->granted : sizeof block;
    int got = ssh_channel_read_nonblocking(c->ssh, block, (uint32_t)max, 0);
    if (got > 0) {
      c->granted -= (size_t)got;
      dl_ssh_append_frame(&c->out, DL_SSH_DATA, block, (size_t)got);
      has_moved = true;
      continue;
    }
    if (got != SSH_EOF && !ssh_channel_is_eof(c->ssh)) break;
    dl_ssh_append_frame(&c->out, DL_SSH_END, NULL, 0);
    c->has_sent_end = has_moved = true;
  }
  return has_moved;
}

static bool write_toolbox(dl_channel_t *c) {
  bool has_moved = false;
  while (c->fd >= 0 && c->out.len > 0) {
    ssize_t sent = send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break; /* its end shows when it is read */
    dl_buf_consume(&c->out, (size_t)sent);
    has_moved = true;
  }
  return has_moved;
}

bool dl_channel_pump(dl_channel_t *c) {
  if (c->ssh != NULL && ssh_channel_is_closed(c->ssh)) c->state = OVER;
  bool has_moved = c->state != OVER && read_toolbox(c);
  has_moved = (c->state != OVER && read_client(c)) || has_moved;
  has_moved = (c->state != OVER && write_toolbox(c)) || has_moved;
  if (c->state != OVER) return has_moved;
  dl_channel_free(c);
  return true;
}

struct pollfd dl_channel_poll(const dl_channel_t *c) {
  struct pollfd p = {.fd = c->fd};
  if (c->in.len < BLOCK) p.events |= POLLIN;
  if (c->out.len > 0) p.events |= POLLOUT;
  if (p.events == 0) p.fd = -1; /* an end that is not read yet would wake us for ever */
  return p;
}
