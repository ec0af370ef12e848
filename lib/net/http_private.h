/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTP transport share; nobody else includes it.
 *
 *   http.c         calls: the queue, time limits, repeating, cancelling, the end
 *   http_multi.c   libcurl's multi handle on the loop: sockets, timers, finished transfers
 *   http_headers.c header lines of requests
 *   http_trust.c   certificates, parsed off the loop
 *   http_easy.c    one request for libcurl: options, headers, pinned names, callbacks
 *   http_answer.c  what came back: bodies, headers, outcomes, Retry-After
 *   http_body.c  streamed responses: the buffer between libcurl and the sink, pausing
 *
 * A call's transfer is in one of these states, which change in set_state() of http.c alone; `link` is on http->waiting while QUEUED, else on
 * http->active. A slot is held while RESOLVING and RUNNING. `easy` is set exactly in those two.
 */
#ifndef DAYTONA_NET_HTTP_PRIVATE_H
#define DAYTONA_NET_HTTP_PRIVATE_H

#include <assert.h>
#include <curl/curl.h>

#include "core/limits.h"
#include "core/list.h"
#include "net/http.h"
#include "net/proxy.h"
#include "net/redirect.h"
#include "net/trust.h"
#include "net/tunnel.h"

typedef enum daytona__http_state {
  HTTP_QUEUED,
  HTTP_RESOLVING, /* a name is looked up */
  HTTP_RUNNING,   /* libcurl has it */
  HTTP_DELAYED,   /* waits to be repeated */
  HTTP_DRAINING   /* libcurl is done; the sink has not taken everything */
} daytona__http_state_t;

/* How a body travels; see http_easy.c. */
typedef enum daytona__http_kind {
  HTTP_KIND_NONE,
  HTTP_KIND_GET,
  HTTP_KIND_BODY,
  HTTP_KIND_RARE
} daytona__http_kind_t;

/* A libcurl handle, kept for the next request; remembers which options it has. */
typedef struct daytona__http_easy {
  daytona__list_t link; /* http->easies while idle */
  CURL *curl;
  daytona__http_t *http;
  daytona__http_transfer_t *transfer; /* NULL while idle */
  struct daytona__http_hub *hub;      /* where it is, or is about to be */
  bool is_added;                      /* to the multi */
  bool has_pin;                       /* this request carries CURLOPT_RESOLVE */
  bool is_clean;                      /* its last transfer has come to a good end */
  daytona__http_kind_t kind;
  char method[16]; /* CURLOPT_CUSTOMREQUEST; "" for none */
  const daytona__proxy_t *proxy;
  long connect_ms;
  bool has_progress, has_encoding, no_http2, waits;
  daytona__proxy_offers_t offers; /* of the newest answer to a CONNECT */
  long receive;                   /* size of libcurl's buffer */
  daytona__target_t target;
  struct curl_slist pin;
  char pin_text[DAYTONA__HOST_ROOM + 16 + DAYTONA__ADDRESSES_MAX * 50];
  char error[CURL_ERROR_SIZE];
} daytona__http_easy_t;

/* Of the attempt that runs, for daytona__http_set_trace(). */
typedef struct daytona__http_trace {
  uint64_t began_ns; /* 0: none runs, or nobody asks */
  curl_off_t sent, received;
  bool is_reused;
} daytona__http_trace_t;

struct daytona__http_transfer {
  daytona__list_t link;
  daytona__http_t *http;
  daytona__http_call_t *call; /* NULL once the call has ended */
  daytona__http_easy_t *easy;
  daytona__http_state_t state;
  unsigned pins; /* frames of ours that still look at it */

  daytona__timer_t phase; /* the connect limit, then the idle limit; or the wait before repeating */
  daytona__timer_t total;
  int64_t last_byte_ms;
  daytona__lookup_t lookup;
  daytona__trust_waiter_t waiter; /* before the lookup, while certificates are read */

  bool was_admitted, is_connected, is_source_asked, is_sink_touched;
  bool is_proxys;              /* the response is a proxy's refusal: the server has got nothing */
  bool is_head_whole;          /* the empty line after the headers has come */
  bool is_cut;                 /* the error body is long enough: stopped on purpose */
  bool is_repeat_refused;      /* libcurl wanted to send again what may have been executed */
  bool is_send_paused;         /* the source has nothing yet */
  daytona_errcode_t fail_code; /* why a callback made libcurl stop */
  long sent_base;              /* request bytes before the request proper (CONNECT) */
  int64_t source_sent, progress;
  curl_socket_t fd; /* that libcurl waits for; CURL_SOCKET_BAD: it has not said yet */
  char *last_words; /* what was there to be read when sending failed, without TLS */
  size_t last_words_size;
  size_t header_bytes;
  int status;
  daytona__http_trace_t trace;
  daytona__http_context_t context;
  struct curl_slist context_lines[2]; /* its lines, in front of the list that is shared */
  int repeats;
  int64_t rate_waited_ms;

