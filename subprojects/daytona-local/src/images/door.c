/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and the connections that they come by. Invariants: a command lives until its last line was emitted, always on a
 * later turn than it began; a connection lives until its handle is closed and its command has ended.
 */
#include "images/door.h"

#include "base/buf.h"
#include "base/list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_LEN (64 * 1024)
/* What a client may leave unread before it is let go. */
#define UNREAD_MAX ((size_t)16 << 20)

/* --- commands --- */

struct dl_image_command {
  dl_images_t *images;
  dl_image_job_t *job;
  uv_idle_t later; /* of those that run no job */
  bool is_cancelled;
  char *error;
  void (*emit)(const json_t *line, bool is_last, void *user);
  void *user;
};

static json_t *texts(const char *const *list) {
  json_t *array = json_array();
  for (; *list; list++) json_array_append_new(array, json_string(*list));
  return array;
}

static json_t *shown(const dl_image_info_t *i) {
  return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s, s:b}", "id", i->id, "digest", i->digest, "names",
                   texts(i->names), "sizeBytes", (json_int_t)i->size_bytes, "createdAt",
                   dl_iso_format(i->created_ms).text, "architecture", i->architecture, "imported",
                   i->is_imported);
}

static void emit(dl_image_command_t *c, json_t *line, bool is_last) {
  if (is_last || !c->is_cancelled) c->emit(line, is_last, c->user);
  json_decref(line);
}

static void end(dl_image_command_t *c, const char *error) {
  emit(c,
       json_pack("{s:o, s:I}", "error", dl_json_str_or_null(error), "diskBytes",
                 (json_int_t)dl_images_disk_bytes(c->images)),
       true);
  free(c->error);
  free(c);
}

static void on_log(const char *bytes, size_t len, void *user) {
  /* What is no text is of a program that the client ran. */
  if (dl_utf8_valid(bytes, len)) emit(user, json_pack("{s:s%}", "log", bytes, len), false);
}

static void on_done(const dl_image_result_t *result, void *user) {
  dl_image_command_t *c = user;
  c->job = NULL;
  if (result->image) emit(c, json_pack("{s:o}", "image", shown(dl_image_info(result->image))), false);
  end(c, result->error);
}

static void on_listed(const dl_image_info_t *info, void *user) {
  /* Without a name it is the cache of a build. */
  if (info->names[0]) emit(user, json_pack("{s:o}", "image", shown(info)), false);
}

static void on_later_closed(uv_handle_t *handle) {
  dl_image_command_t *c = handle->data;
  end(c, c->error);
}

static void on_later(uv_idle_t *idle) {
  dl_image_command_t *c = idle->data;
  if (!c->error) dl_images_list(c->images, on_listed, c);
  uv_close((uv_handle_t *)idle, on_later_closed);
}

static void answer_later(dl_image_command_t *c, uv_loop_t *loop, char *error) {
  c->error = error;
  uv_idle_init(loop, &c->later);
  c->later.data = c;
  uv_idle_start(&c->later, on_later);
}

dl_image_command_t *dl_image_command_begin(uv_loop_t *loop, dl_images_t *images, const json_t *command,
                                           void (*emit_cb)(const json_t *line, bool is_last, void *user),
                                           void *user) {
  dl_image_command_t *c = dl_xcalloc(1, sizeof *c);
  const char *verb = dl_json_str(command, "command"), *name = dl_json_str(command, "name"),
             *path = dl_json_str(command, "path");
  const dl_image_callbacks_t cb = {on_log, on_done, c};
  c->images = images;
  c->emit = emit_cb;
  c->user = user;
  if (verb && strcmp(verb, "list") == 0)
    answer_later(c, loop, NULL);
  else if (verb && strcmp(verb, "prune") == 0)
    c->job = dl_images_prune(images, &cb);
  else if (verb && name && strcmp(verb, "remove") == 0)
    c->job = dl_images_remove(images, name, &cb);
  else if (verb && name && path && strcmp(verb, "import") == 0)
    c->job = dl_images_import(images, name, path, &cb);
  else
    answer_later(c, loop, dl_xstrdup("the command is not understood"));
  return c;
}

void dl_image_command_cancel(dl_image_command_t *c) {
  c->is_cancelled = true;
  if (c->job) dl_image_job_cancel(c->job);
}

/* --- the door --- */

struct dl_image_door {
  uv_loop_t *loop;
  dl_images_t *images;
  uv_pipe_t listener;
  char *path;
  int folder; /* its name for libuv goes through it */
  dl_list_t visitors;
  bool is_closing, is_closed;
  void (*on_closed)(void *user);
  void *closed_user;
};

typedef struct {
  dl_list_t link;
  dl_image_door_t *door;
  uv_pipe_t pipe;
  dl_buf_t text;
  dl_image_command_t *command;
  bool is_closed;
} visitor_t;

typedef struct {
  uv_write_t write;
  char *text;
} answer_t;

char *dl_image_door_address(int folder_fd) { return dl_xprintf("/proc/self/fd/%d/door", folder_fd); }

static void report_closed(dl_image_door_t *door) {
  if (!door->is_closing || !door->is_closed || !dl_list_empty(&door->visitors)) return;
  void (*on_closed)(void *) = door->on_closed;
  void *user = door->closed_user;
  free(door->path);
  free(door);
  if (on_closed) on_closed(user);
}

