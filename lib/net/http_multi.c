/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi handle on the loop.
 *
 * libcurl is entered from a turn of ours only, through enter() and leave(); its callbacks note what it
 * wants and never call back into it. Finished transfers are read after every action. Per descriptor there
 * is one poller from the moment the socket is opened to the moment libcurl closes it, so that the socket
 * callback needs no memory; for the descriptors that libcurl opens itself (since 8.20 its wake-up) one poller
 * is kept in reserve while there are transfers. Its poll handle is stopped before the descriptor is closed, for the number
 * may come back at once as another socket, and its memory is used again only after uv_close() has reported.
 *
 * A pooled connection that libcurl stops watching stays armed for reading: the next request on it then
 * costs no system call. An event nobody wants disarms it: the peer has ended the connection. libcurl, which
 * since 8.22 looks at most once a second, is woken before the next transfer, and within a second in any case,
 * so that no descriptor stays half closed.
 */
#include "net/http_private.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/memory.h"

enum { WATCHDOG_MS = 5000, REAP_MS = 1000, SPARES_MAX = 64 };

struct daytona__http_poller {
  uv_poll_t handle;
  daytona__http_t *http;
  daytona__http_hub_t *hub;
  daytona__http_poller_t *next; /* of the bucket, or of the spares */
  daytona__list_t change;       /* http->changed */
  int fd;
  int wanted, armed;  /* UV_READABLE | UV_WRITABLE */
  bool is_connection; /* and no descriptor of libcurl's own */
};

/* --- pollers ------------------------------------------------------------------------------------ */

static daytona__http_poller_t **bucket_of(daytona__http_t *http, int fd) {
  return &http->pollers[(size_t)fd & http->poller_mask];
}

static daytona__http_poller_t *poller_find(daytona__http_t *http, int fd) {
  daytona__http_poller_t *poller = *bucket_of(http, fd);
  while (poller != NULL && poller->fd != fd) poller = poller->next;
  return poller;
}

/* Memory for a poller, from the spares first. */
static daytona__http_poller_t *poller_take(daytona__http_t *http) {
  daytona__http_poller_t *poller = http->spares;
  if (poller == NULL) return daytona__alloc(sizeof *poller);
  http->spares = poller->next;
  http->spare_count--;
  return poller;
}

/* `poller` is memory for it, taken. */
static daytona__http_poller_t *poller_new(daytona__http_hub_t *hub, daytona__http_poller_t *poller, int fd) {
  daytona__http_t *http = hub->http;
  if (poller == NULL) return NULL;
  if (uv_poll_init(daytona__loop_uv(http->loop), &poller->handle, fd) != 0) {
    poller->next = http->spares;
    http->spares = poller;
    http->spare_count++;
    return NULL;
  }
  poller->handle.data = poller;
  poller->http = http;
  poller->hub = hub;
  poller->fd = fd;
  poller->wanted = poller->armed = 0;
  poller->is_connection = false;
  daytona__list_init(&poller->change);
  uv_unref((uv_handle_t *)&poller->handle);
  daytona__http_poller_t **bucket = bucket_of(http, fd);
  poller->next = *bucket;
  *bucket = poller;
  http->poller_count++;
  return poller;
}

static void on_poller_closed(uv_handle_t *handle) {
  daytona__http_poller_t *poller = handle->data;
  daytona__http_t *http = poller->http;
  if (http->spare_count < SPARES_MAX && !http->is_closing) {
    poller->next = http->spares;
    http->spares = poller;
    http->spare_count++;
  } else {
    daytona__free(poller);
  }
  http->poller_count--;
  if (http->is_closing) daytona__http_close_step(http);
}