  char *redirect_url; /* instead of call->url */
  daytona__redirect_t redirect;
  void *headers; /* the request's own header list, when it is not a shared one */

  /* streamed responses */
  daytona__task_t deliver, resume;
  char *stream;
  size_t stream_start, stream_end, stream_room;
  bool is_head_reported, is_user_paused, is_curl_paused, is_discarding;
  daytona_errcode_t final_code; /* in DRAINING */
};

/* Header lists that many requests share; keyed by the two strings. */
typedef struct daytona__http_headers {
  char *accept, *content_type;
  struct curl_slist *list;
} daytona__http_headers_t;

/* What was last put into libcurl's name cache, so that a request sets it only when it changed. */
typedef struct daytona__http_pin {
  int port;
  daytona__addresses_t addresses;
  char host[DAYTONA__HOST_ROOM];
} daytona__http_pin_t;

enum { HTTP_SHARED_HEADERS = 16, HTTP_PINS = 16, HTTP_IDLE_EASIES = 64, HTTP_IDLE_TRANSFERS = 256 };

typedef struct daytona__http_poller daytona__http_poller_t;

/*
 * One multi handle of libcurl's: connections, and what libcurl keeps beside them of names and certificates. There is one for
 * requests without TLS and one for those with it, which is replaced when the certificates were renewed: the old one
 * takes no more requests and goes when its last one has ended.
 */
typedef struct daytona__http_hub {
  daytona__list_t link; /* http->hubs */
  daytona__http_t *http;
  CURLM *multi;      /* NULL: it is gone, and the memory follows in a later turn */
  size_t easy_count; /* handles in it */
  bool is_old, is_broken;
  bool has_dead; /* a pooled connection was ended by its peer, and libcurl has not noticed yet */
  int sweeps;    /* looks at it since then */
  daytona_errcode_t broken_code; /* with is_broken: why, DAYTONA_OK for an error of libcurl */
  daytona__timer_t timer, reaper;
  daytona__task_t kick;
  daytona__http_pin_t *pins[HTTP_PINS];
  size_t pin_count;
} daytona__http_hub_t;

struct daytona__http {
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__net_options_t options; /* strings are ours */
  bool has_proxy[2];
  daytona__proxy_t proxies[2]; /* [is_secure] */
  daytona_header_t *common;
  size_t common_count;
  size_t max_connections;
  uint64_t random;

  daytona__list_t waiting, active;
  size_t waiting_count, slot_count;
  daytona__task_t pump;
  daytona__list_t easies, transfers; /* idle ones */
  size_t easy_count, transfer_count;
  daytona__http_headers_t shared[HTTP_SHARED_HEADERS];
  size_t shared_count;

  /* http_trust.c */
  bool has_trust; /* certificates of a file: secure requests wait for `trust` */
  daytona__trust_t trust;

  /* http_multi.c */
  daytona__list_t hubs;
  daytona__http_hub_t *current[2]; /* [with TLS]; NULL: made when needed */
  bool in_curl;
  daytona__timer_t watchdog;
  daytona__http_poller_t **pollers; /* by descriptor, chained */
  size_t poller_mask, poller_count, spare_count;
  daytona__http_poller_t *spares;
  daytona__http_poller_t *reserve; /* for a descriptor that libcurl opened itself, such as its wake-up */
  daytona__list_t changed;

  daytona__http_stats_t stats;
  void (*on_attempt)(const daytona__http_attempt_t *attempt, void *user); /* NULL: nobody asks */
  void (*on_begin)(const daytona__http_call_t *call, daytona__http_context_t *context, void *user);
  void *trace_user;

  bool is_closing, is_shut; /* asked to close; only sockets are left */
  daytona__task_t closing;
  void (*closed)(void *user);
  void *closed_user;
};

/* --- http.c --- */
void daytona__http_finish(daytona__http_transfer_t *t, daytona_errcode_t code, const char *message);
void daytona__http_completed(daytona__http_transfer_t *t, CURLcode result);
void daytona__http_connected(daytona__http_transfer_t *t);
void daytona__http_idle_restart(daytona__http_transfer_t *t);
void daytona__http_pin(daytona__http_transfer_t *t);
void daytona__http_unpin(daytona__http_transfer_t *t);
bool daytona__http_may_repeat(const daytona__http_transfer_t *t);
static inline void daytona__http_touch(daytona__http_transfer_t *t) {
  if (t->call->idle_timeout_ms > 0) t->last_byte_ms = daytona__loop_now(t->http->loop);
}

