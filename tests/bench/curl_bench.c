/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same requests from a bare libcurl on libuv: curl_bench BASE REQUEST CONCURRENCY WARMUP CALLS
 *
 * REQUEST is a file with a request as the server saw it, head and body: the same target, headers and body are
 * sent. This is what a program pays that does nothing but HTTP: one easy handle per call in flight, every
 * option set once, multi_socket_action() from one uv_poll_t per connection and one uv_timer_t, a poll handle
 * kept as long as its socket, the body collected into a buffer that grows, status and size checked. There is
 * no JSON, no queue, no deadline and no retry in it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>
#include <uv.h>

#include "measure.h"

enum { REQUEST_MAX = 16 * 1024, DESCRIPTORS_MAX = 65536 };

typedef struct call {
  CURL *easy;
  char *body;
  size_t size, room;
} call_t;

typedef struct watcher {
  uv_poll_t poll;
  curl_socket_t fd;
} watcher_t;

static measure_t measure;
static uv_loop_t *loop;
static uv_timer_t timer;
static CURLM *multi;
static watcher_t *watchers[DESCRIPTORS_MAX];
static call_t *calls;

static char request[REQUEST_MAX], url[512];
static const char *request_body;
static struct curl_slist *headers;
static bool has_encoding;

/* --- the request -------------------------------------------------------------------------------- */

static bool is_header(const char *line, const char *name) {
  return strncasecmp(line, name, strlen(name)) == 0;
}

/* What libcurl writes by itself is left to it. */
static void add_header(const char *line) {
  if (is_header(line, "Host:") || is_header(line, "Content-Length:")) return;
  if (is_header(line, "Accept-Encoding:"))
    has_encoding = true;
  else
    headers = curl_slist_append(headers, line);
}

static bool read_request(const char *base, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return false;
  request[fread(request, 1, sizeof request - 1, file)] = '\0';
  fclose(file);
  char *end = strstr(request, "\r\n\r\n"), target[256];
  if (end == NULL || sscanf(request, "POST %255s", target) != 1) return false;
  *end = '\0';
  request_body = end + 4;
  snprintf(url, sizeof url, "%s%s", base, target);
  char *rest, *line = strtok_r(request, "\r\n", &rest);
  while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL) add_header(line);
  headers = curl_slist_append(headers, "Expect:");
  return true;
}

/* --- calls -------------------------------------------------------------------------------------- */

static void give_up(const char *why) {
  fprintf(stderr, "curl_bench: %s\n", why);
  exit(1);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
  call_t *call = user;
  size_t got = size * count;
  if (call->size + got > call->room) {
    size_t room = (call->size + got) * 2;
    char *body = realloc(call->body, room);
    if (body == NULL) return 0;
    call->body = body;
    call->room = room;
  }
  memcpy(call->body + call->size, bytes, got);
  call->size += got;
  return got;
}

static int on_close_socket(void *user, curl_socket_t fd);

static void call_init(call_t *call) {
  CURL *easy = call->easy = curl_easy_init();
  if (easy == NULL) give_up("out of memory");
  curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request_body));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_body);
  if (has_encoding) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
}

static void call_start(call_t *call) {
  call->size = 0;
  if (curl_multi_add_handle(multi, call->easy) != CURLM_OK) give_up("cannot add a handle");
}

static void finish_all(void) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode result = message->data.result;
    call_t *call;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(multi, easy);
    if (result != CURLE_OK) give_up(curl_easy_strerror(result));
    if (status != 200 || call->size == 0) give_up("not the expected answer");
    if (measure_finished(&measure)) call_start(call);
  }
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void act(curl_socket_t fd, int events) {
  int running;
  if (curl_multi_socket_action(multi, fd, events, &running) != CURLM_OK)
    give_up("multi_socket_action failed");
  finish_all();
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  watcher_t *watcher = poll->data;
  int mask = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) mask |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) mask |= CURL_CSELECT_OUT;
  act(watcher->fd, mask);
}

static void on_timer(uv_timer_t *handle) { act(CURL_SOCKET_TIMEOUT, 0); }

static int on_timeout(CURLM *handle, long timeout_ms, void *user) {
  if (timeout_ms < 0)
    uv_timer_stop(&timer);
  else
    uv_timer_start(&timer, on_timer, (uint64_t)timeout_ms, 0);
  return 0;
}

static watcher_t *watcher_new(curl_socket_t fd) {
  watcher_t *watcher = malloc(sizeof *watcher);
  if (fd >= DESCRIPTORS_MAX || watcher == NULL || uv_poll_init(loop, &watcher->poll, fd) != 0)
    give_up("cannot watch a socket");
  watcher->poll.data = watcher;
  watcher->fd = fd;
  return watchers[fd] = watcher;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) {
  watcher_t *watcher = socket_user != NULL ? socket_user : watchers[fd];
  if (what == CURL_POLL_REMOVE) {
    if (watcher != NULL) uv_poll_stop(&watcher->poll);
    return 0;
  }
  if (watcher == NULL) watcher = watcher_new(fd);
  if (socket_user == NULL) curl_multi_assign(multi, fd, watcher);
  uv_poll_start(
    &watcher->poll,
    ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) | ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0),
    on_poll);
  return 0;
}

static void on_watcher_closed(uv_handle_t *handle) { free(handle->data); }

static int on_close_socket(void *user, curl_socket_t fd) {
  watcher_t *watcher = watchers[fd];
  watchers[fd] = NULL;
  if (watcher != NULL) {
    uv_poll_stop(&watcher->poll);
    uv_close((uv_handle_t *)&watcher->poll, on_watcher_closed);
  }
  return close(fd);
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: curl_bench BASE REQUEST CONCURRENCY WARMUP CALLS\n");
    return 2;
  }
  measure_init(&measure, arguments + 3);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (!read_request(arguments[1], arguments[2])) give_up("cannot read the request");
  loop = uv_default_loop();
  uv_timer_init(loop, &timer);
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)measure.concurrency);
  calls = calloc(measure.concurrency, sizeof *calls);
  if (calls == NULL) give_up("out of memory");
  for (uint64_t i = 0; i < measure.concurrency; i++) {
    call_init(&calls[i]);
    call_start(&calls[i]);
  }
  while (measure.finished < measure.warmup + measure.calls && uv_run(loop, UV_RUN_ONCE) != 0) continue;
  uv_run(loop, UV_RUN_DEFAULT);
  measure_print(&measure);
  for (uint64_t i = 0; i < measure.concurrency; i++) {
    curl_multi_remove_handle(multi, calls[i].easy);
    curl_easy_cleanup(calls[i].easy);
    free(calls[i].body);
  }
  free(calls);
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  curl_global_cleanup();
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop);
}