static void poller_close(daytona__http_poller_t *poller) {
  daytona__http_poller_t **at = bucket_of(poller->http, poller->fd);
  while (*at != poller) at = &(*at)->next;
  *at = poller->next;
  daytona__list_remove(&poller->change);
  assert(!poller->is_connection || poller->http->stats.connections != 0);
  if (poller->is_connection) poller->http->stats.connections--;
  uv_poll_stop(&poller->handle);
  uv_close((uv_handle_t *)&poller->handle, on_poller_closed);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void poller_arm(daytona__http_poller_t *poller) {
  if (poller->wanted != 0 && !poller->http->options.is_background)
    uv_ref((uv_handle_t *)&poller->handle);
  else
    uv_unref((uv_handle_t *)&poller->handle);
  /* Interest that ended is left armed for reading, which is silent until the peer speaks. */
  int events = poller->wanted != 0 ? poller->wanted : poller->armed & UV_READABLE;
  if (events == poller->armed) return;
  int error = events != 0 ? uv_poll_start(&poller->handle, events, on_poll) : uv_poll_stop(&poller->handle);
  poller->armed = error == 0 ? events : 0;
  if (error != 0) {
    poller->hub->is_broken = true;
    daytona__loop_defer(poller->http->loop, &poller->hub->kick);
  }
}

/* --- in and out of libcurl ---------------------------------------------------------------------- */

static void enter(daytona__http_t *http) {
  assert(!http->in_curl);
  http->in_curl = true;
}

static void leave(daytona__http_t *http) {
  http->in_curl = false;
  daytona__list_t *node;
  while ((node = daytona__list_shift(&http->changed)) != NULL)
    poller_arm(DAYTONA__CONTAINER(node, daytona__http_poller_t, change));
}

/* Completing calls may start and cancel others: the queue of messages is asked anew each time. */
static void drain(daytona__http_hub_t *hub) {
  while (hub->multi != NULL) {
    int left;
    enter(hub->http);
    CURLMsg *message = curl_multi_info_read(hub->multi, &left);
    leave(hub->http);
    if (message == NULL) return;
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode result = message->data.result;
    daytona__http_easy_t *easy = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &easy);
    daytona__http_completed(easy->transfer, result);
  }
}

static void on_hub_gone(daytona__task_t *task) {
  daytona__free(DAYTONA__CONTAINER(task, daytona__http_hub_t, kick));
}

/* The memory goes in a later turn: the caller on the stack may still look at it. */
static void hub_drop(daytona__http_hub_t *hub) {
  daytona__http_t *http = hub->http;
  if (hub->multi == NULL) return;
  assert(hub->easy_count == 0);
  enter(http);
  curl_multi_cleanup(hub->multi);
  leave(http);
  hub->multi = NULL;
  for (size_t i = 0; i <= http->poller_mask; i++)
    for (daytona__http_poller_t *poller = http->pollers[i], *next; poller != NULL; poller = next) {
      next = poller->next;
      if (poller->hub == hub) poller_close(poller); /* closed by libcurl without a callback */
    }
  for (int i = 0; i < 2; i++)
    if (http->current[i] == hub) http->current[i] = NULL;
  daytona__list_remove(&hub->link);
  daytona__timer_stop(&hub->timer);
  daytona__timer_stop(&hub->reaper);
  daytona__http_forget_pins(hub);
  daytona__task_cancel(&hub->kick);
  daytona__task_init(&hub->kick, on_hub_gone);
  daytona__loop_defer(http->loop, &hub->kick);
}

/*
 * After an error of curl_multi_socket_action the state of every transfer is undefined. All of them fail,
 * and the next one gets a new multi handle.
 */
static void rebuild(daytona__http_hub_t *hub) {
  daytona__http_t *http = hub->http;
  daytona__list_t failed, *node, *next;
  bool is_short = hub->broken_code == DAYTONA_ENOMEM;
  daytona__list_init(&failed);
  for (node = http->active.next; node != &http->active; node = next) {
    next = node->next;
    daytona__http_transfer_t *t = DAYTONA__CONTAINER(node, daytona__http_transfer_t, link);
    if (t->state != HTTP_RUNNING || t->easy->hub != hub) continue;
    daytona__http_multi_remove(t->easy);
    daytona__list_remove(node);
    daytona__list_append(&failed, node);
  }
  if (hub == http->current[true]) daytona__trust_forget(&http->trust);
  hub_drop(hub);
  daytona__log(http->loop, DAYTONA_LOG_ERROR, "http: libcurl failed; its connections were dropped");
  while ((node = daytona__list_shift(&failed)) != NULL)
    daytona__http_finish(
      DAYTONA__CONTAINER(node, daytona__http_transfer_t, link),
      is_short ? DAYTONA_ENOMEM : DAYTONA_ECONNECTION,
      is_short ? daytona_errcode_text(DAYTONA_ENOMEM) : "the transport failed and was restarted");
}