static void free_when_done(visitor_t *v) {
  dl_image_door_t *door = v->door;
  if (!v->is_closed || v->command) return;
  dl_list_unlink(&v->link);
  dl_buf_clear(&v->text);
  free(v);
  report_closed(door);
}

static void on_visitor_closed(uv_handle_t *handle) {
  visitor_t *v = handle->data;
  v->is_closed = true;
  free_when_done(v);
}

static void leave(visitor_t *v) {
  if (v->command) dl_image_command_cancel(v->command);
  if (!uv_is_closing((uv_handle_t *)&v->pipe)) uv_close((uv_handle_t *)&v->pipe, on_visitor_closed);
}

static void on_written(uv_write_t *write, int status) {
  answer_t *a = DL_CONTAINER(write, answer_t, write);
  visitor_t *v = write->handle->data;
  (void)status;
  free(a->text);
  free(a);
  if (!v->command && v->pipe.write_queue_size == 0) leave(v);
}

static void on_line(const json_t *line, bool is_last, void *user) {
  visitor_t *v = user;
  if (is_last) v->command = NULL;
  if (uv_is_closing((uv_handle_t *)&v->pipe)) {
    free_when_done(v);
    return;
  }
  answer_t *a = dl_xcalloc(1, sizeof *a);
  char *text = dl_json_text(line);
  a->text = dl_xprintf("%s\n", text);
  free(text);
  uv_buf_t buf = uv_buf_init(a->text, (unsigned)strlen(a->text));
  int rc = uv_write(&a->write, (uv_stream_t *)&v->pipe, &buf, 1, on_written);
  if (rc != 0) {
    free(a->text);
    free(a);
  }
  if (rc != 0 || v->pipe.write_queue_size > UNREAD_MAX) leave(v);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  visitor_t *v = handle->data;
  (void)suggested;
  char *at = dl_buf_reserve(&v->text, 4096);
  *buf = uv_buf_init(at, at ? 4096 : 0);
}

static void obey(visitor_t *v, size_t len) {
  char *problem = NULL;
  json_t *command = dl_json_parse(v->text.data, len, &problem);
  free(problem);
  v->command = dl_image_command_begin(v->door->loop, v->door->images, command, on_line, v);
  json_decref(command);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  visitor_t *v = stream->data;
  (void)buf;
  if (got < 0) {
    leave(v);
    return;
  }
  dl_buf_grew(&v->text, (size_t)got);
  char *end_of_line = got > 0 ? memchr(v->text.data, '\n', v->text.len) : NULL;
  if (end_of_line && !v->command) obey(v, (size_t)(end_of_line - v->text.data));
}

static bool is_allowed(uv_pipe_t *pipe) {
  struct ucred peer;
  socklen_t len = sizeof peer;
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)pipe, &fd) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
    return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

static void on_visitor(uv_stream_t *listener, int status) {
  dl_image_door_t *door = listener->data;
  if (status != 0) return;
  visitor_t *v = dl_xcalloc(1, sizeof *v);
  v->door = door;
  dl_buf_init(&v->text, LINE_MAX_LEN);
  dl_list_push(&door->visitors, &v->link);
  uv_pipe_init(door->loop, &v->pipe, 0);
  v->pipe.data = v;
  if (uv_accept(listener, (uv_stream_t *)&v->pipe) != 0 || !is_allowed(&v->pipe) ||
      uv_read_start((uv_stream_t *)&v->pipe, on_alloc, on_read) != 0)
    leave(v);
}

dl_image_door_t *dl_image_door_open(uv_loop_t *loop, dl_images_t *images, const char *state_dir,
                                    char **error) {
  dl_image_door_t *door = dl_xcalloc(1, sizeof *door);
  char *folder = dl_xprintf("%s/images", state_dir);
  door->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  char *address = dl_image_door_address(door->folder);
  door->loop = loop;
  door->images = images;
  door->path = dl_xprintf("%s/door", folder);
  dl_list_init(&door->visitors);
  uv_pipe_init(loop, &door->listener, 0);
  door->listener.data = door;
  unlink(door->path); /* of a server that was killed: the state directory is locked */
  int rc = door->folder < 0 ? -errno : uv_pipe_bind(&door->listener, address);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&door->listener, 16, on_visitor);
  free(address);
  free(folder);
  if (rc == 0) {
    uv_unref((uv_handle_t *)&door->listener);
    return door;
  }
  *error = dl_xprintf("cannot listen on %s: %s", door->path, uv_strerror(rc));
  dl_image_door_close(door, NULL, NULL);
  return NULL;
}

static void on_listener_closed(uv_handle_t *handle) {
  dl_image_door_t *door = handle->data;
  door->is_closed = true;
  if (door->folder >= 0) close(door->folder);
  report_closed(door);
}

void dl_image_door_close(dl_image_door_t *door, void (*on_closed)(void *user), void *user) {
  assert(!door->is_closing);
  door->is_closing = true;
  door->on_closed = on_closed;
  door->closed_user = user;
  unlink(door->path);
  uv_close((uv_handle_t *)&door->listener, on_listener_closed);
  DL_LIST_EACH_SAFE(&door->visitors, node, after) leave(DL_CONTAINER(node, visitor_t, link));
}