/* --- http_multi.c --- */
int daytona__http_multi_init(daytona__http_t *http);
/* Where a request of that kind goes now, made if there is none; NULL: out of memory. */
daytona__http_hub_t *daytona__http_hub_of(daytona__http_t *http, bool with_tls);
/* From now on secure requests go to `multi`, which is ours then. 0, or DAYTONA_ENOMEM. */
int daytona__http_hub_take(daytona__http_t *http, CURLM *multi);
int daytona__http_multi_add(daytona__http_easy_t *easy);
void daytona__http_multi_remove(daytona__http_easy_t *easy);
CURLcode daytona__http_multi_pause(daytona__http_easy_t *easy, int bits);
void daytona__http_multi_run(daytona__http_t *http); /* what libcurl wants done at once */
void daytona__http_multi_close(daytona__http_t *http);
bool daytona__http_multi_is_gone(const daytona__http_t *http);
void daytona__http_multi_free(daytona__http_t *http);
void daytona__http_close_step(daytona__http_t *http); /* http.c: called when the last socket is gone */
curl_socket_t daytona__http_on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address);
int daytona__http_on_close_socket(void *user, curl_socket_t fd);

/* --- http_trust.c --- */
void daytona__http_trust_init(daytona__http_t *http);

/* --- http_easy.c --- */
daytona__http_easy_t *daytona__http_easy_get(daytona__http_t *http);
void daytona__http_easy_put(daytona__http_easy_t *easy);
void daytona__http_easy_trim(daytona__http_t *http);
void daytona__http_easy_free_all(daytona__http_t *http);
int daytona__http_easy_prepare(daytona__http_transfer_t *t, const char **message);
void daytona__http_easy_pin(daytona__http_easy_t *easy, const char *host, int port,
                            const daytona__addresses_t *addresses);
void daytona__http_forget_pins(daytona__http_hub_t *hub);
/* The trusted certificates of a handle, for the server and for a proxy. False: they cannot be set. */
bool daytona__http_easy_trust(CURL *curl, const char *ca_file, const char *ca_path);
const daytona__proxy_t *daytona__http_easy_proxy(const daytona__http_easy_t *easy);
const char *daytona__http_url(const daytona__http_transfer_t *t);
const char *daytona__http_method(const daytona__http_transfer_t *t);

/* --- http_headers.c --- */
int daytona__http_headers_make(daytona__http_transfer_t *t, struct curl_slist **out, const char **message);
void daytona__http_headers_drop(daytona__http_transfer_t *t);
bool daytona__http_headers_are_valid(const daytona_header_t *headers, size_t count);
void daytona__http_headers_free(daytona__http_t *http);

/* --- http_answer.c --- */
typedef struct daytona__http_outcome {
  daytona_errcode_t code;
  bool is_final; /* would fail in the same way again */
} daytona__http_outcome_t;
/* How a server that speaks another protocol gave itself away, as the end of a sentence; NULL: it did not. */
const char *daytona__http_mix_up(const daytona__http_transfer_t *t, CURLcode result);
/* Whether the proxy refused for want of credentials, in the tunnel or for a plain request: what to say of it. */
bool daytona__http_proxy_refusal(const daytona__http_transfer_t *t, char *text, size_t size);

daytona__http_outcome_t daytona__http_judge(daytona__http_transfer_t *t, CURLcode result);
int daytona__http_answer_take(daytona__http_transfer_t *t, bool with_headers);
void daytona__http_keep_last_words(daytona__http_transfer_t *t);
bool daytona__http_take_last_words(daytona__http_transfer_t *t);
size_t daytona__http_answer_collect(daytona__http_transfer_t *t, const char *bytes, size_t size);
int64_t daytona__http_retry_after_ms(const daytona__http_transfer_t *t); /* -1: none */
bool daytona__http_was_sent(const daytona__http_transfer_t *t);
void daytona__http_answer_reset(daytona__http_call_t *call);

/* --- http_body.c --- */
size_t daytona__http_stream_write(daytona__http_transfer_t *t, const char *bytes, size_t size);
void daytona__http_stream_run(daytona__task_t *task);
void daytona__http_stream_init(daytona__http_transfer_t *t);
void daytona__http_stream_free(daytona__http_transfer_t *t);

#endif