static void act(daytona__http_hub_t *hub, curl_socket_t fd, int events) {
  if (hub->multi == NULL) return;
  int running;
  enter(hub->http);
  CURLMcode code = curl_multi_socket_action(hub->multi, fd, events, &running);
  leave(hub->http);
  if (code != CURLM_OK || hub->is_broken)
    rebuild(hub);
  else
    drain(hub);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  daytona__http_poller_t *poller = handle->data;
  daytona__http_t *http = poller->http;
  daytona__http_hub_t *hub = poller->hub;
  if (poller->wanted == 0) { /* a pooled connection: the peer has closed it, or sends unasked */
    uv_poll_stop(handle);
    poller->armed = 0;
    hub->has_dead = true;
    hub->sweeps = 0;
    if (!daytona__timer_is_running(&hub->reaper)) daytona__timer_start(http->loop, &hub->reaper, REAP_MS);
    return;
  }
  /*
   * 0 makes libcurl look for itself. So do errors: CURL_CSELECT_ERR for one refused address is remembered
   * and fails the connection that another address gives. Reported only as OUT, old versions miss data.
   */
  int mask = 0;
  if (status < 0) {
    poller->armed = 0; /* libuv has stopped it; if libcurl still wants it afterwards, it is armed again */
    daytona__list_remove(&poller->change);
    daytona__list_append(&http->changed, &poller->change);
  } else if (events & UV_READABLE) {
    mask = CURL_CSELECT_IN | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
  }
  act(hub, poller->fd, mask);
}

/* --- what libcurl asks for ---------------------------------------------------------------------- */

/*
 * Old versions close a socket that never became a connection without a callback. Its poller must go at once,
 * while the number cannot belong to anybody else yet.
 */
static bool was_connected(CURL *curl) {
  daytona__http_easy_t *easy = NULL;
  curl_easy_getinfo(curl, CURLINFO_PRIVATE, &easy);
  return easy != NULL && easy->transfer != NULL && easy->transfer->is_connected;
}

/* Which socket a transfer uses is not to be had from libcurl otherwise, before it has ended. */
static void note_socket(CURL *curl, curl_socket_t fd, int what) {
  daytona__http_easy_t *easy = NULL;
  curl_easy_getinfo(curl, CURLINFO_PRIVATE, &easy);
  if (easy != NULL && easy->transfer != NULL && what != CURL_POLL_REMOVE) easy->transfer->fd = fd;
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *user, void *socket_user) {
  (void)socket_user;
  daytona__http_hub_t *hub = user;
  daytona__http_t *http = hub->http;
  daytona__http_poller_t *poller = poller_find(http, fd);
  note_socket(curl, fd, what);
  if (what == CURL_POLL_REMOVE) {
    if (poller != NULL && !was_connected(curl)) {
      poller_close(poller);
      return 0;
    }
    if (poller == NULL) return 0; /* closed already */
  }
  /* A descriptor of libcurl's own, or one that it had given up before it was a connection. */
  if (poller == NULL) {
    daytona__http_poller_t *reserve = http->reserve;
    if (reserve == NULL) reserve = poller_take(http);
    http->reserve = NULL;
    poller = poller_new(hub, reserve, fd);
  }
  if (poller == NULL) {
    hub->is_broken = true;
    hub->broken_code = DAYTONA_ENOMEM;
    return 0;
  }
  poller->wanted = what == CURL_POLL_REMOVE ? 0
                                            : ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                                                ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  daytona__list_remove(&poller->change);
  daytona__list_append(&http->changed, &poller->change);
  return 0;
}

static void timer_arm(daytona__http_hub_t *hub, long timeout_ms) {
  daytona__http_t *http = hub->http;
  daytona__timer_stop(&hub->timer);
  if (timeout_ms < 0) return;
  if (timeout_ms == 0) { /* never from inside a callback: the next turn */
    daytona__loop_defer(http->loop, &hub->kick);
    return;
  }
  hub->timer.is_background = http->slot_count == 0 || http->options.is_background;
  daytona__timer_start(http->loop, &hub->timer, timeout_ms);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *user) {
  (void)multi;
  daytona__http_hub_t *hub = user;
  if (!hub->http->is_closing) timer_arm(hub, timeout_ms);
  return 0;
}

/* libcurl does not repeat a timeout that it has asked for; a timer that fired early must. */
static void run_timeouts(daytona__http_hub_t *hub) {
  act(hub, CURL_SOCKET_TIMEOUT, 0);
  if (hub->multi == NULL || daytona__timer_is_running(&hub->timer) || daytona__task_is_queued(&hub->kick))
    return;
  long timeout_ms = -1;
  if (curl_multi_timeout(hub->multi, &timeout_ms) == CURLM_OK && timeout_ms >= 0) timer_arm(hub, timeout_ms);
}

static void on_hub_timer(daytona__timer_t *timer) {
  run_timeouts(DAYTONA__CONTAINER(timer, daytona__http_hub_t, timer));
}

static void on_kick(daytona__task_t *task) {
  daytona__http_hub_t *hub = DAYTONA__CONTAINER(task, daytona__http_hub_t, kick);
  if (hub->http->is_closing) return;
  act(hub, CURL_SOCKET_TIMEOUT, 0);
  if (hub->is_old && hub->easy_count == 0) hub_drop(hub);
}

/* A hub may go while others are worked with, but not its memory. */
enum { HUBS_MAX = 8 };

static size_t hubs_of(const daytona__http_t *http, daytona__http_hub_t *hubs[HUBS_MAX]) {
  size_t count = 0;
  for (daytona__list_t *node = http->hubs.next; node != &http->hubs && count < HUBS_MAX; node = node->next)
    hubs[count++] = DAYTONA__CONTAINER(node, daytona__http_hub_t, link);
  return count;
}

void daytona__http_multi_run(daytona__http_t *http) {
  daytona__http_hub_t *hubs[HUBS_MAX];
  size_t count = hubs_of(http, hubs);
  for (size_t i = 0; i < count; i++) {
    if (hubs[i]->multi == NULL || !daytona__task_is_queued(&hubs[i]->kick)) continue;
    daytona__task_cancel(&hubs[i]->kick);
    on_kick(&hubs[i]->kick);
  }
}

/* Offers every watched socket to libcurl, in case that a wake-up was lost (HTTP/2, old versions). */
static void on_watchdog(daytona__timer_t *timer) {
  daytona__http_t *http = DAYTONA__CONTAINER(timer, daytona__http_t, watchdog);
  daytona__http_hub_t *hubs[HUBS_MAX];
  int fds[256];
  size_t count = 0, hub_count = hubs_of(http, hubs);
  for (size_t i = 0; i <= http->poller_mask; i++)
    for (daytona__http_poller_t *poller = http->pollers[i]; poller != NULL; poller = poller->next)
      if (poller->wanted != 0 && count < sizeof fds / sizeof fds[0]) fds[count++] = poller->fd;
  if (http->slot_count != 0) daytona__timer_start(http->loop, timer, WATCHDOG_MS);
  daytona__http_easy_trim(http);
  for (size_t i = 0; i < count; i++) {
    daytona__http_poller_t *poller = poller_find(http, fds[i]);
    if (poller != NULL) act(poller->hub, fds[i], 0);
  }
  for (size_t i = 0; i < hub_count; i++) run_timeouts(hubs[i]);
}

/* By number: the libcurl that is loaded may be newer than the headers. 8.16 has it; older ones know no such option. */
static const CURLMoption network_changed = (CURLMoption)17;
static const long clear_connections = 1L << 1;

/*
 * A pooled connection is dead: none of the idle ones is used again. Versions before 8.16 have no call for it; they
 * look at a connection whenever they take one from the pool.
 */
static void drop_idle(daytona__http_hub_t *hub) {
  if (!hub->has_dead) return;
  enter(hub->http);
  if (curl_multi_setopt(hub->multi, network_changed, clear_connections) == CURLM_OK) hub->has_dead = false;
  leave(hub->http);
}

static curl_socket_t on_no_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  return CURL_SOCKET_BAD;
}

/*
 * Those versions look for dead connections when a transfer begins, at most once a second, which this one does and
 * nothing else: it fails for want of a socket. To drop the handle would lose the certificates that it knows.
 */
static void sweep(daytona__http_hub_t *hub) {
  int running;
  CURL *curl = curl_easy_init();
  if (curl == NULL) return;
  curl_easy_setopt(curl, CURLOPT_URL, "http://127.0.0.1:1/");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_no_socket);
  enter(hub->http);
  if (curl_multi_add_handle(hub->multi, curl) == CURLM_OK) {
    curl_multi_socket_action(hub->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    curl_multi_remove_handle(hub->multi, curl);
  }
  leave(hub->http);
  curl_easy_cleanup(curl);
}

/* What the peer has closed is closed here, too. */
static void on_reaper(daytona__timer_t *timer) {
  daytona__http_hub_t *hub = DAYTONA__CONTAINER(timer, daytona__http_hub_t, reaper);
  daytona__http_t *http = hub->http;
  drop_idle(hub);
  if (!hub->has_dead) return;
  if (http->slot_count != 0) { /* with transfers about, old versions find it when the next one begins */
    daytona__timer_start(http->loop, timer, REAP_MS);
  } else if (hub != http->current[true] || !http->has_trust) {
    hub_drop(hub);
  } else {
    sweep(hub);
    if (hub->sweeps++ == 0) daytona__timer_start(http->loop, timer, REAP_MS);
  }
}

/* The descriptor is ours from here to on_close_socket(): it is polled under no other handle. */
curl_socket_t daytona__http_on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  daytona__http_easy_t *easy = user;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  /* The number of a socket that was closed untold: libcurl may not notice that it is another one now. */
  daytona__http_poller_t *old = poller_find(easy->http, fd);
  int wanted = old != NULL ? old->wanted : 0;
  if (old != NULL) poller_close(old);
  daytona__http_poller_t *poller = poller_new(easy->hub, poller_take(easy->http), fd);
  if (poller != NULL) {
    poller->wanted = wanted;
    daytona__list_append(&easy->http->changed, &poller->change);
    poller->is_connection = true;
    easy->http->stats.connections++;
    if (easy->transfer != NULL) easy->transfer->fd = fd;
    return fd;
  }
  close(fd);
  if (easy->transfer != NULL) easy->transfer->fail_code = DAYTONA_ENOMEM;
  return CURL_SOCKET_BAD;
}

int daytona__http_on_close_socket(void *user, curl_socket_t fd) {
  daytona__http_poller_t *poller = poller_find(user, fd);
  if (poller != NULL) poller_close(poller);
  return close(fd);
}

/* --- handles ------------------------------------------------------------------------------------ */

int daytona__http_multi_init(daytona__http_t *http) {
  size_t buckets = 64;
  while (buckets < http->max_connections && buckets < 4096) buckets *= 2;
  http->pollers = daytona__calloc(buckets, sizeof *http->pollers);
  if (http->pollers == NULL) return DAYTONA_ENOMEM;
  http->poller_mask = buckets - 1;
  daytona__list_init(&http->changed);
  daytona__timer_init(&http->watchdog, on_watchdog);
  http->watchdog.is_background = true;
  return 0;
}

/* `multi` is ours from now on. NULL: out of memory, and it is gone. */
static daytona__http_hub_t *hub_new(daytona__http_t *http, CURLM *multi) {
  daytona__http_hub_t *hub = multi != NULL ? daytona__calloc(1, sizeof *hub) : NULL;
  if (hub == NULL) {
    curl_multi_cleanup(multi);
    return NULL;
  }
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, hub);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, hub);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
  /* Connections kept. How many are opened is decided by our slots: libcurl's own cap has been wrong. */
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)http->max_connections);
  hub->http = http;
  hub->multi = multi;
  daytona__task_init(&hub->kick, on_kick);
  daytona__timer_init(&hub->timer, on_hub_timer);
  daytona__timer_init(&hub->reaper, on_reaper);
  hub->reaper.is_background = true;
  daytona__list_append(&http->hubs, &hub->link);
  return hub;
}

daytona__http_hub_t *daytona__http_hub_of(daytona__http_t *http, bool with_tls) {
  daytona__http_hub_t **current = &http->current[with_tls];
  if (*current == NULL && (!with_tls || !http->has_trust)) *current = hub_new(http, curl_multi_init());
  return *current;
}

int daytona__http_hub_take(daytona__http_t *http, CURLM *multi) {
  daytona__http_hub_t *old = http->current[true], *hub = hub_new(http, multi);
  if (hub == NULL) return DAYTONA_ENOMEM;
  http->current[true] = hub;
  if (old == NULL) return 0;
  old->is_old = true;
  if (old->easy_count == 0) hub_drop(old);
  return 0;
}

int daytona__http_multi_add(daytona__http_easy_t *easy) {
  daytona__http_t *http = easy->http;
  daytona__http_hub_t *hub = easy->hub;
  assert(!easy->is_added && hub->multi != NULL);
  if (http->reserve == NULL && (http->reserve = poller_take(http)) == NULL) return DAYTONA_ENOMEM;
  drop_idle(hub);
  enter(http);
  CURLMcode code = curl_multi_add_handle(hub->multi, easy->curl);
  leave(http);
  if (code != CURLM_OK) return DAYTONA_ENOMEM;
  easy->is_added = true;
  hub->easy_count++;
  assert(hub->easy_count <= http->max_connections);
  if (!daytona__timer_is_running(&http->watchdog))
    daytona__timer_start(http->loop, &http->watchdog, WATCHDOG_MS);
  return 0;
}

void daytona__http_multi_remove(daytona__http_easy_t *easy) {
  daytona__http_hub_t *hub = easy->hub;
  if (!easy->is_added) return;
  enter(easy->http);
  /* Old versions lose what they keep of a paused HTTP/2 answer: take it, and drop it. */
  if (easy->transfer->is_curl_paused) {
    easy->transfer->is_discarding = true;
    curl_easy_pause(easy->curl, CURLPAUSE_CONT);
  }
  curl_multi_remove_handle(hub->multi, easy->curl);
  leave(easy->http);
  easy->is_added = false;
  assert(hub->easy_count != 0);
  hub->easy_count--;
  if (hub->is_old && hub->easy_count == 0) daytona__loop_defer(easy->http->loop, &hub->kick);
}

CURLcode daytona__http_multi_pause(daytona__http_easy_t *easy, int bits) {
  enter(easy->http);
  CURLcode code = curl_easy_pause(easy->curl, bits);
  leave(easy->http);
  return code;
}

void daytona__http_multi_close(daytona__http_t *http) {
  daytona__list_t *node;
  while ((node = http->hubs.next) != &http->hubs)
    hub_drop(DAYTONA__CONTAINER(node, daytona__http_hub_t, link));
  for (size_t i = 0; i <= http->poller_mask; i++)
    while (http->pollers[i] != NULL) poller_close(http->pollers[i]);
  daytona__timer_stop(&http->watchdog);
  daytona__free(http->reserve);
  http->reserve = NULL;
  while (http->spares != NULL) {
    daytona__http_poller_t *poller = http->spares;
    http->spares = poller->next;
    daytona__free(poller);
  }
}

bool daytona__http_multi_is_gone(const daytona__http_t *http) { return http->poller_count == 0; }

void daytona__http_multi_free(daytona__http_t *http) { daytona__free(http->pollers); }
